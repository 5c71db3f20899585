"""A cloud for a test: machines made of namespaces, an image as an operator would bake it, and a laptop to work from."""

import hashlib
import os
import shutil
import stat
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cluster.fake_cloud import ask

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Done:
    """A command that has ended."""

    code: int
    out: str


@dataclass(frozen=True, slots=True)
class Cloud:
    """A cloud that runs, and the folder that it is asked by."""

    folder: Path
    laptop: str

    def on(self, address: str, command: str) -> Done:
        """Run a command in a shell of a machine."""
        answer = ask(self.folder, verb="execute", address=address, command=command)
        return Done(answer["code"], answer["out"])

    def machines(self, cluster: str) -> dict[str, dict[str, Any]]:
        """Return the machines of a cluster: name to address and tags."""
        rows = ask(self.folder, verb="machines")["machines"]
        return {row["name"]: row for row in rows if row["tags"].get("cluster") == cluster}


def why_not() -> str | None:
    """Return why this machine can be no cloud; None when it can."""
    if os.geteuid() != 0:
        return "namespaces with addresses of their own need root"
    missing = [name for name in ("unshare", "nsenter", "ip") if shutil.which(name) is None]
    if missing:
        return f"{', '.join(missing)} is not installed (Debian: util-linux, iproute2)"
    tried = subprocess.run(
        [
            "unshare",
            "--net",
            "--pid",
            "--mount",
            "--fork",
            "--mount-proc",
            "ip",
            "link",
            "add",
            "name",
            "b0",
            "type",
            "bridge",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    return f"no namespaces: {tried.stderr.strip()}" if tried.returncode else None


@contextmanager
def cloud(folder: Path, extra: Path) -> Iterator[Cloud]:
    """Start a cloud whose image holds what `EXTRA=extra bash cluster/bare.sh` has installed, but huracan itself."""
    bake(folder / "image", extra)
    (folder / "disks").mkdir()
    log = (folder / "log").open("w")
    process = subprocess.Popen(
        ["unshare", "--net", sys.executable, str(Path(__file__).with_name("fake_cloud.py")), str(folder), str(ROOT)],
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n", (folder / "log").read_text()
        ask(folder, verb="create", tags={"cluster": "laptop"})
        rows = ask(folder, verb="machines")["machines"]
        yield Cloud(folder, rows[0]["address"])
    finally:
        process.terminate()
        process.wait(30)
        log.close()


def bake(image: Path, extra: Path) -> None:
    """Lay out a disk: /home/ubuntu, /opt/huracan with a finished installation, /usr/local/bin with ssh and rsync."""
    venv, packages, tools = image / "opt" / "venv", Path(sysconfig.get_paths()["purelib"]), image / "bin"
    library = image / "opt" / "lib"
    for path in (image / "home", tools, library, image / "opt" / "numba"):
        path.mkdir(parents=True)
    for name in (".profile", ".bashrc"):  # as every user of Debian and Ubuntu has them
        shutil.copy(Path("/etc/skel") / name, image / "home" / name)
    base = Path(sys.executable).resolve()
    subprocess.run([str(base), "-m", "venv", "--without-pip", "--symlinks", str(venv)], check=True)
    found = venv / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    (found / "image.pth").write_text(f"/opt/huracan/lib\n{packages}\n")
    for name, target in (("ray", "ray.scripts.scripts:main"), ("serve", "ray.serve.scripts:cli")):
        module, function = target.split(":")
        script(venv / "bin" / name, f"#!/opt/huracan/venv/bin/python\nfrom {module} import {function}\n{function}()\n")
    files = (ROOT / "pyproject.toml", ROOT / "constraints.txt", extra)
    (image / "opt" / "installed").write_text(hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest())
    here = Path(__file__).parent
    for name in ("fake_cloud.py", "fake_provider.py"):
        shutil.copy(here / name, library / name)
    for name in ("ssh", "rsync"):
        script(tools / name, f"#!{base}\n" + (here / "fake_cloud.py").read_text())
    (tools / "python3.11").symlink_to(base)


def script(path: Path, text: str) -> None:
    """Write a program."""
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
