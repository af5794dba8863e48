"""The application as Channels 4 runs it; needs an environment of its own."""
