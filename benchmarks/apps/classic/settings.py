"""Settings of the benchmark's application."""

import os

SECRET_KEY = "benchmark"
DEBUG = False
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "benchmarks.apps.views"
INSTALLED_APPS = ["channels"]
MIDDLEWARE: list[str] = []
USE_TZ = True
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels.layers.redis.RedisChannelLayer",
        # The storm opens sockets faster than one worker accepts them: let them wait.
        "CONFIG": {"hosts": [os.environ["REDIS_URL"]], "capacity": 5000},
        "ROUTING": "benchmarks.apps.classic.routing.channel_routing",
    }
}
