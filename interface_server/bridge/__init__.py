"""Between protocol and layer: what waits, what leaves when, and who gets what."""
