"""A project that was begun with this version: no setting of it is there for old times' sake."""

import os

SECRET_KEY = "a secret of these tests"
DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1", "club.example", "partner.example"]
USE_TZ = True

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "channels",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]
ROOT_URLCONF = "members"
STATIC_URL = "/static/"

SESSION_ENGINE = "django.contrib.sessions.backends." + os.environ.get("ENGINE", "db")
SESSION_FILE_PATH = os.environ.get("SESSION_FOLDER")

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ["DATABASE"],
        "OPTIONS": {"timeout": 20},
    }
}

if os.environ.get("REDIS_URL"):
    _LAYER = {
        "BACKEND": "channels.layers.redis.RedisChannelLayer",
        "CONFIG": {"hosts": [os.environ["REDIS_URL"]]},
    }
else:
    _LAYER = {"BACKEND": "channels.layers.inmemory.InMemoryChannelLayer"}
CHANNEL_LAYERS = {"default": {**_LAYER, "ROUTING": "members.routing"}}
CHANNELS_ORIGIN_VALIDATOR = "channels.security.websockets.AllowedHostsOnlyOriginValidator"
