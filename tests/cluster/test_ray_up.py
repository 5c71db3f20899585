"""The files for `ray up`: valid for Ray itself, closed to the world, and the same on three clouds."""

import json
import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import requires
from pathlib import Path
from typing import Any

import pytest
import ray.autoscaler
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "cluster" / "ray-up"
CLOUDS = ("aws", "gcp", "azure")
OWN = ("cluster_name", "provider", "auth", "available_node_types", "setup_commands")
"""What may differ between clouds; all else is one text."""


def load(cloud: str) -> dict[str, Any]:
    """Return a cloud's file."""
    return yaml.safe_load((FOLDER / f"{cloud}.yaml").read_text(encoding="utf-8"))


def workers(config: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the types that scale."""
    return {name: kind for name, kind in config["available_node_types"].items() if name != config["head_node_type"]}


@pytest.fixture(params=CLOUDS)
def cloud(request: pytest.FixtureRequest) -> str:
    """Return the name of one cloud after the other."""
    return str(request.param)


def test_ray_takes_the_file(cloud: str) -> None:
    """Ray's own schema and checks accept the file after Ray's own preparation."""
    config = prepare_config(load(cloud))
    validate_config(config)
    assert sorted(config["available_node_types"]) == ["cpu", "gpu", "head", "steady"]


@pytest.mark.parametrize(
    "change",
    [
        lambda config: config.update(idle_timeout_minute=5),
        lambda config: config.update(head_node_type="heads"),
        lambda config: config["available_node_types"]["cpu"].update(max_worker=3),
        lambda config: config["available_node_types"]["cpu"].update(min_workers=100),
        lambda config: config["available_node_types"]["head"].pop("resources"),
        lambda config: config["auth"].update(ssh_users="ubuntu"),
    ],
    ids=["unknown key", "head type", "unknown worker key", "more at least than at most", "no resources", "auth key"],
)
def test_the_check_can_fail(cloud: str, change: Any) -> None:
    """Each of these mistakes is refused by the same check."""
    config = load(cloud)
    change(config)
    with pytest.raises(Exception, match=r".+"):
        validate_config(prepare_config(config))


def test_no_work_runs_on_the_head(cloud: str) -> None:
    """The head offers no CPU and no GPU, and is never taken away."""
    head = load(cloud)["available_node_types"]["head"]
    assert head["resources"] == {"CPU": 0}
    assert not spot(head["node_config"])


def test_workers_scale_from_nothing_and_cost_little(cloud: str) -> None:
    """No worker runs when idle; CPU and GPU machines are spot, the driver's is not."""
    config = load(cloud)
    assert {kind["min_workers"] for kind in workers(config).values()} == {0}
    assert sum(kind["max_workers"] for kind in workers(config).values()) == config["max_workers"]
    assert 0 < config["idle_timeout_minutes"] <= 10
    assert [spot(workers(config)[name]["node_config"]) for name in ("cpu", "steady", "gpu")] == [True, False, True]
    assert workers(config)["gpu"]["resources"]["GPU"] == 1
    assert all("GPU" not in workers(config)[name]["resources"] for name in ("cpu", "steady"))


def spot(node: dict[str, Any]) -> bool:
    """Return whether the cloud may take such a machine away, in the words of each cloud."""
    words = (
        node.get("InstanceMarketOptions", {}).get("MarketType"),
        node.get("scheduling", {}).get("provisioningModel"),
        node.get("azure_arm_parameters", {}).get("priority"),
    )
    return any(word is not None and word.lower() == "spot" for word in words)


def test_nothing_listens_for_the_world(cloud: str) -> None:
    """Machines have private addresses, the dashboard is on loopback, Ray's token is asked for."""
    config = load(cloud)
    assert config["provider"]["use_internal_ips"] is True
    assert "use_external_head_ip" not in config["provider"]
    for command in (*config["head_start_ray_commands"], *config["worker_start_ray_commands"]):
        assert command.startswith(". ~/huracan/cluster/ray-up/node.sh && ray ")
    start = config["head_start_ray_commands"][-1]
    assert "--dashboard-host=127.0.0.1 --dashboard-port=8265" in start
    assert "0.0.0.0" not in json.dumps(config)  # noqa: S104 - the point
    environment = (FOLDER / "node.sh").read_text(encoding="utf-8")
    assert "RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH=$HOME/.ray/auth_token" in environment
    assert config["file_mounts"]["~/.ray/auth_token"] == "~/.ray/auth_token"


def test_network_and_identity_are_made_before(cloud: str) -> None:
    """Where Ray would make an open firewall or an all-powerful identity by itself, the file names one that exists."""
    config = load(cloud)
    nodes = [kind["node_config"] for kind in config["available_node_types"].values()]
    if cloud == "aws":
        assert config["provider"]["security_group"] == {"GroupName": "huracan-ray"}
        assert {node["IamInstanceProfile"]["Name"] for node in nodes} == {"huracan-ray-head", "huracan-ray-worker"}
        assert all(node["MetadataOptions"] == {"HttpTokens": "required"} for node in nodes)
        assert all(disk["Ebs"]["Encrypted"] for node in nodes for disk in node["BlockDeviceMappings"])
    if cloud == "gcp":
        assert all(list(node["networkInterfaces"][0]) == ["subnetwork"] for node in nodes)
        assert all(node["tags"] == {"items": ["huracan-ray"]} for node in nodes)
        assert {node["serviceAccounts"][0]["email"].split("@")[0] for node in nodes} == {
            "huracan-ray-head",
            "huracan-ray-worker",
        }
    if cloud == "azure":
        template = Path(ray.autoscaler.__file__).parent / "_private" / "_azure" / "azure-vm-template.json"
        known = json.loads(template.read_text(encoding="utf-8"))["parameters"]
        assert all(node["azure_arm_parameters"].keys() <= known.keys() for node in nodes)


def test_no_secret_stands_in_the_file(cloud: str) -> None:
    """The database's URL and the token come from files of the machine's owner; the file holds neither."""
    text = (FOLDER / f"{cloud}.yaml").read_text(encoding="utf-8")
    assert not re.search(r"postgres(ql)?://|password|AKIA|secret_key|BEGIN ", text, re.IGNORECASE)
    assert load(cloud)["file_mounts"]["~/.huracan.env"] == "~/.huracan.env"


def test_what_is_not_of_a_cloud_is_the_same_on_all(cloud: str) -> None:
    """Commands, mounts, limits and worker types do not drift apart."""
    config, first = load(cloud), load(CLOUDS[0])
    assert {key: value for key, value in config.items() if key not in OWN} == {
        key: value for key, value in first.items() if key not in OWN
    }
    assert [line.replace(cloud, "") for line in config["setup_commands"]] == [
        line.replace(CLOUDS[0], "") for line in first["setup_commands"]
    ]
    shape = {name: {**kind, "node_config": None} for name, kind in config["available_node_types"].items()}
    assert shape == {name: {**kind, "node_config": None} for name, kind in first["available_node_types"].items()}


def test_versions_are_exact(cloud: str) -> None:
    """Ray is the project's, by constraints.txt; what a cloud's SDK needs is pinned in a file of its own."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    version = next(one.split("==")[1] for one in project["dependencies"] if one.startswith("ray["))
    assert version == ray.__version__
    assert f"Ray {version} " in (FOLDER / f"{cloud}.yaml").read_text(encoding="utf-8")
    assert f"ray=={version}" in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    lines = (FOLDER / f"{cloud}.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert pins
    assert all(re.fullmatch(r"[A-Za-z0-9-]+==[0-9a-z.]+", pin) for pin in pins)
    assert load(cloud)["setup_commands"][0].startswith(f"EXTRA=~/huracan/cluster/ray-up/{cloud}.txt bash ")


def test_ray_needs_jsonschema_for_this() -> None:
    """Ray validates by jsonschema, which it names among its own requirements."""
    assert any(re.match(r"jsonschema\b", one) for one in requires("ray") or ())


@pytest.mark.slow
def test_the_clouds_own_descriptions_take_the_machines(tmp_path: Path) -> None:
    """Parameters and machine types by the SDKs of AWS and Google Cloud, in the versions that a head installs."""
    lists = [word for cloud in ("aws", "gcp") for word in ("-r", str(FOLDER / f"{cloud}.txt"))]
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(tmp_path / "sdk"), *lists]
    subprocess.run(pip, check=True)
    check = [sys.executable, str(Path(__file__).with_name("sdk_check.py"))]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "sdk")}
    assert subprocess.run([*check, str(FOLDER)], env=environment, capture_output=True, check=True).stdout.split() == []
    for cloud, old, new in (
        ("aws", "InstanceType: c7i.4xlarge", "InstanceType: c7i.5xlarge"),
        ("aws", "MarketType: spot", "MarkedType: spot"),
        ("gcp", "provisioningModel: SPOT", "provisioningModel: CHEAP"),
        ("gcp", "autoDelete: true", "autoDelete: please"),
    ):
        for name in ("aws", "gcp"):
            text = (FOLDER / f"{name}.yaml").read_text(encoding="utf-8")
            (tmp_path / f"{name}.yaml").write_text(text.replace(old, new) if name == cloud else text)
        said = subprocess.run([*check, str(tmp_path)], env=environment, capture_output=True, check=True).stdout
        assert cloud in said.decode(), (old, new)
