"""How these commands refuse."""


class Refusal(Exception):
    """It cannot be done; the message is one line that says why and what to do. Exit code 2."""


class Failed(Exception):
    """It was begun and did not succeed; the message is one line. Exit code 1."""
