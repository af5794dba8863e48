"""The interface server: sockets of clients on one side, a channel layer on the other."""
