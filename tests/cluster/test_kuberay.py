"""The manifests of cluster/kuberay: valid, closed, and of one mind with the product."""

import copy
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest
import ray
import yaml
from ray.serve.schema import ServeDeploySchema

import huracan
from huracan.config import load_settings
from serve.names import APPLICATION
from tests.cluster.kubernetes import Manifest, manifests, pods, problems

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "cluster" / "kuberay"
ALL = manifests(FOLDER)
RAY = [one for one in ALL if one.content["apiVersion"].startswith("ray.io/")]
IMAGE = f"huracan:{huracan.__version__}"


def found(kind: str, name: str) -> dict[str, Any]:
    """Return the one object of that kind and name."""
    (one,) = [row.content for row in ALL if (row.kind, row.name) == (kind, name)]
    return one


def clusters() -> dict[str, dict[str, Any]]:
    """Return the specification of each Ray cluster, by the kind that holds it."""
    return {
        "RayCluster": found("RayCluster", "huracan")["spec"],
        "RayJob": found("RayJob", "huracan-train-")["spec"]["rayClusterSpec"],
        "RayService": found("RayService", "huracan-signals")["spec"]["rayClusterConfig"],
    }


@pytest.mark.parametrize("manifest", ALL, ids=lambda one: f"{one.kind}-{one.name}")
def test_every_object_is_valid(manifest: Manifest) -> None:
    """Kubernetes' strict schemas and KubeRay's fields accept it; it is in the namespace of the others."""
    assert problems(manifest.content) == []
    if manifest.kind != "Namespace":
        assert manifest.content["metadata"]["namespace"] == "huracan"


def _misspell(spec: dict[str, Any]) -> None:
    spec["autoscalerOption"] = spec.pop("autoscalerOptions")


MISTAKES = {
    "unknown field": _misspell,
    "replicas are words": lambda spec: spec["workerGroupSpecs"][0].update(minReplicas="0"),
    "no such version": lambda spec: spec["autoscalerOptions"].update(version="v3"),
    "parameters are no words": lambda spec: spec["headGroupSpec"]["rayStartParams"].update({"num-cpus": 0}),
    "a pod's field": lambda spec: spec["headGroupSpec"]["template"]["spec"].update(securityContexts={}),
    "a container's field": lambda spec: spec["headGroupSpec"]["template"]["spec"]["containers"][0].pop("name"),
    "no head": lambda spec: spec.pop("headGroupSpec"),
    "no such mode": lambda spec: spec["authOptions"].update(mode="tokens"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_the_check_of_kuberay_can_fail(mistake: str) -> None:
    """Each of these mistakes is refused."""
    content = copy.deepcopy(found("RayCluster", "huracan"))
    MISTAKES[mistake](content["spec"])
    assert problems(content)


def test_the_check_of_kubernetes_can_fail() -> None:
    """So is a field that a Deployment does not have."""
    content = copy.deepcopy(found("Deployment", "huracan-execution"))
    content["spec"]["template"]["spec"]["containers"][0]["readyProbe"] = {}
    assert problems(content)


def test_kustomize_names_every_file() -> None:
    """`kubectl apply -k` brings everything but the training, which is created once for each run."""
    named = yaml.safe_load((FOLDER / "kustomization.yaml").read_text(encoding="utf-8"))["resources"]
    assert sorted([*named, "rayjob.yaml"]) == sorted({one.file for one in ALL})


@pytest.mark.parametrize("kind", ["RayCluster", "RayJob", "RayService"])
def test_ray_is_the_projects_closed_and_scales_by_v2(kind: str) -> None:
    """Version, token, autoscaler, a head without work."""
    spec = clusters()[kind]
    assert spec["rayVersion"] == ray.__version__
    assert spec["authOptions"] == {"mode": "token", "secretName": "huracan-ray-token"}
    assert (spec["enableInTreeAutoscaling"], spec["autoscalerOptions"]["version"]) == (True, "v2")
    assert spec["autoscalerOptions"]["idleTimeoutSeconds"] == 300
    assert spec["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    assert spec["headGroupSpec"]["serviceType"] == "ClusterIP"


def test_a_head_that_comes_back_remembers() -> None:
    """What stands keeps its control store in Redis, with a password; a training's cluster lives as long as its job."""
    redis = found("StatefulSet", "huracan-redis")
    for kind in ("RayCluster", "RayService"):
        kept = clusters()[kind]["gcsFaultToleranceOptions"]
        assert kept["redisAddress"] == f"{redis['spec']['serviceName']}:6379"
        assert kept["redisPassword"]["valueFrom"]["secretKeyRef"] == {"name": "huracan-redis", "key": "password"}
    assert "gcsFaultToleranceOptions" not in clusters()["RayJob"]
    assert "--appendonly yes" in redis["spec"]["template"]["spec"]["containers"][0]["args"][0]


def test_training_goes_on_where_it_was() -> None:
    """Its driver is on a worker, a retry resumes, and the cluster goes when the job has ended."""
    spec = found("RayJob", "huracan-train-")["spec"]
    words = shlex.split(spec["entrypoint"])
    assert words[:3] == ["python", "-m", "jobs.train"]
    assert "--resume" in words
    assert spec["entrypointNumCpus"] >= 1
    assert spec["backoffLimit"] >= 1
    assert spec["shutdownAfterJobFinishes"] is True
    cpu = spec["rayClusterSpec"]["workerGroupSpecs"][0]
    assert (cpu["groupName"], cpu["minReplicas"]) == ("cpu", 0)
    assert cpu["template"]["spec"]["nodeSelector"] == {"huracan/spot": "true"}


def test_the_entrypoint_is_one_that_the_program_takes() -> None:
    """The training's words are options of the program, and its configuration is one of the image's."""
    from jobs.train import program

    words = shlex.split(found("RayJob", "huracan-train-")["spec"]["entrypoint"])[3:]
    options = {name for parameter in program.params for name in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= options
    config = Path(words[words.index("--config") + 1])
    assert config.parent == Path("/etc/huracan")
    load_settings(ROOT / "configs" / config.name)


def test_signals_are_those_of_the_product() -> None:
    """RayService deploys serve/config.yaml but for address and placement, and Ray Serve takes what it deploys."""
    spec = found("RayService", "huracan-signals")["spec"]
    deployed = yaml.safe_load(spec["serveConfigV2"])
    ServeDeploySchema.model_validate(copy.deepcopy(deployed))
    own = yaml.safe_load((ROOT / "serve" / "config.yaml").read_text(encoding="utf-8"))
    assert deployed["http_options"].pop("host") == "0.0.0.0"  # noqa: S104 - network.yaml guards it
    assert deployed.pop("proxy_location") == "EveryNode"
    own["http_options"].pop("host")
    own.pop("proxy_location")
    assert deployed == own
    assert deployed["applications"][0]["name"] == APPLICATION


def test_one_trader_at_a_time() -> None:
    """One replica, replaced only after it has ended; a new one waits for the lease; the old one has time to drain."""
    spec = found("Deployment", "huracan-execution")["spec"]
    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})
    settings = load_settings(None, environ={})
    pod = spec["template"]["spec"]
    words = pod["containers"][0]["args"]
    assert words[:3] == ["huracan", "trade", "start"]
    assert float(words[words.index("--wait") + 1]) > settings.execution.lease_ttl_s
    assert pod["terminationGracePeriodSeconds"] > settings.execution.drain_s
    assert "livenessProbe" not in pod["containers"][0]
    assert "trade status --json" in pod["containers"][0]["readinessProbe"]["exec"]["command"][-1]


@pytest.mark.parametrize("manifest", [one for one in ALL if list(pods(one.content))], ids=lambda one: one.file)
def test_pods_are_restricted(manifest: Manifest) -> None:
    """As the namespace demands: not root, nothing gained, limits on all; exact images; no secret in the file."""
    for template in pods(manifest.content):
        spec = template["spec"]
        security = spec["securityContext"]
        assert security["runAsNonRoot"] is True
        assert security["runAsUser"] > 0
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}
        assert template["metadata"]["labels"]["app.kubernetes.io/part-of"] == "huracan"
        for container in spec["containers"]:
            assert container["securityContext"]["allowPrivilegeEscalation"] is False
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
            assert container["resources"]["requests"].keys() >= {"cpu", "memory"}
            assert container["resources"]["limits"].keys() >= {"cpu", "memory"}
            assert container["image"] == IMAGE or re.fullmatch(r"redis:\d+\.\d+\.\d+-bookworm", container["image"])
            for row in container.get("env", []):
                secret = re.search(r"URL|TOKEN|PASSWORD|KEY|SECRET", row["name"])
                assert not secret or "valueFrom" in row, row
        if "ray-head" not in [container["name"] for container in spec["containers"]]:
            assert spec["automountServiceAccountToken"] is False


def test_settings_of_the_environment_exist() -> None:
    """Each HURACAN__A__B in a manifest is a setting of the product."""
    names = set(re.findall(r"HURACAN__\w+", "".join(path.read_text() for path in FOLDER.glob("*.yaml"))))
    assert names
    load_settings(None, environ=dict.fromkeys(names, "http://127.0.0.1:1"))


def test_who_may_talk_to_whom() -> None:
    """Nobody to anybody, but for the rules; nobody reaches the trader; the trader's keys are of no Ray pod."""
    policies = {one.name: one.content["spec"] for one in ALL if one.kind == "NetworkPolicy"}
    closed = policies["huracan-nobody"]
    assert closed["podSelector"] == {}
    assert sorted(closed["policyTypes"]) == ["Egress", "Ingress"]
    assert "ingress" not in closed
    assert "egress" not in closed
    assert "ingress" not in policies["huracan-execution"]
    components = {
        template["metadata"]["labels"]["app.kubernetes.io/component"] for one in ALL for template in pods(one.content)
    }
    governed = {
        spec["podSelector"]["matchLabels"]["app.kubernetes.io/component"]
        for name, spec in policies.items()
        if name != "huracan-nobody"
    }
    assert governed == components
    metadata = "169.254.169.254/32"
    for spec in policies.values():
        for rule in spec.get("egress", []):
            blocks = [peer["ipBlock"] for peer in rule["to"] if "ipBlock" in peer]
            assert all(metadata in block["except"] for block in blocks)
            assert not blocks or rule["ports"]


def test_the_project_pins_what_judges() -> None:
    """The schemas come with a package of exact version."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert "kubernetes-validate" in project["optional-dependencies"]["dev"]
