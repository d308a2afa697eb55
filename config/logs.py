"""Structured logging: an event is a constant text, facts are fields, ids come from the context."""

import json
import logging.config
from typing import Any

import structlog

from config import redaction

SHARED: list[Any] = [  # processors are callables of several shapes
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.StackInfoRenderer(),
]


MANY_LINES = ("exception", "stack")


def without_secrets(logger: object, method: str, event: Any) -> dict[str, Any]:
    """A processor: no phone and no secret goes on, wherever in the event it stands."""
    return redaction.hidden_fields(event)


def in_json(event: Any, **options: Any) -> str:
    """The event as JSON on one line, whatever its texts hold."""
    return redaction.json_escaped(json.dumps(event, ensure_ascii=False, **options))


def in_plain_text(logger: object, method: str, event: Any) -> dict[str, Any]:
    """A processor: one line by the event, and a traceback's lines set off, so that no text can forge an event."""
    return {
        redaction.one_line(name): redaction.quoted_lines(str(value)) if name in MANY_LINES else _plain(value)
        for name, value in event.items()
    }


def _plain(value: object) -> object:
    return redaction.one_line(value if isinstance(value, str) else repr(value))


RENDERERS: dict[str, list[Any]] = {
    "json": [structlog.processors.JSONRenderer(serializer=in_json)],
    "console": [in_plain_text, structlog.dev.ConsoleRenderer(colors=False)],
}


def logging_config(*, form: str, level: str) -> None:
    """Sends every log line of this process to standard error, as JSON or for a person's eyes."""
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
                        without_secrets,
                        *RENDERERS[form],
                    ],
                }
            },
            "handlers": {"out": {"class": "logging.StreamHandler", "formatter": "line"}},
            "root": {"handlers": ["out"], "level": level},
            # for every name that a template does not find it would quote the whole page's data
            "loggers": {"django.template": {"level": "WARNING"}},
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
