"""The rules of the house: who may import whom, how big a room is, where a clock is read, how versions are pinned."""

import ast
import configparser
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "retarget_plugin"
MODULE_LINES = 400
FUNCTION_LINES = 50
REFUSED_NAMES = {"utils", "helpers", "common", "services", "misc"}
# Floors that are told the time, and the one module that asks the database for it. Durations (time.monotonic) are fine.
DATABASE_CLOCK = PACKAGE / "models" / "clock.py"
TIMELESS_ROOMS = ("domain", "engine", "models", "channels")
CLOCKS = {
    ("timezone", "now"),
    ("timezone", "localtime"),
    ("timezone", "localdate"),
    ("datetime", "now"),
    ("datetime", "utcnow"),
    ("datetime", "today"),
    ("date", "today"),
    ("time", "time"),
}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def modules(*rooms: str) -> Iterator[Path]:
    for folder in [PACKAGE / room for room in rooms] or [PACKAGE]:
        for path in sorted(folder.rglob("*.py")):
            if "migrations" not in path.relative_to(PACKAGE).parts:
                yield path


def functions(path: Path) -> Iterator[Function]:
    return (node for node in ast.walk(tree(path)) if isinstance(node, Function))


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


def where(path: Path, node: ast.AST | None = None) -> str:
    return f"{path.relative_to(ROOT)}:{node.lineno if node else 1}"


# --- import law ------------------------------------------------------------------------------------------------


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [Path(sys.executable).parent / "lint-imports", "--no-logo", "--no-cache"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


def test_import_law_is_kept():
    result = lint_imports(ROOT)

    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("domain/planted.py", "from retarget_plugin.engine import delivery", "Every import goes down"),
        ("models/planted.py", "import retarget_plugin.channels", "Every import goes down"),
        ("engine/links.py", "from retarget_plugin.engine import delivery", "uses only the rows below"),
        ("engine/planted.py", "", "uses only the rows below"),
        ("utilities.py", "", "Every import goes down"),
        ("domain/planted.py", "from django.utils import timezone", "The domain is plain Python"),
        ("engine/planted.py", "import celery", "Only tasks knows Celery"),
        ("web/planted.py", "import graphene", "Only api knows GraphQL"),
        ("hosts/planted.py", "from oscar.core.loading import get_model", "Only hosts.oscar knows Oscar"),
        ("admin/planted.py", "import wagtail", "Only contrib.wagtail knows Wagtail"),
    ],
)
def test_import_law_finds_a_planted_violation(tmp_path, module, line, contract):
    shutil.copy(ROOT / "setup.cfg", tmp_path)
    copy = tmp_path / PACKAGE.name
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "engine" / "delivery.py").touch()
    (copy / module).parent.mkdir(exist_ok=True)
    with (copy / module).open("a") as planted:
        planted.write(f"\n{line}\n")

    result = lint_imports(tmp_path)

    assert result.returncode == 1, result.stdout + result.stderr
    broken = [row for row in result.stdout.splitlines() if " BROKEN" in row]
    assert any(contract in row for row in broken), result.stdout


def test_setup_cfg_holds_the_import_law_only():
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")

    assert {section.split(":")[0] for section in parser.sections()} == {"importlinter"}


def test_own_modules_are_imported_at_the_top():
    hidden = []
    for path in modules():
        if path == PACKAGE / "apps.py":
            continue
        for function in functions(path):
            for node in ast.walk(function):
                match node:
                    case ast.ImportFrom(module=module, level=level):
                        own = level > 0 or (module or "").split(".")[0] == PACKAGE.name
                    case ast.Import(names=names):
                        own = any(name.name.split(".")[0] == PACKAGE.name for name in names)
                    case _:
                        continue
                if own:
                    hidden.append(f"{where(path, node)} in {function.name}()")

    assert hidden == [], "move these imports to the top, or name the use case above that needs both"


# --- budgets and names -----------------------------------------------------------------------------------------


def test_no_module_outgrows_its_room():
    lengths = {where(path): len(path.read_text().splitlines()) for path in modules()}

    assert {name: lines for name, lines in lengths.items() if lines > MODULE_LINES} == {}


def test_no_function_outgrows_a_page():
    long = [
        f"{where(path, function)} {function.name}: {length} lines"
        for path in modules()
        for function in functions(path)
        if (length := function.end_lineno - function.lineno + 1) > FUNCTION_LINES
    ]

    assert long == []


def test_files_are_named_after_their_subject():
    attics = [where(path) for path in modules() if {path.stem, path.parent.name} & REFUSED_NAMES]

    assert attics == []


# --- time ------------------------------------------------------------------------------------------------------


def clock_reads(path: Path) -> Iterator[ast.AST]:
    for node in ast.walk(tree(path)):
        match node:
            case ast.Attribute(value=ast.Name(id=owner) | ast.Attribute(attr=owner), attr=name):
                if (owner, name) in CLOCKS:
                    yield node


def test_no_clock_is_read_below_the_front_doors():
    reads = [
        where(path, node) for path in modules(*TIMELESS_ROOMS) if path != DATABASE_CLOCK for node in clock_reads(path)
    ]

    assert reads == [], "take `now` as an argument"


@pytest.mark.parametrize(
    "line",
    [
        "sent_at = timezone.now()",
        "DateTimeField(default=timezone.now)",
        "datetime.datetime.now(tz=UTC)",
        "started = time.time()",
    ],
)
def test_a_planted_clock_is_found(tmp_path, line):
    planted = tmp_path / "planted.py"
    planted.write_text(line)

    assert len(list(clock_reads(planted))) == 1


# --- the checkout ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["migrations", "templates"])
def test_root_links_lead_into_the_package(name):
    link = ROOT / name

    assert link.is_symlink()
    assert link.resolve() == PACKAGE / name
    assert not Path(link.readlink()).is_absolute()
    assert link.is_dir()


def test_constraints_pin_every_version_and_name_no_address():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pin = re.compile(r"[a-z0-9][a-z0-9-]*==[0-9][^ ]*( ; .+)?")

    assert "://" not in "\n".join(lines)
    assert [line for line in lines if not pin.fullmatch(line)] == []


@pytest.mark.xdist_group("house")
def test_tests_of_one_group_stay_on_one_worker(request):
    # They start real processes and measure time: two of them at once would measure each other.
    assert request.node.nodeid.endswith("@house") is request.config.getoption("loadgroup", False)
