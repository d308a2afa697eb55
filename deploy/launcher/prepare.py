"""Makes the database and the static files ready; `./run` starts it in the project's environment.

What a person should read goes to standard output; logs and tracebacks go to standard error.
"""

import argparse
import io
import sys
import traceback

import django
from django.core.management import call_command

from deploy.launcher.speech import guarded, say, working


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--empty", action="store_true")
    options = parser.parse_args()
    try:
        _prepare(empty=options.empty)
    except Exception as error:  # noqa: BLE001 the outermost place: a person gets a sentence, the log the rest
        traceback.print_exc()
        say(f"Vestnik cannot start: {reason(error)} (more in var/log/prepare.log).")
        return 1
    return 0


def reason(error: Exception) -> str:
    """The first line of an error: database drivers and settings say there what is wrong."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def _prepare(*, empty: bool) -> None:
    django.setup()
    with working("Preparing the database"):
        call_command("migrate", verbosity=0, interactive=False)
        call_command("createcachetable", verbosity=0)
    with working("Preparing the static files"):
        call_command("collectstatic", verbosity=0, interactive=False)
    if _is_new():
        if not empty:
            with working("Loading demo clients and mailings (./run --empty leaves them out)"):
                call_command("load_demo", stdout=io.StringIO())
        _introduce()


def _is_new() -> bool:
    """Whether nobody can sign in yet. The administrator is made last: what broke off is done again."""
    from accounts.models import User

    return not User.objects.exists()


def _introduce() -> None:
    """Makes the administrator and a key, and shows both: neither can be shown again."""
    email, password = _output_of("create_tryout_admin").split()
    key = _output_of("create_api_key", "try-out", role="operator")
    lines = [
        f"Sign in as   {email}",
        f"Password     {password}",
        f"API key      {key}",
        "Keep them: they are shown this once.",
    ]
    width = max(map(len, lines)) + 4
    middle = [f"│  {line:<{width - 2}}│" for line in lines]
    say("\n".join(["", f"┌{'─' * width}┐", *middle, f"└{'─' * width}┘", ""]))


def _output_of(command: str, *arguments: str, **options: str) -> str:
    out = io.StringIO()
    call_command(command, *arguments, stdout=out, **options)
    return out.getvalue().strip()


if __name__ == "__main__":
    sys.exit(guarded(main))
