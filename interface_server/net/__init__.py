"""Twisted and Autobahn: sockets, and nothing of the channel layer."""
