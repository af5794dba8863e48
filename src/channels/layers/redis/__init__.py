"""The Redis channel layer."""
