"""The ``millrace`` command: one place that knows every part; each command imports what it needs when it runs."""
