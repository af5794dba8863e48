"""Settings; the test says where Redis and the notes are."""

import json
import os

SECRET_KEY = "a secret of these tests"
ALLOWED_HOSTS = ["*"]
INSTALLED_APPS = ["channels"]
ROOT_URLCONF = "tests.faults.site.app"
MIDDLEWARE = []
USE_TZ = True
_REDIS = {
    "BACKEND": "channels.layers.redis.RedisChannelLayer",
    "CONFIG": {"hosts": [os.environ.get("REDIS_URL")]},
}
CHANNEL_LAYERS = {
    "default": {
        **(json.loads(os.environ["LAYER"]) if "LAYER" in os.environ else _REDIS),
        "ROUTING": "tests.faults.site.app.routing",
    }
}
