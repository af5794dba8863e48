"""Connections to Redis: addresses, one server, Sentinel, Cluster, and which host has what."""
