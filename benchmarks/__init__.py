"""Measurements against the stacks of today, side by side in one run."""
