"""A cloud on one machine: machines are Linux namespaces with addresses, processes, home and /tmp of their own.

As a program (`python fake_cloud.py FOLDER ROOT`, as root, started in a network namespace of its own) it is the cloud:
it makes and ends machines and runs commands on them, asked over FOLDER/socket. As a module it is Ray's way to that
cloud: `FakeCloud` is a node provider as those of AWS, Google Cloud and Azure are, and `ssh` and `rsync` in the
machines' /usr/local/bin are this file under another name, so that Ray's own command runner is used as it is.
"""

import fnmatch
import json
import os
import shutil
import signal
import socket
import socketserver
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

MOUNTED = Path("/mnt/cloud")
HOME = "/home/ubuntu"
COMMAND_S = 300
ALONE = ["unshare", "--net", "--pid", "--mount", "--uts", "--ipc", "--fork", "--kill-child", "--mount-proc"]


def ask(folder: Path, **question):
    """Ask the cloud, and return its answer."""
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(str(folder / "socket"))
        line.sendall(json.dumps(question).encode() + b"\n")
        line.shutdown(socket.SHUT_WR)
        with line.makefile("rb") as file:
            answer = json.loads(file.read())
    if "failed" in answer:
        raise RuntimeError(answer["failed"])
    return answer


# ---- the cloud --------------------------------------------------------------------------------------------------


class Machines:
    """The machines that run, by name."""

    def __init__(self, folder: Path, root: Path) -> None:
        self.folder, self.root, self.made = folder, root, 0
        self.rows: dict[str, dict] = {}
        self.lock = threading.Lock()
        for line in (
            "ip link set lo up",
            "ip link add cloud type bridge",
            "ip address add 10.77.0.1/24 dev cloud",
            "ip link set cloud up",
        ):
            subprocess.run(line.split(), check=True)

    def create(self, tags: dict) -> dict:
        """Make a machine from the image, wait until it has booted, and return its name."""
        with self.lock:
            self.made += 1
            number = self.made + 1
        name, address = f"m{number}", f"10.77.0.{number}"
        disk = self.folder / "disks" / name
        shutil.copytree(self.folder / "image", disk, symlinks=True)
        parent = subprocess.Popen(
            [*ALONE, "bash", "-ec", BOOT, name, str(self.folder), str(disk), str(self.root)],
            start_new_session=True,
        )
        children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children")
        while not (found := children.read_text().split()):
            time.sleep(0.01)
        pid = found[0]
        subprocess.run(
            ["ip", "link", "add", f"v{name}", "type", "veth", "peer", "name", "eth0", "netns", pid], check=True
        )
        subprocess.run(["ip", "link", "set", f"v{name}", "master", "cloud", "up"], check=True)
        inside = f"ip link set lo up; ip address add {address}/24 dev eth0; ip link set eth0 up"
        inside += "; ip route add default via 10.77.0.1"
        subprocess.run(["nsenter", "-t", pid, "-n", "sh", "-ec", inside], check=True)
        while not (disk / "booted").exists():
            if parent.poll() is not None:
                raise RuntimeError(f"{name} does not boot")
            time.sleep(0.02)
        with self.lock:
            self.rows[name] = {"name": name, "address": address, "pid": pid, "parent": parent.pid, "tags": tags}
        return {"name": name}

    def terminate(self, name: str) -> dict:
        """End a machine and all that runs on it."""
        with self.lock:
            row = self.rows.pop(name)
        os.kill(row["parent"], signal.SIGKILL)
        os.waitpid(row["parent"], 0)
        return {}

    def machines(self) -> dict:
        """Return all that run."""
        with self.lock:
            return {"machines": list(self.rows.values())}

    def tag(self, name: str, tags: dict) -> dict:
        """Change what is written on a machine."""
        with self.lock:
            self.rows[name]["tags"].update(tags)
        return {}

    def execute(self, address: str, command: str) -> dict:
        """Run a command on a machine as SSH would: in a shell, at home, with an environment of its own."""
        with self.lock:
            found = [row for row in self.rows.values() if row["address"] == address]
        if not found:
            return {"code": 255, "out": f"ssh: connect to host {address} port 22: Connection refused\n"}
        environment = {"HOME": HOME, "USER": "root", "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"}
        with tempfile.TemporaryFile() as out:  # no pipe: what a command leaves running would hold it open
            done = subprocess.run(
                ["nsenter", "-t", found[0]["pid"], "-n", "-p", "-m", "-u", "-i", "sh", "-c", f"cd {HOME}; {command}"],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                timeout=COMMAND_S,
                check=False,
            )
            out.seek(0)
            return {"code": done.returncode, "out": out.read().decode(errors="replace")}


BOOT = """
mount --make-rprivate /
mount -t tmpfs tmpfs /mnt; mkdir /mnt/cloud; mount --bind "$1" /mnt/cloud
mkdir /mnt/disk; mount --bind "$2" /mnt/disk
mkdir /mnt/code; mount --bind "$3" /mnt/code; mount -o remount,ro,bind /mnt/code
mount -t tmpfs tmpfs /home; mkdir /home/ubuntu; mount --bind /mnt/disk/home /home/ubuntu
mount -t tmpfs tmpfs /opt; mkdir /opt/huracan; mount --bind /mnt/disk/opt /opt/huracan
mount --bind /mnt/disk/bin /usr/local/bin
mount -t tmpfs tmpfs /dev/shm
mount -t tmpfs tmpfs /tmp
mkdir -p "$3"; mount --bind /mnt/code "$3"; mount -o remount,ro,bind "$3"
hostname "$0"
touch /mnt/disk/booted
exec sleep infinity
"""


def serve(folder: Path, root: Path) -> None:
    """Be the cloud until SIGTERM, then end every machine."""
    machines = Machines(folder, root)

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            question = json.loads(self.rfile.readline())
            try:
                answer = getattr(machines, question.pop("verb"))(**question)
            except Exception as error:
                answer = {"failed": f"{type(error).__name__}: {error}"}
            self.wfile.write(json.dumps(answer).encode())

    class Server(socketserver.ThreadingUnixStreamServer):
        daemon_threads = True

    def end(*_) -> None:
        for row in machines.machines()["machines"]:
            machines.terminate(row["name"])
        os._exit(0)

    signal.signal(signal.SIGTERM, end)
    with Server(str(folder / "socket"), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        print("up", flush=True)
        while True:
            signal.pause()


# ---- on a machine -----------------------------------------------------------------------------------------------


def ssh(arguments: list[str]) -> int:
    """`ssh [options] user@address command`."""
    place = next(index for index, word in enumerate(arguments) if word.startswith("ubuntu@"))
    answer = ask(
        MOUNTED, verb="execute", address=arguments[place].split("@")[1], command=" ".join(arguments[place + 1 :])
    )
    sys.stdout.write(answer["out"])
    return int(answer["code"])


def rsync(arguments: list[str]) -> int:
    """`rsync [options] source user@address:target`: a file, or what is in a folder less what is excluded."""
    target = arguments[-1]
    source, place = arguments[-2], target.split("@")[1]
    address, path = place.split(":")
    excluded = [arguments[index + 1] for index, word in enumerate(arguments) if word == "--exclude"]
    for index, word in enumerate(arguments):
        if word == "--filter":
            name = arguments[index + 1].split(" ")[-1].split(",")[-1]
            file = Path(source) / name.strip("- ")
            if file.is_file():
                excluded += [line for line in file.read_text().splitlines() if line and not line.startswith("#")]
    row = next(row for row in ask(MOUNTED, verb="machines")["machines"] if row["address"] == address)
    disk = MOUNTED / "disks" / row["name"] / "home"
    path = path.removeprefix("~/").removeprefix(HOME + "/")

    def skip(_, names: list[str]) -> list[str]:
        return [name for name in names if any(fnmatch.fnmatch(name, one.strip("/")) for one in excluded)]

    if Path(source).is_dir():
        shutil.copytree(source, disk / path, ignore=skip, dirs_exist_ok=True, symlinks=True)
    else:
        (disk / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, disk / path)
    return 0


if __name__ == "__main__":
    called = Path(sys.argv[0]).name
    if called in ("ssh", "rsync"):
        sys.exit({"ssh": ssh, "rsync": rsync}[called](sys.argv[1:]))
    serve(Path(sys.argv[1]), Path(sys.argv[2]))
