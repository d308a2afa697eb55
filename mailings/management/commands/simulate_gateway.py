import asyncio
import resource
import signal
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from typing import Any

import uvloop
from django.core.management.base import BaseCommand, CommandError

from mailings.simulator.faults import MEANINGS, BadOption
from mailings.simulator.options import Options
from mailings.simulator.server import Simulator

FAULTS = "faults:\n" + "\n".join(f"  {kind:10} {meaning}" for kind, meaning in MEANINGS.items())


class Command(BaseCommand):
    help = "Plays an SMS gateway on this machine. Prints its address when it listens; stops on SIGTERM."
    requires_system_checks = ()  # it has no database and no part in the site

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> Any:
        return super().create_parser(
            prog_name, subcommand, epilog=FAULTS, formatter_class=RawDescriptionHelpFormatter, **kwargs
        )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=port, default=8025, help="0 takes a free one (default: 8025)")
        parser.add_argument("--latency", default="0", metavar="TIME", help='as "50ms", "0.05", "40ms-80ms"')
        parser.add_argument("--token", help="the only right bearer token (default: any)")
        parser.add_argument("--seed", type=int, default=0, help="other decisions, as repeatable")
        parser.add_argument(
            "--fault",
            nargs="+",
            action="extend",
            default=[],
            metavar="KIND=SHARE",
            help="this share of the lawful requests meets this fault",
        )
        parser.add_argument(
            "--poison",
            nargs="+",
            action="extend",
            default=[],
            metavar="NUMBER=KIND",
            help="the message with this id, or to this phone, always meets this fault",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            chosen = read(options)
        except BadOption as error:
            raise CommandError(str(error)) from error
        allow_many_connections()
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(self.serve(Simulator(chosen, host=options["host"], port=options["port"])))
        except OSError as error:
            raise CommandError(f"{options['host']}:{options['port']}: {error.strerror}") from error

    async def serve(self, simulator: Simulator) -> None:
        loop, stopped = asyncio.get_running_loop(), asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopped.set)
        await simulator.start()
        self.stdout.write(simulator.url)
        self.stdout.flush()
        await stopped.wait()
        simulator.stop()


def port(text: str) -> int:
    """As argparse wants it: a ValueError is told with the text."""
    number = int(text)
    if not 0 <= number <= 65535:
        raise ValueError(text)
    return number


def read(options: dict[str, Any]) -> Options:
    """The options of the command line by the same rules as those of POST /_control."""
    return Options().changed(
        {
            "latency": options["latency"],
            "token": options["token"],
            "seed": options["seed"],
            "faults": {kind: share(text) for kind, text in map(split, options["fault"])},
            "poison": dict(map(split, options["poison"])),
        }
    )


def split(pair: str) -> tuple[str, str]:
    left, equals, right = pair.rpartition("=")
    if not equals:
        raise BadOption(f"{pair!r} has no equals sign")
    return left, right


def share(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise BadOption(f"a share must be a number, not {text!r}") from error


def allow_many_connections() -> None:
    """A thousand open files, the usual limit, would be the end of a thousand connections."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
