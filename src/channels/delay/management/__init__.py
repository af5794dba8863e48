"""The management command of delayed messages."""
