"""bare.sh: an installation from nothing, by exact versions, that works; a second run that does nothing."""

import os
import subprocess
import time
from pathlib import Path

import pytest

import huracan

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "cluster" / "bare.sh"
SOURCES = ("pyproject.toml", "constraints.txt", "README.md", "huracan", "jobs", "serve", "cluster/bare.sh")


def told() -> dict[str, str]:
    """Return an environment that holds nothing of this one but the way to programs and packages."""
    return {name: value for name, value in os.environ.items() if name in ("PATH", "HOME") or name.startswith("PIP_")}


def run(script: Path, prefix: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the script."""
    return subprocess.run(
        ["nice", "-n", "10", "bash", str(script), *words],
        env={**told(), "HURACAN_PREFIX": str(prefix), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("line", ["boto3", "boto3>=1.2", "boto3==1.2 --index-url=http://127.0.0.1", "-e ."])
def test_further_packages_are_exact_too(tmp_path: Path, line: str) -> None:
    """A list that leaves a version open, or says something else, is refused before anything is done."""
    (tmp_path / "extra.txt").write_text(f"# a cloud's SDK\n{line}\n")
    done = run(SCRIPT, tmp_path / "there", EXTRA=str(tmp_path / "extra.txt"))
    assert done.returncode == 2
    assert "write exact versions" in done.stderr
    assert not (tmp_path / "there").exists()


def test_an_unfit_python_is_refused(tmp_path: Path) -> None:
    """A given interpreter of another version is named."""
    fake = tmp_path / "python"
    fake.write_text("#!/bin/sh\ncase $1 in --version) echo Python 3.9.1;; *) exit 1;; esac\n")
    fake.chmod(0o755)
    done = run(SCRIPT, tmp_path / "there", PYTHON=str(fake))
    assert done.returncode == 2
    assert "Python 3.9.1; Python 3.11 or 3.12 is needed" in done.stderr


def test_it_takes_no_other_word(tmp_path: Path) -> None:
    """A word that it does not know is refused."""
    assert run(SCRIPT, tmp_path / "there", "package").returncode == 2


def tools(folder: Path, **programs: str) -> str:
    """Write programs, and return a PATH on which they come first."""
    folder.mkdir()
    for name, text in programs.items():
        path = folder / name.replace("_", "-")
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


LIBRARIES = "echo libgomp.so.1; i=0; while [ $i -lt 20000 ]; do echo a line that nobody reads; i=$((i+1)); done"


def test_a_library_that_is_there_is_found(tmp_path: Path) -> None:
    """Even where it is the first of many: nothing is installed, and the first step is over."""
    apt = f"echo $* >> {tmp_path}/apt; exit 9"
    path = tools(tmp_path / "bin", ldconfig=LIBRARIES, apt_get=apt, sudo='shift; exec "$@"')
    fake = tmp_path / "python"
    fake.write_text("#!/bin/sh\ncase $1 in --version) echo Python 3.9.1;; *) exit 1;; esac\n")
    fake.chmod(0o755)
    done = run(SCRIPT, tmp_path / "there", PYTHON=str(fake), PATH=path)
    assert "Python 3.9.1" in done.stderr
    assert not (tmp_path / "apt").exists()


def test_a_machine_that_upgrades_itself_is_waited_for(tmp_path: Path) -> None:
    """Both calls of apt-get wait for the lock of another one."""
    apt = f'echo "$*" >> {tmp_path}/apt; case "$*" in *install*) exit 9;; esac'
    path = tools(tmp_path / "bin", ldconfig="echo nothing", apt_get=apt, sudo='shift; exec "$@"')
    done = run(SCRIPT, tmp_path / "there", PYTHON="/usr/bin/true", PATH=path)
    assert done.returncode == 9
    update, install = (tmp_path / "apt").read_text().splitlines()
    assert update == "-o DPkg::Lock::Timeout=300 update -qq"
    assert install == "-o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends libgomp1"


@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_from_nothing_to_a_program_that_works(tmp_path: Path) -> None:
    """Every package in its pinned version, kernels compiled, nothing from the checkout; a second run is quick."""
    source, prefix = tmp_path / "checkout", tmp_path / "huracan"
    source.mkdir()
    copied = subprocess.run(["cp", "-R", "--parents", *SOURCES, str(source)], cwd=ROOT, check=False)
    assert copied.returncode == 0
    script = source / "cluster" / "bare.sh"
    packages = run(script, prefix, "packages")
    assert packages.returncode == 0, packages.stderr
    assert not (prefix / "code").exists()
    made = run(script, prefix)
    assert made.returncode == 0, made.stderr
    assert made.stdout == f"huracan, version {huracan.__version__}\n"

    python = prefix / "venv" / "bin" / "python"
    shown = subprocess.run(
        [python, "-m", "pip", "freeze", "--all"], env=told(), capture_output=True, text=True, check=True
    )
    installed = {line.split("==")[0].lower().replace("_", "-"): line for line in shown.stdout.splitlines()}
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    for pin in (line for line in pins if "==" in line):
        name, version = pin.split("==")
        found = installed.get(name.lower().replace("_", "-"))
        assert found is None or found.split("==")[1].split("+")[0] == version, (pin, found)
    assert "ray" in installed
    assert "pytest" not in installed

    where = subprocess.run(
        [python, "-c", "import huracan, jobs, serve; print(huracan.__file__)"],
        cwd=tmp_path,
        env=told(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert where.stdout.startswith(str(prefix))
    compiled = subprocess.run(
        [python, "-P", "-m", "huracan.env.warm", "--check"],
        cwd=tmp_path,
        env={
            "PATH": os.environ["PATH"],
            "NUMBA_CACHE_DIR": str(prefix / "numba"),
            "HURACAN_HOME": str(tmp_path / "home"),
        },
        capture_output=True,
        text=True,
        check=True,
    )
    assert compiled.stdout.strip() == "", "a kernel is not in the cache"
    begun = time.monotonic()
    assert run(script, prefix).returncode == 0
    assert time.monotonic() - begun < 60
