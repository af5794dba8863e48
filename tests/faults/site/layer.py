"""The layer of the settings for an interface server, without Django."""

import json
import os

from channels.layers.redis import RedisChannelLayer

layer = RedisChannelLayer(**json.loads(os.environ["LAYER"])["CONFIG"])
