"""Settings of the application as Channels 4 runs it."""

import os

from benchmarks.apps.settings import *  # noqa: F403 (settings are shared this way)

ASGI_APPLICATION = "benchmarks.apps.channels4.asgi.application"
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.core.RedisChannelLayer",
        "CONFIG": {"hosts": [os.environ["REDIS_URL"]], "capacity": 5000},
    }
}
