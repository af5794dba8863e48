"""Settings of the application as channels-classic runs it."""

import os

from benchmarks.apps.settings import *  # noqa: F403 (settings are shared this way)

CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels.layers.redis.RedisChannelLayer",
        # The storm opens sockets faster than one worker accepts them: let them wait.
        "CONFIG": {"hosts": [os.environ["REDIS_URL"]], "capacity": 5000},
        "ROUTING": "benchmarks.apps.classic.routing.channel_routing",
    }
}
