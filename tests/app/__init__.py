"""An application with models, for tests that need some."""
