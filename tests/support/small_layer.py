"""A Redis layer with little room on one channel; ``TEST_REDIS`` says where Redis is."""

import os

from channels.layers.redis.layer import RedisChannelLayer

layer = RedisChannelLayer(
    hosts=[os.environ["TEST_REDIS"]], channel_capacity={"websocket.receive": 2}
)
