"""Structured logging: an event is a constant text, facts are fields, ids come from the context."""

import logging.config
from typing import Any

import structlog

SHARED: list[Any] = [  # processors are callables of several shapes
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.StackInfoRenderer(),
]


def logging_config(*, form: str, level: str) -> None:
    """Sends every log line of this process to standard error, as JSON or for a person's eyes."""
    renderer: Any = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if form == "json"
        else structlog.dev.ConsoleRenderer(colors=False)
    )
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {
                "line": {
                    "()": structlog.stdlib.ProcessorFormatter,
                    "foreign_pre_chain": SHARED,
                    "processors": [
                        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                        structlog.processors.format_exc_info,
                        renderer,
                    ],
                }
            },
            "handlers": {"out": {"class": "logging.StreamHandler", "formatter": "line"}},
            "root": {"handlers": ["out"], "level": level},
        }
    )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *SHARED,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def logger(name: str) -> Any:
    """A logger whose lines carry the ids bound with `bound`. structlog's own type is a lazy proxy."""
    return structlog.get_logger(name)


def bound(**ids: object) -> Any:
    """A context manager: lines logged inside carry these ids."""
    return structlog.contextvars.bound_contextvars(**ids)


def brief(error: Exception) -> str:
    """An error's kind and first line: further ones of a database's error may show the row."""
    return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
