"""Structured logging: an event is a constant text, facts are fields, ids come from the context.

`logger(…).info` is for what happens now and then. `tell` is for what happens to each of a million messages: many
lines in one write, from parts that are JSON already (docs/decisions/0023).
"""

import io
import json
import logging.config
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, TextIO

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


# so much of one write is never torn by another process's on the same pipe (PIPE_BUF of Linux)
PIPE_BYTES = 4096
# who an event is about or on whose behalf it happens: what a task and an attempt have from the request behind them
FROM_REQUEST = ("request_id", "user", "api_key")


class Out(logging.StreamHandler[TextIO]):
    """Where the lines of this process go, and in which form."""

    def __init__(self, form: str) -> None:
        super().__init__(sys.stderr)
        self.form = form

    def write(self, lines: Iterable[str]) -> None:
        """Writes whole lines in few pieces. What goes wrong has the fate that it has with any other log line."""
        self.acquire()
        try:
            for piece in pieces(lines):
                self.stream.write(piece)
                self.flush()
        except (OSError, ValueError):
            self.handleError(logging.LogRecord(__name__, logging.INFO, "", 0, "many lines", None, None))
        finally:
            self.release()


def pieces(lines: Iterable[str]) -> Iterator[str]:
    """The lines put together, as many as a pipe takes at once."""
    piece: list[str] = []
    size = 0
    for line in lines:
        length = len(line) if line.isascii() else len(line.encode(errors="replace"))
        if piece and size + length > PIPE_BYTES:
            yield "".join(piece)
            piece, size = [], 0
        piece.append(line)
        size += length
    if piece:
        yield "".join(piece)


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
            "handlers": {"out": {"()": Out, "form": form, "formatter": "line"}},
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
    sys.excepthook = _tell_uncaught


def _tell_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """What ends a process is a log line too: a traceback by Python itself would show phones and secrets."""
    if issubclass(kind, Exception):
        logger(__name__).critical("ended by an error", exc_info=(kind, error, trace))
    else:
        sys.__excepthook__(kind, error, trace)


def to_standard_output() -> None:
    """From now on the lines go to standard output: for processes that live long and have no other result.

    A command that has one leaves standard output to it. What Python warns of is a line, too.
    """
    logging.captureWarnings(True)
    if isinstance(sys.stdout, io.TextIOWrapper):  # whoever put another stream in its place wants it as it is
        sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")
    lead_to(sys.stdout)


def lead_to(stream: TextIO) -> None:
    """From now on the lines go there."""
    for handler in _outs():
        handler.setStream(stream)


def _outs() -> list[Out]:
    return [handler for handler in logging.getLogger().handlers if isinstance(handler, Out)]


def tell(name: str, event: str, told: Sequence[str]) -> None:
    """An INFO line of logger `name` for each of `told`, all of the same event and instant.

    Each is the inside of a JSON object: numbers, words of ours, and free text only by `quoted`. Nothing of it is
    looked through again: a line costs some twentieth of what `logger(name).info` does.
    """
    if not told or not logging.getLogger(name).isEnabledFor(logging.INFO):
        return
    head = f'{{"timestamp": "{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}", "level": "info", "logger": "{name}", '
    head += f'"event": "{event}", '
    for out in _outs():
        if out.form == "json":
            out.write([f"{head}{each}}}\n" for each in told])
        else:
            for each in told:
                logger(name).info(event, **json.loads(f"{{{each}}}"))


class Together:
    """INFO lines of one event that come one by one in an event loop: those of one turn are told together."""

    def __init__(self, name: str, event: str, soon: Callable[[Callable[[], None]], object]) -> None:
        self._name, self._event, self._soon = name, event, soon
        self._told: list[str] = []

    def tell(self, told: str) -> None:
        if not self._told:
            self._soon(self._write)
        self._told.append(told)

    def _write(self) -> None:
        told, self._told = self._told, []
        tell(self._name, self._event, told)


def fields(**facts: object) -> str:
    """Facts as the inside of a JSON object, for `tell`: numbers and words of ours, nothing that a person wrote."""
    return json.dumps(facts)[1:-1]


def quoted(text: str) -> str:
    """A text that others wrote as JSON, for `tell`: redacted, and on one line."""
    return redaction.hidden_json(text)


def from_request() -> dict[str, Any]:
    """Whose request this is part of, as far as the context knows."""
    known = structlog.contextvars.get_contextvars()
    return {name: known[name] for name in FROM_REQUEST if known.get(name) is not None}


def logger(name: str) -> Any:
    """A logger whose lines carry the ids bound with `bound`. structlog's own type is a lazy proxy."""
    return structlog.get_logger(name)


def bound(**ids: object) -> Any:
    """A context manager: lines logged inside carry these ids."""
    return structlog.contextvars.bound_contextvars(**ids)


def brief(error: Exception) -> str:
    """An error's kind and first line: further ones of a database's error may show the row."""
    return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
