"""The application as channels-classic runs it."""
