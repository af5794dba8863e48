"""What an interface server uses of the Redis layer; never imports ``worker``."""
