"""Settings of the demo project.

Everything runs in one process by default: SQLite and the in-memory channel
layer.  Set ``REDIS_URL`` to run interface servers and workers as processes of
their own (``make demo-redis``, or the Procfile at the top of the repository).

``DEBUG=0`` and ``ALLOWED_HOSTS=chat.example.com`` (several with commas) run it as a
real site would be.
"""

import os
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent

# For the demo only: a real deployment reads its key from the environment and fails without it.
SECRET_KEY = os.environ.get("SECRET_KEY", "demo-only-not-a-secret")
DEBUG = os.environ.get("DEBUG", "1") == "1"
ALLOWED_HOSTS = os.environ.get("ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]").split(",")

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "channels",
    "demo",
    "chat",
    "liveblog",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "demo.urls"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.get("DATABASE", str(BASE_DIR / "demo.sqlite3")),
        # Several workers write to one file: wait for each other instead of failing.
        "OPTIONS": {"timeout": 20, "transaction_mode": "IMMEDIATE"},
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = os.environ.get("REDIS_URL")
if REDIS_URL:
    CHANNEL_LAYERS = {
        "default": {
            "BACKEND": "channels.layers.redis.RedisChannelLayer",
            "CONFIG": {"hosts": [REDIS_URL]},
            "ROUTING": "demo.routing.channel_routing",
        }
    }
else:
    CHANNEL_LAYERS = {
        "default": {
            "BACKEND": "channels.layers.inmemory.InMemoryChannelLayer",
            "ROUTING": "demo.routing.channel_routing",
        }
    }

CHANNELS_ORIGIN_VALIDATOR = "channels.security.websockets.AllowedHostsOnlyOriginValidator"
CHANNELS_DELETE_SESSIONS = True
CHANNELS_SESSION_KEY_IN_URL = False

STATIC_URL = "static/"
# Where collectstatic puts what nginx or a CDN should serve; without one, demo/urls.py does.
STATIC_ROOT = os.environ.get("STATIC_ROOT", str(BASE_DIR / "staticfiles"))
LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
