"""Structured logs on standard error: readable lines on a console, one JSON object a line elsewhere."""

import logging
import sys
from typing import cast

import structlog

from services.settings import ObservabilitySettings


def configure_logging(process: str, settings: ObservabilitySettings) -> None:
    """Sets up structlog and the standard library's logging for this process."""
    level = logging.getLevelNamesMapping()[settings.log_level]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if settings.log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=0)
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(process=process)
    logging.basicConfig(
        stream=sys.stderr, level=max(level, logging.WARNING), format=f"%(levelname)s {process} %(name)s: %(message)s"
    )


def get_logger() -> structlog.typing.FilteringBoundLogger:
    """A logger: ``log.info("what happened", key=value)``."""
    return cast(structlog.typing.FilteringBoundLogger, structlog.get_logger())
