"""What the Redis layers raise when a server does not answer."""

from __future__ import annotations

import redis.exceptions

from channels.exceptions import LayerUnavailable


class RedisUnavailable(LayerUnavailable, redis.exceptions.ConnectionError):
    """A Redis server did not answer, refused the connection or hung up.

    Whatever was on its way may or may not have happened.  It is one of redis-py's errors as
    well, because applications catch those: the layer of old let them through
    (contract layer.md section 5.3).
    """

    __repr__ = Exception.__repr__  # with the text, which redis-py leaves out
