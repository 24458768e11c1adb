"""What can be known before anything is created: the engine, the ports and the images."""

from infra.config import Config


def check(config: Config) -> None:
    """Raises Refusal with one line for the first thing that would make the `up` fail."""
