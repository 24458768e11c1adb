"""What is said, in one line, when an image cannot be made."""


class ImagesError(Exception):
    """An image cannot be made or named; the message is one line with the thing at fault and the remedy."""


class PluginsError(ImagesError):
    """A folder of Connect plugin archives that cannot be used; the message is one line that names the file."""
