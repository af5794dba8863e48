"""A layer for servers that tests start from the command line."""

from channels.layers.inmemory import InMemoryChannelLayer

layer = InMemoryChannelLayer()
