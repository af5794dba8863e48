"""Django settings of the test suite."""

from __future__ import annotations

SECRET_KEY = "a secret of the test suite and of nothing else"
DEBUG = False
ALLOWED_HOSTS = ["testserver", "localhost", "127.0.0.1"]
USE_TZ = True
# Hashing slowly is what the others are for, and most of what the tests of users cost.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "channels",
    "channels.delay",
    "tests.app",
]
MIDDLEWARE: list[str] = []
ROOT_URLCONF = "tests.urls"
STATIC_URL = "/static/"

DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"

CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels.layers.inmemory.InMemoryChannelLayer",
        "ROUTING": "tests.consumers.routing",
    },
}
