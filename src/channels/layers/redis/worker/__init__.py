"""What a worker uses of the Redis layer; never imports ``server``."""
