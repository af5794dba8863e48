"""Settings; the test says where Redis and the notes are."""

import os

SECRET_KEY = "a secret of these tests"
ALLOWED_HOSTS = ["*"]
INSTALLED_APPS = ["channels"]
ROOT_URLCONF = "tests.faults.site.app"
MIDDLEWARE = []
USE_TZ = True
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels.layers.redis.RedisChannelLayer",
        "CONFIG": {"hosts": [os.environ["REDIS_URL"]]},
        "ROUTING": "tests.faults.site.app.routing",
    }
}
