"""How the web server runs, under `./run` and in the image alike; where it listens is its starter's choice."""

import logging
from typing import Any

from gunicorn.glogging import Logger

from config import redaction


class Line(logging.Formatter):
    """The server's own lines, under the rules of all others: a broken request is quoted in them."""

    def format(self, record: logging.LogRecord) -> str:
        event, bar, traceback = super().format(record).partition("\nTraceback ")
        told = redaction.one_line(redaction.hidden(event))
        return f"{told}\n{redaction.quoted_lines(redaction.hidden('Traceback ' + traceback))}" if bar else told


class OurLogger(Logger):  # type: ignore[misc]  # gunicorn has no types
    def setup(self, cfg: Any) -> None:  # gunicorn's configuration
        super().setup(cfg)
        for handler in self.error_log.handlers:
            handler.setFormatter(Line(self.error_fmt, self.datefmt))


logger_class = OurLogger

worker_class = "gthread"
workers = 2
threads = 4
timeout = 60
graceful_timeout = 25
keepalive = 5
# a socket in the home folder that nothing here uses
control_socket_disable = True
# config/proxies.py alone decides whom to believe; the server would take the word of anybody on this machine
forwarded_allow_ips = ""
secure_scheme_headers: dict[str, str] = {}
forwarder_headers = ""
