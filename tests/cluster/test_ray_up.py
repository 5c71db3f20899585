"""The files for `ray up`: valid for Ray itself, closed to the world, and the same on three clouds."""

import fnmatch
import json
import os
import re
import shutil
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
from ray.autoscaler.tags import TAG_RAY_CLUSTER_NAME

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
        assert not config["provider"].keys() & {"security_group", "availability_zone"}
        for node in nodes:
            assert node["SubnetIds"]
            assert all(re.fullmatch(r"subnet-[0-9a-f]{17}", name) for name in node["SubnetIds"])
            assert len(node["SecurityGroupIds"]) == 1
            assert re.fullmatch(r"sg-[0-9a-f]{17}", node["SecurityGroupIds"][0])
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
        assert [fault for node in nodes for fault in arm_faults(node["azure_arm_parameters"], known)] == []
        assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", config["provider"]["subscription_id"])


def arm_faults(given: dict[str, Any], known: dict[str, Any]) -> list[str]:
    """Return the parameters that Ray's template for a machine on Azure does not have, or has of another type."""
    types = {"string": str, "int": int, "bool": bool, "object": dict, "array": list}
    faults = []
    for name, value in given.items():
        if name not in known:
            faults.append(f"{name}: unknown")
        elif type(value) is not types[known[name]["type"]]:
            faults.append(f"{name}: {value!r} is no {known[name]['type']}")
    return faults


@pytest.mark.parametrize(("name", "value"), [("imageSku", 2204), ("osDiskSize", "many"), ("size", "Standard_D4s_v5")])
def test_the_check_of_azures_machines_can_fail(name: str, value: Any) -> None:
    """A number for a string, a word for a number, and a parameter that there is not are noticed."""
    template = Path(ray.autoscaler.__file__).parent / "_private" / "_azure" / "azure-vm-template.json"
    known = json.loads(template.read_text(encoding="utf-8"))["parameters"]
    assert len(arm_faults({name: value}, known)) == 1


IMAGES = {
    "aws": {"canonical/ubuntu/server/24.04", "deeplearning/ami/x86_64/base-oss-nvidia-driver-gpu-ubuntu-24.04"},
    "gcp": {"ubuntu-2404-lts-amd64", "ubuntu-accelerator-2404-amd64-with-nvidia-570"},
    "azure": {"canonical ubuntu-24_04-lts server latest", "microsoft-dsvm ubuntu-hpc 2204 latest"},
}
"""What bare.sh works on: a distribution that has Python 3.11 or 3.12, or can install it; with a GPU, its driver."""


def image_of(cloud: str, node: dict[str, Any]) -> str:
    """Return a machine's image in the cloud's own words."""
    if cloud == "aws":
        return str(node["ImageId"])
    if cloud == "gcp":
        return str(node["disks"][0]["initializeParams"]["sourceImage"])
    return " ".join(node["azure_arm_parameters"][f"image{part}"] for part in ("Publisher", "Offer", "Sku", "Version"))


def test_images_are_those_that_were_chosen(cloud: str) -> None:
    """One image for machines without a GPU, another one with its driver for those with."""
    kinds = load(cloud)["available_node_types"]
    plain, driver = sorted(IMAGES[cloud], key=lambda name: any(word in name for word in ("nvidia", "hpc")))
    for name, kind in kinds.items():
        assert (driver if name == "gpu" else plain) in image_of(cloud, kind["node_config"]), name


NEEDED = {
    "ec2:RunInstances": "start a machine",
    "ec2:TerminateInstances": "end one",
    "ec2:CreateTags": "Ray's tags, at the start and later",
    "ec2:DescribeInstances": "what runs",
    "ssm:GetParameters": "an image by the name of a parameter",
    "iam:PassRole": "the role of the machines that it starts",
    "iam:CreateServiceLinkedRole": "the account's first spot machine",
}
"""What the head of an AWS cluster does, by Ray's node provider and by the words of aws.yaml."""


def test_the_heads_rights_on_aws_suffice_and_are_not_all() -> None:
    """Rights to start, tag and end machines are there; every image and the worker's role are in reach."""
    policy = json.loads((FOLDER / "aws-head-policy.json").read_text(encoding="utf-8"))
    assert policy["Version"] == "2012-10-17"
    config = load("aws")
    granted: dict[str, list[str]] = {}
    for row in policy["Statement"]:
        assert row["Effect"] == "Allow"
        actions = row["Action"] if isinstance(row["Action"], list) else [row["Action"]]
        resources = row["Resource"] if isinstance(row["Resource"], list) else [row["Resource"]]
        assert all(re.fullmatch(r"(ec2|ssm|iam):[A-Za-z]+", action) for action in actions), "no right over everything"
        assert "Condition" in row or row["Sid"] in ("Look", "ImagesByName")
        for action in actions:
            granted.setdefault(action, []).extend(resources)
    assert granted.keys() >= NEEDED.keys()
    region = config["provider"]["region"]
    for kind in config["available_node_types"].values():
        parameter = kind["node_config"]["ImageId"].removeprefix("resolve:ssm:")
        arn = f"arn:aws:ssm:{region}::parameter{parameter}"
        assert any(fnmatch.fnmatchcase(arn, allowed) for allowed in granted["ssm:GetParameters"]), arn
    roles = {kind["node_config"]["IamInstanceProfile"]["Name"] for kind in workers(config).values()}
    assert granted["iam:PassRole"] == [f"arn:aws:iam::ACCOUNT:role/{name}" for name in roles]
    conditions = json.dumps([row.get("Condition") for row in policy["Statement"]])
    assert f'"aws:ResourceTag/{TAG_RAY_CLUSTER_NAME}": "{config["cluster_name"]}"' in conditions
    assert f'"aws:RequestedRegion": "{region}"' in conditions


def test_a_driver_that_stays_has_its_machine_to_itself(cloud: str) -> None:
    """The steady machine alone takes what asks for `steady`, and no task that asks for a CPU."""
    kinds = workers(load(cloud))
    assert kinds["steady"]["resources"] == {"CPU": 0, "steady": 1}
    assert all("steady" not in kind["resources"] for name, kind in kinds.items() if name != "steady")


def test_whoever_logs_in_has_the_token_and_the_programs(cloud: str, tmp_path: Path) -> None:
    """A login shell, as `ray exec` starts one, has RAY_AUTH_MODE and the PATH; a second setup adds nothing."""
    line = load(cloud)["setup_commands"][-1]
    for name in (".profile", ".bashrc"):
        shutil.copy(Path("/etc/skel") / name, tmp_path / name)
    environment = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    for _ in range(2):
        subprocess.run(["bash", "-c", line], env=environment, check=True)
        text = (tmp_path / ".bashrc").read_text()
        assert text.count("RAY_AUTH_MODE") == 1
    said = subprocess.run(
        ["bash", "--login", "-c", "-i", "echo $RAY_AUTH_MODE $PATH"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert said.startswith("token /opt/huracan/venv/bin:")


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
    """Machines by the SDKs of AWS and Google Cloud in a head's versions; Ray's own code imports for all three."""
    check_pins(tmp_path / "sdk")
    check = [sys.executable, str(Path(__file__).with_name("sdk_check.py"))]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "sdk")}
    assert subprocess.run([*check, str(FOLDER)], env=environment, capture_output=True, check=True).stdout.split() == []
    for cloud, old, new in (
        ("aws", "InstanceType: c7i.4xlarge", "InstanceType: c7i.5xlarge"),
        ("aws", "MarketType: spot", "MarkedType: spot"),
        ("gcp", "provisioningModel: SPOT", "provisioningModel: CHEAP"),
        ("gcp", "autoDelete: true", "autoDelete: please"),
        ("aws", "SubnetIds: *subnets", "SubnetIds: 7"),
    ):
        for name in ("aws", "gcp"):
            text = (FOLDER / f"{name}.yaml").read_text(encoding="utf-8")
            (tmp_path / f"{name}.yaml").write_text(text.replace(old, new) if name == cloud else text)
        said = subprocess.run([*check, str(tmp_path)], env=environment, capture_output=True, check=True).stdout
        assert cloud in said.decode(), (old, new)


def check_pins(folder: Path) -> None:
    """Install the pins of all three clouds, and nothing that they only ask for, into a folder."""
    lists = [word for cloud in CLOUDS for word in ("-r", str(FOLDER / f"{cloud}.txt"))]
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder), *lists]
    constraints = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    wanted = [line for line in constraints if line.startswith(BROUGHT_ALONG)]
    subprocess.run([*pip, *wanted], check=True)


BROUGHT_ALONG = ("oauthlib==", "requests-oauthlib==")
"""What the SDKs need that constraints.txt pins and a test environment may not hold."""
