"""The shape of the code: imports run downwards, Ray stays at the edges, tests mirror modules, modules are small."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("huracan", "jobs", "serve")
# What may import ray (`huracan verify` starts it to see that it works); all else is tested without a cluster.
RAY_ROOMS = ("huracan/learn/", "huracan/verify.py", "jobs/", "serve/")
# Package front doors have no mirror of their own, and the migrations are tested as a whole by test_schema.
WITHOUT_MIRROR = ("__init__.py", "huracan/memory/migrations/")
MODULE_LINES_MAX = 500


def _modules() -> list[str]:
    return sorted(str(path.relative_to(ROOT)) for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def _canonical(package: str) -> str:
    return package.lower().replace("_", "-")


def _imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module


def test_imports_run_downwards_only() -> None:
    """The layers of pyproject.toml hold for every import, also for one inside a function."""
    program = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_layers_name_every_room() -> None:
    """A room that no layer names would escape the rule."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    layers = settings["tool"]["importlinter"]["contracts"][0]["layers"]
    named = {name.strip() for layer in layers for name in layer.split("|")}
    rooms = {"jobs", "serve"}
    for path in (ROOT / "huracan").iterdir():
        if path.suffix == ".py" and path.stem != "__init__":
            rooms.add(f"huracan.{path.stem}")
        elif path.is_dir() and any(path.rglob("*.py")):
            rooms.add(f"huracan.{path.name}")
    assert named == rooms


@pytest.mark.parametrize("module", _modules())
def test_ray_is_imported_at_the_edges_only(module: str) -> None:
    """Only the training adapters, the jobs, and the check that Ray works import ray."""
    if not module.startswith(RAY_ROOMS):
        names = set(_imported(ast.parse((ROOT / module).read_text(encoding="utf-8"))))
        assert not {name for name in names if name.split(".")[0] == "ray"}


@pytest.mark.parametrize("module", [name for name in _modules() if not any(part in name for part in WITHOUT_MIRROR)])
def test_every_module_has_its_mirror(module: str) -> None:
    """`huracan/market/store.py` is tested by `tests/market/test_store.py`, and so on."""
    path = Path(module)
    folder = Path(*path.parts[1:-1]) if path.parts[0] == "huracan" else path.parent
    mirror = ROOT / "tests" / folder / f"test_{path.name}"
    assert mirror.exists(), f"{mirror.relative_to(ROOT)} is missing"
    assert (mirror.parent / "__init__.py").exists()


@pytest.mark.parametrize("module", _modules())
def test_every_module_says_why_it_exists_and_stays_small(module: str) -> None:
    """A module starts with its reason in a sentence, and is shorter than 500 lines."""
    source = (ROOT / module).read_text(encoding="utf-8")
    assert (ast.get_docstring(ast.parse(source)) or "").strip()
    assert source.count("\n") < MODULE_LINES_MAX


def test_every_dependency_has_its_reason() -> None:
    """docs/dependencies.md has one row for each dependency of pyproject.toml, with a reason, and no other."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    wanted = {re.split(r"[\[=<>~! ]", name)[0] for name in named}
    rows = re.findall(r"^\| ([\w-]+) \| (.+) \|$", (ROOT / "docs" / "dependencies.md").read_text(), re.MULTILINE)
    found = {name: reason for name, reason in rows if name != "package"}
    assert set(found) == wanted
    assert all(reason.strip() for reason in found.values())


def test_a_dependency_that_no_module_uses_says_so() -> None:
    """The reason of a run-time dependency begins with "Not used yet" if, and only if, no module imports or finds it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = {_canonical(re.split(r"[\[=<>~! ]", name)[0]) for name in project["dependencies"]}
    trees = [ast.parse((ROOT / module).read_text(encoding="utf-8")) for module in _modules()]
    names = {name.split(".")[0] for tree in trees for name in (*_imported(tree), *_looked_for(tree))}
    providers = packages_distributions()
    used = {_canonical(package) for name in names for package in providers.get(name, ())}
    rows = re.findall(r"^\| ([\w-]+) \| (.+) \|$", (ROOT / "docs" / "dependencies.md").read_text(), re.MULTILINE)
    unused = {_canonical(name) for name, reason in rows if reason.startswith("Not used yet")}
    assert unused == wanted - used


def _looked_for(tree: ast.Module) -> Iterator[str]:
    """Return the packages whose folder a module asks for without importing them: `find_spec("name")`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "find_spec":
            yield str(ast.literal_eval(node.args[0]))


def test_every_dependency_is_pinned() -> None:
    """constraints.txt holds an exact version of each dependency of pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    wanted = {_canonical(re.split(r"[\[=<>~! ]", name)[0]) for name in named}
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = {_canonical(line.split("==")[0]) for line in lines if "==" in line}
    assert wanted <= pinned
