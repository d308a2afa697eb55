"""How each command of the papers is proved: most are run, and what cannot run here is taken apart and checked.

A command that neither table knows fails the test: whoever writes it into a paper says here how it is proved.
"""

import re
import shlex
from collections.abc import Callable
from functools import cache
from itertools import pairwise

import yaml
from django.core.management import CommandError, get_commands, load_command_class

from tests.papers.blocks import ROOT, Command

# they begin a command that is run as it stands, in a copy of the project with a running service in it
RUN = {
    "curl",
    "json",
    "jq",
    "grep",
    "openssl",
    "cp",
    "mkdir",
    "cat",
    "until",
    "for",
    "echo",
    "printf",
    "export",
    "cd",
    "ls",
}

LOOPS = {"until", "for", "while"}

# they run until somebody stops them, take minutes, or change what a test of their own looks at:
# their words are given to the command's own parser
MANAGE_PARSED = {
    "worker",
    "after_restore",
    "load_demo",
    "simulate_gateway",
    "makemessages",
    "compilemessages",
    "makemigrations",
    # each start of Django costs two seconds, and these are run for real elsewhere: tests/deploy/test_prepare.py,
    # tests/mailings/test_retention.py, tests/config/test_deployment.py and tests/accounts/test_commands.py
    "prepare",
    "forget",
    "check",
    "invite",
}

Problems = list[str]


def parts(text: str) -> list[list[str]]:
    """The words of each command of a line, without leading variables, remarks and redirections."""
    lexer = shlex.shlex(text.replace("\\\n", " "), posix=True, punctuation_chars="|;&<>")
    lexer.whitespace_split = True
    lexer.commenters = "#"
    found: list[list[str]] = [[]]
    is_file = False
    for word in lexer:
        if set(word) <= set("|;&"):
            found.append([])
        elif set(word) <= set("<>"):
            is_file = True
        elif is_file:
            is_file = False
        elif found[-1] or not re.match(r"[A-Za-z_]\w*=", word):
            found[-1].append(word)
    return [words for words in found if words]


def parsed(command: Command) -> Problems | None:
    """What is wrong with a command that is only taken apart; None when it is one to run."""
    if re.match(r"\w+=(\S*\$\(|['\"])", command.text):
        return None  # a variable with what another command says, or with more than a word
    typed = parts(command.text)
    if not typed or typed[0][0] in LOOPS or typed[0][0].endswith("()"):
        return None
    verdicts = [_proved(words[0], words[1:]) for words in typed]
    if all(verdict is None for verdict in verdicts):
        return None
    return [problem for verdict in verdicts for problem in verdict or []]


def _proved(program: str, arguments: list[str]) -> Problems | None:
    if program == ".venv/bin/python":
        return _python(arguments)
    if program in RUN:
        return None
    check = PARSED.get(program)
    return check(arguments) if check else [f"nobody says how {program!r} is proved: see tests/papers/proofs.py"]


def _python(arguments: list[str]) -> Problems | None:
    if arguments[0] == "manage.py":
        return _manage(arguments[1:])
    if arguments[:1] == ["-m"]:
        return _module(arguments[1], arguments[2:])
    return None


def _manage(arguments: list[str]) -> Problems | None:
    name, rest = arguments[0], arguments[1:]
    if name not in get_commands():
        return [f"there is no command {name}"]
    return _options(name, rest) if name in MANAGE_PARSED else None


@cache
def _rooms() -> dict[str, str]:
    return {name: str(room) for name, room in get_commands().items()}


def _options(name: str, arguments: list[str]) -> Problems:
    try:
        load_command_class(_rooms()[name], name).create_parser("manage.py", name).parse_args(arguments)
    except (CommandError, SystemExit) as error:
        return [f"manage.py {name}: {error}"]
    return []


def _module(module: str, arguments: list[str]) -> Problems:
    """A module of tests/ or deploy/ that takes minutes or writes papers: it is there and knows the options."""
    if module == "gunicorn":
        return _gunicorn(arguments)
    if module == "tests.benchmarks.NAME":
        module = "tests.benchmarks.drain"
    path = ROOT / module.replace(".", "/")
    source = path / "__main__.py" if path.is_dir() else path.with_suffix(".py")
    if not source.exists():
        return [f"there is no module {module}"]
    text = "".join(path.read_text() for path in source.parent.glob("*.py"))
    return [f"{module} knows no {word}" for word in _flags(arguments) if f'"{word}"' not in text]


def _flags(arguments: list[str]) -> list[str]:
    return [word.partition("=")[0] for word in arguments if word.startswith("-") and word != "-"]


def _known(arguments: list[str], flags: set[str]) -> Problems:
    return [f"an option that nobody knows: {word}" for word in _flags(arguments) if word not in flags]


def _there(names: list[str]) -> Problems:
    """Files and folders of the project that a command names."""
    return [f"there is no {name}" for name in names if not (ROOT / name).exists()]


def _run(arguments: list[str]) -> Problems:
    """./run itself is what the papers' other commands speak to; here only its options."""
    text = (ROOT / "deploy" / "launcher" / "run.py").read_text()
    return [f"./run knows no {word}" for word in _flags(arguments) if f'"{word}"' not in text]


def _test(arguments: list[str]) -> Problems:
    ours = re.findall(r'addoption\("(--[\w-]+)"', (ROOT / "tests" / "conftest.py").read_text())
    paths = [word.partition("::")[0] for word in arguments if word.startswith("tests")]
    return _known(arguments, {*ours, "-k", "-x", "-q", "-n", "--lf"}) + _there(paths)


def _compose(arguments: list[str]) -> Problems:
    """`docker compose`: subcommand, options, profiles and services are those of docker-compose.yml."""
    file = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    problems: Problems = []
    while arguments and arguments[0] == "--profile":
        profiles = {profile for service in file["services"].values() for profile in service.get("profiles", [])}
        problems += [] if arguments[1] in profiles else [f"no profile {arguments[1]}"]
        arguments = arguments[2:]
    name, rest = arguments[0], arguments[1:]
    if name not in COMPOSE:
        return [*problems, f"docker compose {name} is not in the list"]
    flags, valued, only_first = COMPOSE[name]
    services = [word for word in _without_values(rest, valued) if not word.startswith("-")]
    services = services[:1] if only_first else services
    problems += _known(_before_program(rest) if only_first else rest, flags | valued)
    for word in services:
        service = word.partition("=")[0].partition(":")[0]
        problems += [] if service in file["services"] else [f"docker-compose.yml has no service {service}"]
    return problems


def _before_program(arguments: list[str]) -> list[str]:
    """The options of `exec` and `run` end where the service is named."""
    for number, word in enumerate(arguments):
        if not word.startswith("-"):
            return arguments[:number]
    return arguments


def _without_values(arguments: list[str], valued: set[str]) -> list[str]:
    kept: list[str] = []
    is_value = False
    for word in arguments:
        if not is_value:
            kept.append(word)
        is_value = word in valued
    return kept


# subcommand: options without a value, options with one, whether only the first word is a service
COMPOSE: dict[str, tuple[set[str], set[str], bool]] = {
    "up": ({"-d", "--build", "--wait", "--no-deps", "--force-recreate"}, {"--scale"}, False),
    "down": ({"-v", "--volumes", "--remove-orphans"}, {"-t", "--timeout"}, False),
    "ps": ({"-a", "-q"}, set(), False),
    "logs": ({"-f", "--no-log-prefix", "--no-color", "-t"}, {"--since", "--until", "--tail", "-n"}, False),
    "stop": (set(), {"-t", "--timeout"}, False),
    "start": (set(), set(), False),
    "kill": (set(), {"-s"}, False),
    "restart": (set(), set(), False),
    "build": ({"--pull"}, set(), False),
    "pull": (set(), set(), False),
    "config": ({"-q", "--services"}, set(), False),
    "exec": ({"-T"}, {"-e", "-u"}, True),
    "run": ({"--rm", "-T", "--no-deps"}, {"-e", "-v"}, True),
    "cp": (set(), set(), True),
}


def _docker(arguments: list[str]) -> Problems:
    if arguments[0] == "compose":
        return _compose(arguments[1:])
    if arguments[0] == "build":
        return _known(arguments, {"-t", "--tag", "--target", "--pull"}) + _there([arguments[-1], "Dockerfile"])
    return (
        [] if arguments[0] in {"push", "tag", "login", "pull"} else [f"docker {arguments[0]} is not in the list"]
    )


@cache
def _manifests() -> list[dict[str, str]]:
    """Kind and name of every object in deploy/kubernetes."""
    found = []
    for path in sorted((ROOT / "deploy" / "kubernetes").rglob("*.yaml")):
        for one in yaml.safe_load_all(path.read_text()):
            if isinstance(one, dict) and "metadata" in one:
                found.append({"kind": one["kind"].lower(), "name": one["metadata"].get("name", "")})
    return found


KUBECTL = {
    "apply", "get", "logs", "rollout", "scale", "delete", "exec", "create", "wait", "describe", "port-forward",
    "set", "diff", "kustomize", "top", "patch", "config",
}  # fmt: skip
SHORT = {
    "deploy": "deployment",
    "cj": "cronjob",
    "cm": "configmap",
    "svc": "service",
    "hpa": "horizontalpodautoscaler",
}


def _kubectl(arguments: list[str]) -> Problems:
    """The verb is known, the files are there, and every `kind/name` is in deploy/kubernetes."""
    plain = _without_values(arguments, {"-n", "--namespace", "--context"})
    verb = next((word for word in plain if not word.startswith("-")), "")
    problems = [] if verb in KUBECTL else [f"kubectl {verb} is not in the list"]
    for flag, value in pairwise(arguments):
        if flag in {"-k", "-f", "--filename", "--kustomize"} and value != "-":
            problems += _there([value])
        if flag in {"-n", "--namespace"} and {"kind": "namespace", "name": value} not in _manifests():
            problems.append(f"no manifest makes the namespace {value}")
    for word in plain:
        kind, slash, name = word.partition("/")
        if slash and re.fullmatch(r"[a-z]+", kind) and not (ROOT / word).exists():
            kind = SHORT.get(kind, kind).removesuffix("s") if kind not in SHORT else SHORT[kind]
            if kind != "pod" and {"kind": kind, "name": name} not in _manifests():
                problems.append(f"no manifest makes {word}")
    return problems


def _sudo(arguments: list[str]) -> Problems:
    check = PARSED.get(arguments[0])
    return check(arguments[1:]) if check else [f"sudo {arguments[0]} is not in the list"]


def _apt(arguments: list[str]) -> Problems:
    return [] if arguments[0] in {"install", "update"} else [f"apt-get {arguments[0]} is not in the list"]


def _requirements(arguments: list[str]) -> Problems:
    """pip, pip-audit and uv reach for the internet: the files that they are given are there."""
    files = [word for word in arguments if word.endswith((".txt", ".in"))]
    return _there([name if "/" in name else f"requirements/{name}" for name in files])


def _git(arguments: list[str]) -> Problems:
    verbs = {"clone", "pull", "fetch", "checkout", "switch", "status", "log"}
    return [] if arguments[0] in verbs else [f"git {arguments[0]} is not in the list"]


def _backup(arguments: list[str]) -> Problems:
    """Programs of the databases: tests/deploy/test_operation.py types the lines of docs/operation.md."""
    flags = {"--format", "--file", "--list", "--dbname", "--maintenance-db", "--no-owner", "--exit-on-error"}
    flags |= {"--pgdata", "--checkpoint", "--wal-method", "-U", "-d", "-Fc", "--clean", "--if-exists"}
    return _known(arguments, flags)


def _gunicorn(arguments: list[str]) -> Problems:
    """./run starts it with the same configuration."""
    module = [word for word in arguments if word == "config.wsgi"]
    return [*_there([word for word in arguments if word.endswith(".py")]), *([] if module else ["no config.wsgi"])]


def _remove(arguments: list[str]) -> Problems:
    """Only below what ./run and ./test make themselves."""
    names = [word for word in arguments if not word.startswith("-")]
    return [f"rm of {name}" for name in names if not name.startswith((".venv", "var"))]


def _tools(arguments: list[str]) -> Problems:
    """ruff, mypy and lint-imports with `.venv` active: `./test` runs them itself."""
    return []


PARSED: dict[str, Callable[[list[str]], Problems]] = {
    "./run": _run,
    "./test": _test,
    "docker": _docker,
    "kubectl": _kubectl,
    "sudo": _sudo,
    "apt-get": _apt,
    "git": _git,
    "pg_dump": _backup,
    "pg_restore": _backup,
    "pg_basebackup": _backup,
    "createdb": _backup,
    "sqlite3": _backup,
    ".venv/bin/gunicorn": _gunicorn,
    "rm": _remove,
    "uv": _requirements,
    "python3": _requirements,
    "var/audit/bin/pip": _requirements,
    "var/audit/bin/pip-audit": _requirements,
    "ruff": _tools,
    "mypy": _tools,
    "lint-imports": _tools,
}


def parsed_inline(text: str) -> Problems:
    """The same for a command within a sentence; what only looks like one has no problems."""
    if "…" in text or not text.startswith(
        ("./run ", "./test ", ".venv/bin/python ", "docker compose ", "kubectl ")
    ):
        return []
    return parsed(Command("", re.sub(r"\{\w+\}|NAME", "1", text))) or []
