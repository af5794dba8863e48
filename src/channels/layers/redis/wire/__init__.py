"""What the layer writes into Redis and reads from it: keys, frames, items, scripts.  No I/O."""
