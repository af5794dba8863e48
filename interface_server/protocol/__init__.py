"""State machines and message building without I/O."""
