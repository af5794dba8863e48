"""Connections to Redis: addresses, servers, Sentinel, Cluster, and which host has what."""
