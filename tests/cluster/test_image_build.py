"""An engine builds the image, and what it holds works: its user, its folders, its commands, its kernels.

The base is made here of Debian's own packages, under the base's name, for the tests ask no registry of images: a digest
says nothing about it. Everything else of the Dockerfile is as it stands.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import huracan

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "cluster" / "Dockerfile"
TOOLS = ("buildah", "debootstrap", "chroot")
SOURCES = Path("/etc/apt/sources.list.d/debian.sources")
SIZE_MAX_MB = 3_500

Run = Callable[..., str]


def why_not() -> str | None:
    """Return why nothing can be built here; None when it can."""
    if os.geteuid() != 0:
        return "a base of Debian's packages needs root"
    missing = [name for name in TOOLS if shutil.which(name) is None]
    if missing or not SOURCES.exists():
        return f"{', '.join(missing) or SOURCES} is not there (Debian 12: buildah, debootstrap)"
    return None


pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(2_400),
    pytest.mark.skipif(why_not() is not None, reason=str(why_not())),
]


@pytest.fixture(scope="module")
def inside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Build the image; gives a function that runs a command in a container of it and returns what it prints."""
    folder = tmp_path_factory.mktemp("image")
    storage = {"STORAGE_DRIVER": "vfs", "CONTAINERS_STORAGE_CONF": str(folder / "storage.conf")}
    (folder / "storage.conf").write_text(
        f'[storage]\ndriver = "vfs"\ngraphroot = "{folder}/store"\nrunroot = "{folder}/run"\n'
    )

    def buildah(*words: str) -> str:
        done = subprocess.run(
            ["buildah", *words], env=os.environ | storage, capture_output=True, text=True, check=False, timeout=1_800
        )
        assert done.returncode == 0, f"buildah {' '.join(words)}\n{done.stdout[-3_000:]}\n{done.stderr[-3_000:]}"
        return done.stdout.strip()

    text = DOCKERFILE.read_text(encoding="utf-8")
    (name,) = set(re.findall(r"^FROM (\S+?)@sha256:\w+", text, re.M))
    base(folder / "root")
    made = buildah("from", "scratch")
    buildah("add", "--quiet", made, str(folder / "root"), "/")
    buildah("commit", "--quiet", made, name)
    buildah("rm", made)
    (folder / "Dockerfile").write_text(re.sub(r"@sha256:\w+", "", text))
    wheels = [word for place in local_folders() for word in ("--volume", f"{place}:{place}:ro")]
    told = ("--pull-never", "--isolation", "chroot", "--network", "host", "--ignorefile", f"{DOCKERFILE}.dockerignore")
    buildah("bud", *told, *wheels, "--file", str(folder / "Dockerfile"), "--tag", "huracan:test", str(ROOT))
    container = buildah("from", "--pull-never", "huracan:test")

    def run(*words: str) -> str:
        return buildah("run", "--isolation", "chroot", "--network", "host", container, "--", *words)

    try:
        yield run
    finally:
        buildah("rm", "--all")
        shutil.rmtree(folder / "store")


def base(root: Path) -> None:
    """Make a Debian 12 with Python 3.11 that finds the packages this machine finds."""
    (mirror,) = re.findall(r"^URIs: (\S+/debian)$", SOURCES.read_text(encoding="utf-8"), re.M)
    told = {"capture_output": True, "text": True, "check": True, "timeout": 900}
    subprocess.run(["debootstrap", "--variant=minbase", "--include=ca-certificates", "bookworm", root, mirror], **told)
    (root / "etc/apt/sources.list").unlink(missing_ok=True)
    for place in (SOURCES, Path("/etc/resolv.conf"), Path("/etc/ssl/certs/ca-certificates.crt")):
        shutil.copy(place, root / place.relative_to("/"))
    (root / "etc/pip.conf").write_text("[global]\n" + "".join(f"{name} = {value}\n" for name, value in pip_settings()))
    for place in (Path("/etc/apt/apt.conf.d"), Path("/etc/xdg/pip")):
        if place.exists():
            shutil.copytree(place, root / place.relative_to("/"), dirs_exist_ok=True)
    install = "apt-get update -qq && apt-get install -y -qq --no-install-recommends python3.11 python3.11-venv"
    subprocess.run(["chroot", root, "env", "DEBIAN_FRONTEND=noninteractive", "sh", "-c", install], **told)


def pip_settings() -> list[tuple[str, str]]:
    """Return where this machine's pip finds packages."""
    words = [sys.executable, "-m", "pip", "config", "list"]
    said = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    found = re.findall(r"^(?:global|:env:)\.(cert|find-links|extra-index-url|index-url)='(.*)'$", said, re.M)
    return sorted({name: value.replace("\\n", " ") for name, value in found}.items())


def local_folders() -> list[str]:
    """Return the folders of this machine among them."""
    places = [place.removeprefix("file://") for _, value in pip_settings() for place in value.split()]
    return sorted({"/".join(place.split("/")[:3]) for place in places if Path(place).is_dir()})


def test_its_user_is_nobodys_root_and_owns_what_is_written(inside: Run) -> None:
    """Number 1000, a home of its own closed to others, packages that it cannot change."""
    assert inside("id", "-u", "-n").split() == ["huracan"]
    assert inside("id", "-u") == "1000"
    assert inside("stat", "--format", "%u %a", "/var/lib/huracan") == "1000 700"
    assert inside("sh", "-c", "touch /opt/huracan/venv/x 2>/dev/null || echo refused") == "refused"
    assert inside("sh", "-c", "touch /opt/huracan/numba/x && echo written") == "written"


def test_its_commands_work(inside: Run) -> None:
    """The product's version, the settings that it ships, candles made, Ray with its token mode on."""
    assert huracan.__version__ in inside("huracan", "--version")
    said = inside("huracan", "--config", "/etc/huracan/production.yaml", "plan", "--coins", "10")
    assert "core" in said
    inside("huracan", "data", "synth", "candles", "--bars", "3000", "--planted", "1", "--null", "1")
    assert "1.0" in inside("python", "-c", "import os; assert os.environ['RAY_AUTH_MODE'] == 'token'; print(1.0)")
    assert "usage" in inside("ray", "--help").lower()


def test_its_kernels_are_compiled(inside: Run) -> None:
    """What the image was built with is found: nothing is compiled at a first start."""
    count = "find /opt/huracan/numba -name '*.nbi' | wc -l"
    before = int(inside("sh", "-c", count))
    inside("python", "-m", "huracan.env.warm")
    assert int(inside("sh", "-c", count)) == before > 20


def test_it_holds_no_tool_of_its_making_and_is_not_larger_than_what_it_installs(inside: Run) -> None:
    """No checkout, no caches, no secrets, no compiler; its size."""
    left = "ls -d /src 2>/dev/null; find / -xdev -path '*/.cache/pip' 2>/dev/null; which gcc git; true"
    assert inside("sh", "-c", left) == ""
    megabytes = int(inside("sh", "-c", "du -smx / 2>/dev/null | cut -f1"))
    print(f"{megabytes} MB")
    assert megabytes < SIZE_MAX_MB
