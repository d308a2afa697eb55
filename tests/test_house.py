"""The rules of the house that no other tool checks."""

import ast
import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("config", "accounts", "clients", "mailings", "dashboard")
FUNCTION_LINES = 40
MODULE_LINES = 400
VIEW_LINES = 20

Function = ast.FunctionDef | ast.AsyncFunctionDef


def modules(*folders: str) -> list[Path]:
    """Every module that people write: migrations are generated."""
    found = [ROOT / "manage.py"] if not folders else []
    for folder in folders or (*ROOMS, "deploy", "tests"):
        found += [path for path in (ROOT / folder).rglob("*.py") if "migrations" not in path.parts]
    return sorted(found)


def names(paths: list[Path]) -> list[str]:
    return [str(path.relative_to(ROOT)) for path in paths]


def functions(tree: ast.AST) -> Iterator[Function]:
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def length(function: Function) -> int:
    """Lines from `def` to the end, without the docstring: explaining is not what makes it long."""
    assert function.end_lineno is not None
    whole = function.end_lineno - function.lineno + 1
    first = function.body[0]
    if ast.get_docstring(function) is None:
        return whole
    assert first.end_lineno is not None
    return whole - (first.end_lineno - first.lineno + 1)


def imports(path: Path) -> set[str]:
    """The top-level packages that a module imports anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found.add(node.module.split(".")[0])
    return found


def test_no_function_is_longer_than_forty_lines() -> None:
    long = [
        f"{path.relative_to(ROOT)}:{function.lineno} {function.name}: {length(function)}"
        for path in modules()
        for function in functions(ast.parse(path.read_text()))
        if length(function) > FUNCTION_LINES
    ]

    assert long == []


def test_no_module_is_longer_than_four_hundred_lines() -> None:
    lines = {path: len(path.read_text().splitlines()) for path in modules()}

    assert names([path for path, number in lines.items() if number > MODULE_LINES]) == []


def test_no_view_is_longer_than_twenty_lines() -> None:
    long = [
        f"{path.relative_to(ROOT)}:{function.lineno} {function.name}: {length(function)}"
        for path in modules("dashboard/views")
        for function in functions(ast.parse(path.read_text()))
        if function.args.args and function.args.args[0].arg == "request" and length(function) > VIEW_LINES
    ]

    assert long == []


@pytest.mark.parametrize(
    ("package", "rooms"),
    [
        ("django_q", {"mailings/bell.py", "mailings/worker.py", "mailings/tasks.py"}),
        ("aiohttp", {"mailings/gateway.py"}),
        ("requests", {"mailings/gateway.py", "accounts/oidc.py"}),
        ("jwt", {"accounts/tokens.py"}),
        ("smtplib", {"mailings/post.py"}),
    ],
)
def test_a_package_is_imported_only_where_it_belongs(package: str, rooms: set[str]) -> None:
    importers = {path for path in modules(*ROOMS) if package in imports(path)}

    assert set(names(sorted(importers))) <= rooms


DOORS = re.compile(r"api|schemas_in|schemas_out|apps|management|migrations|simulator")
CORE = [
    str(path.relative_to(ROOT))
    for app in ("mailings", "clients")
    for path in sorted((ROOT / app).rglob("*.py"))
    if not any(DOORS.fullmatch(part) for part in path.relative_to(ROOT / app).with_suffix("").parts)
]


@pytest.mark.parametrize("module", CORE)
def test_the_core_knows_no_request_and_no_page(module: str) -> None:
    # import-linter cannot look inside Django
    text = (ROOT / module).read_text()

    assert re.findall(r"(?m)^ *(?:from|import) django\.(?:http|shortcuts|template|urls|views)\b.*", text) == []


def reads_environment(path: Path) -> bool:
    """Whether it mentions `os.environ` or `os.getenv`; giving Django its settings' name is no reading."""
    tree = ast.parse(path.read_text())
    named = [
        call.func.value
        for call in ast.walk(tree)
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and ast.unparse(call).startswith("os.environ.setdefault('DJANGO_SETTINGS_MODULE'")
    ]
    return any(
        isinstance(node, ast.Attribute)
        and ast.unparse(node) in {"os.environ", "os.environb", "os.getenv"}
        and node not in named
        for node in ast.walk(tree)
    )


CHANGING = {"time.time", "clock.now", "timezone.now", "datetime.now", "date.today", "uuid.uuid4", "os.getpid"}
SPELLED = {"int", "str", "isoformat", "strftime"}  # with these a value becomes one that pytest puts into a name


def changes(node: ast.AST, names: set[str]) -> bool:
    """Whether a value differs from one start of Python to the next: the clock or chance is in it."""
    return any(
        (isinstance(part, ast.Call) and ast.unparse(part.func) in CHANGING)
        or (isinstance(part, ast.Name) and part.id in names)
        for part in ast.walk(node)
    )


def changing_names(tree: ast.Module) -> set[str]:
    found: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.Assign) and changes(node.value, found):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return found


def spelled(case: ast.AST) -> Iterator[ast.AST]:
    """The parts of a case that pytest would put into the test's name as they are."""
    for part in ast.walk(case):
        called = ast.unparse(part.func).rpartition(".")[2] if isinstance(part, ast.Call) else ""
        if isinstance(part, ast.JoinedStr) or called in SPELLED:
            yield part


def unnamed_cases(tree: ast.AST) -> Iterator[ast.expr]:
    """The cases of every `parametrize` that take their name from their value."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "parametrize" and node.args[1:]:
            values = node.args[1]
            for case in values.elts if isinstance(values, ast.List | ast.Tuple) else [values]:
                if not (isinstance(case, ast.Call) and any(word.arg == "id" for word in case.keywords)):
                    yield case


def test_no_test_is_named_after_the_clock_or_chance() -> None:
    """Processes that share the tests each collect them, and must find the same names."""
    found = []
    for path in modules("tests"):
        tree = ast.parse(path.read_text())
        changing = changing_names(tree)
        found += [
            f"{path.name}:{case.lineno}"
            for case in unnamed_cases(tree)
            if any(changes(part, changing) for part in spelled(case))
        ]

    assert not found


def test_only_the_settings_read_the_environment() -> None:
    readers = {path for path in [*modules(*ROOMS), ROOT / "manage.py"] if reads_environment(path)}

    assert set(names(sorted(readers))) <= {"config/settings.py"}


READERS = {"secret", "positive", "zone", "origin", "issuer", "time_of_day"}


def settings_variables() -> set[str]:
    """The variables that settings.py asks its typed readers for; `secret` also reads the name's file."""
    variables = set()
    for node in ast.walk(ast.parse((ROOT / "config" / "settings.py").read_text())):
        if not (isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant)):
            continue
        name, reader = node.args[0].value, ast.unparse(node.func)
        is_reader = reader in READERS or reader.startswith(("env.", "os.environ"))
        if is_reader and isinstance(name, str) and re.fullmatch(r"[A-Z][A-Z0-9_]+", name):
            variables.add(name)
    return variables


def test_the_example_environment_names_exactly_the_variables_of_the_settings() -> None:
    named = re.findall(r"(?m)^#?([A-Z][A-Z0-9_]+)=", (ROOT / ".env.example").read_text())

    assert sorted(named) == sorted(settings_variables())


def test_every_variable_of_the_example_has_a_sentence_above_it() -> None:
    lines = (ROOT / ".env.example").read_text().splitlines()
    bare = [
        line
        for above, line in zip(["", *lines], lines, strict=False)
        if re.match(r"#?[A-Z][A-Z0-9_]+=", line) and not re.match(r"# .{15,}", above)
    ]

    assert bare == []


def test_the_locked_requirements_hold_hashes_and_no_address() -> None:
    for path in (ROOT / "requirements").iterdir():
        text = path.read_text()
        assert "://" not in text, path
        assert "index-url" not in text, path
        if path.suffix == ".txt":
            pins = re.findall(r"(?m)^[a-z0-9][^ ]*==\S+.*(?:\n {4}--hash=sha256:[0-9a-f]{64}.*)*", text)
            assert pins, path
            assert [pin for pin in pins if "--hash=" not in pin] == []


def test_every_vendored_file_is_listed_with_its_hash() -> None:
    folder = ROOT / "static" / "vendor"
    listed = {
        file: digest
        for package in json.loads((folder / "vendor.json").read_text())
        for file, digest in package["files"].items()
    }

    found = {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "vendor.json"
    }

    assert found == listed


def test_every_vendored_package_names_its_version_and_license() -> None:
    packages = json.loads((ROOT / "static" / "vendor" / "vendor.json").read_text())

    assert [package for package in packages if not {"package", "version", "license"} <= package.keys()] == []
