"""A small application whose processes are killed by the tests beside it."""
