"""The channel layer for interface servers: ``interface-server demo.asgi:channel_layer``."""

import os

from channels.asgi import get_channel_layer

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "demo.settings")

channel_layer = get_channel_layer()
