"""The AWS file as an operator uses it, on a cloud made of this machine's namespaces: up, work, idle, down.

Provider and SSH key are the only parts replaced. `ray up` runs the file's own commands on a machine of its own network,
Ray's own autoscaler there starts workers by the same file, and a machine that has nothing to do goes away.
"""

import shutil
import time
from collections.abc import Callable, Iterator

import pytest
import yaml
from ray.autoscaler._private.util import fillout_defaults

from tests.cluster.cloud import ROOT, Cloud, Done, cloud, why_not
from tests.cluster.fake_cloud import ask

pytestmark = [pytest.mark.slow, pytest.mark.ray, pytest.mark.skipif(why_not() is not None, reason=str(why_not()))]
FOLDER = ROOT / "cluster" / "ray-up"
RAY = "export PATH=/opt/huracan/venv/bin:$PATH; "
SECRET = "postgresql://huracan:hunter2@10.0.0.9:5432/huracan"
IDLE_S = 12.0


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """A cloud with a laptop, on which an operator has done what docs/cluster.md says comes before `ray up`."""
    folder = tmp_path_factory.mktemp("cloud")
    with cloud(folder, FOLDER / "aws.txt") as made:
        home = folder / "disks" / next(iter(made.machines("laptop"))) / "home"
        config = fillout_defaults(yaml.safe_load((FOLDER / "aws.yaml").read_text(encoding="utf-8")))
        config["provider"] = {"type": "external", "module": "fake_provider.FakeCloud", "use_internal_ips": True}
        config["idle_timeout_minutes"] = IDLE_S / 60
        (home / "aws.yaml").write_text(yaml.safe_dump(config))
        (home / ".huracan.env").write_text(f"HURACAN__DATABASE__URL={SECRET}\nRAY_prestart_worker_first_driver=0\n")
        laptop(made, "(umask 077; RAY_AUTH_MODE=token ray get-auth-token --generate > /dev/null)")
        yield made


@pytest.fixture(scope="module")
def head(machines: Cloud) -> str:
    """`ray up` has made the head; its address. The image is baked anew from it, so that workers start at once."""
    laptop(machines, f"cd {ROOT} && ray up -y ~/aws.yaml")
    ((name, row),) = machines.machines("huracan").items()
    for part in ("venv", "numba", "code"):
        found, target = machines.folder / "disks" / name / "opt" / part, machines.folder / "image" / "opt" / part
        copy = shutil.copytree if found.is_dir() else shutil.copy2
        shutil.rmtree(target, ignore_errors=True)
        copy(found, target, **({"symlinks": True} if found.is_dir() else {}))
    return str(row["address"])


def laptop(machines: Cloud, command: str) -> str:
    """Run a command of the operator's, which must succeed, and return what it printed."""
    done = machines.on(machines.laptop, RAY + command)
    assert done.code == 0, done.out
    return done.out


def at_head(machines: Cloud, command: str) -> str:
    """Run a command on the head by `ray exec`, as the guide and the runbooks do."""
    return laptop(machines, f"cd {ROOT} && ray exec ~/aws.yaml '{command}'")


def until(true: Callable[[], bool], seconds: float) -> float:
    """Wait until something is so; return the seconds it took."""
    begun = time.monotonic()
    while not true():
        assert time.monotonic() - begun < seconds
        time.sleep(0.5)
    return time.monotonic() - begun


def test_the_head_offers_no_cpu_and_scales_by_v2(machines: Cloud, head: str) -> None:
    """One machine, no CPU to work on, and autoscaler v2 in charge."""
    status = at_head(machines, "ray status")
    assert "Idle:\n 1 head" in status
    assert "CPU" not in status
    asked = "from ray.autoscaler.v2.utils import is_autoscaler_v2; import ray; ray.init(); print(is_autoscaler_v2())"
    assert "True" in at_head(machines, f'python -W ignore -c "{asked}"').splitlines()


def test_nobody_gets_in_without_the_token(machines: Cloud, head: str) -> None:
    """The dashboard answers on the head's loopback alone and asks for the token, which its owner alone can read."""
    curl = "curl --silent --max-time 5 --output /dev/null --write-out %{http_code}"
    outside = machines.on(machines.laptop, f"{curl} http://{head}:8265/api/version")
    assert outside == Done(7, "000")
    inside = machines.on(head, f"{curl} http://127.0.0.1:8265/api/jobs/")
    assert inside.out == "401"
    modes = machines.on(head, "stat --format %a ~/.ray/auth_token ~/.huracan.env ~/huracan-home")
    assert modes.out.split() == ["600", "600", "700"]
    stranger = machines.on(machines.laptop, RAY + f"RAY_AUTH_MODE=disabled timeout 20 ray status --address {head}:6379")
    assert stranger.code != 0


def test_no_secret_is_in_what_ray_copies_and_says(machines: Cloud, head: str) -> None:
    """Neither Ray's copy of the configuration nor its logs nor a command line hold the database's password."""
    logs = machines.on(head, "grep -rls '[h]unter2' ~/ray_bootstrap_config.yaml /tmp/ray/session_latest/logs")
    assert logs.out == ""
    assert "hunter2" not in machines.on(head, "ps -ewwo args").out


def test_work_starts_a_machine_that_goes_when_idle(machines: Cloud, head: str) -> None:
    """A job that asks for a CPU starts a spot worker with the database's URL, a driver its own machine; both go."""
    tells = (
        "import os, socket; from huracan.config import load_settings; s = load_settings(); "
        "print(socket.gethostname(), os.environ[chr(72)+chr(79)+chr(77)+chr(69)], s.database.url.get_secret_value())"
    )
    submit = f'ray job submit --entrypoint-num-cpus 1 -- python -c "{tells}"'
    said = at_head(machines, f"cd /tmp && {submit}")
    workers = {name: row for name, row in machines.machines("huracan").items() if row["address"] != head}
    ((name, row),) = workers.items()
    assert (row["tags"]["kind"], row["tags"]["ray-user-node-type"]) == ("c7i.4xlarge", "cpu")
    assert f"{name} /home/ubuntu {SECRET}" in said
    steady = """ray exec ~/aws.yaml "ray job submit --entrypoint-resources '{\\"steady\\": 1}' -- hostname\""""
    said = laptop(machines, f"cd {ROOT} && {steady}")
    (found,) = [
        name
        for name, row in machines.machines("huracan").items()
        if row["tags"]["kind"] == "m7i.xlarge" and row["address"] != head
    ]
    assert machines.machines("huracan")[found]["tags"]["ray-user-node-type"] == "steady"
    assert f"\n{found}" in said
    assert until(lambda: len(machines.machines("huracan")) == 1, 90) < 90


def test_a_head_whose_machine_is_lost_is_made_anew(machines: Cloud, head: str) -> None:
    """The runbook's `ray up` makes another machine the head, which works."""
    (lost,) = machines.machines("huracan")
    ask(machines.folder, verb="terminate", name=lost)
    laptop(machines, f"cd {ROOT} && ray up -y ~/aws.yaml")
    (name,) = machines.machines("huracan")
    assert name != lost
    assert "Idle:\n 1 head" in at_head(machines, "ray status")


def test_down_leaves_nothing(machines: Cloud, head: str) -> None:
    """`ray down` stops Ray on the head and ends every machine of the cluster."""
    said = laptop(machines, f"cd {ROOT} && ray down -y ~/aws.yaml")
    assert "command not found" not in said
    assert machines.machines("huracan") == {}
