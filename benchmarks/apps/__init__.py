"""The same small application for each stack: echo, broadcast, hello."""
