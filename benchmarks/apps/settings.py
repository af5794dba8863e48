"""Settings that every stack has; each adds its own channel layer."""

import os

SECRET_KEY = "benchmark"
DEBUG = False
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "benchmarks.apps.views"
INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
    "channels",
]
MIDDLEWARE: list[str] = []
USE_TZ = True
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ["BENCHMARK_DATABASE"],
        "CONN_MAX_AGE": None,  # as docs/porting.md advises
        "OPTIONS": {"init_command": "PRAGMA journal_mode=wal; PRAGMA synchronous=normal"},
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
