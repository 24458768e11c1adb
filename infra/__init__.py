"""The stack as a Pulumi program: one component a file, put together in `__main__.py`."""
