"""Waiting within limits: for a server that is still starting, for a state that was asked for."""

from collections.abc import Callable
from typing import TypeVar

from tenacity import RetryError, Retrying, retry_if_exception, retry_if_result, stop_after_delay, wait_exponential

T = TypeVar("T")

_WAIT = wait_exponential(multiplier=0.1, max=1)


def answered(ask: Callable[[], T], away: Callable[[BaseException], bool], seconds: float) -> T:
    """The answer, asked for again while ``away`` recognises what ``ask`` raises; after ``seconds`` that is raised."""
    attempts = Retrying(retry=retry_if_exception(away), stop=stop_after_delay(seconds), wait=_WAIT, reraise=True)
    return attempts(ask)


def settled(look: Callable[[], T | None], seconds: float) -> T | None:
    """What ``look`` returns once it is not None; None when it still is after ``seconds``."""
    attempts = Retrying(retry=retry_if_result(lambda seen: seen is None), stop=stop_after_delay(seconds), wait=_WAIT)
    try:
        return attempts(look)
    except RetryError:
        return None
