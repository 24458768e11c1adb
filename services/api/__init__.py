"""The HTTP API and the page at its root: one resource a module, put together in ``app``."""
