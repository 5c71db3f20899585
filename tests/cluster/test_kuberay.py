"""The manifests of cluster/kuberay: valid, closed, and of one mind with the product."""

import copy
import json
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest
import ray
import ray._private.utils as ray_utils
import yaml
from ray.autoscaler._private.kuberay.autoscaling_config import _generate_available_node_types_from_ray_cr_spec
from ray.serve.schema import ServeDeploySchema

import huracan
from huracan.commands.paper import paper_exchange
from huracan.config import load_settings
from jobs.download import program as download
from jobs.train import program as train
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
        "RayJob": found("RayJob", "huracan-train")["spec"]["rayClusterSpec"],
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


def kustomization(folder: Path) -> dict[str, Any]:
    """Return what kustomize makes of a folder."""
    found: dict[str, Any] = yaml.safe_load((folder / "kustomization.yaml").read_text(encoding="utf-8"))
    return found


def test_kustomize_names_every_file_once() -> None:
    """What stands comes by `kubectl apply -k`; a download and a training have folders of their own."""
    named = []
    for place in (FOLDER, FOLDER / "candles", FOLDER / "train"):
        named += [str((place / name).relative_to(FOLDER)) for name in kustomization(place)["resources"]]
    assert sorted(named) == sorted({one.file for one in ALL})
    assert len(set(named)) == len(named)


def test_an_image_is_named_in_one_place_for_all() -> None:
    """Each folder that is applied or created takes the image's name and tag from image/."""
    (image,) = kustomization(FOLDER / "image")["images"]
    assert f"{image['name']}:{image['newTag']}" == IMAGE
    for place in (FOLDER, FOLDER / "candles", FOLDER / "train"):
        (component,) = kustomization(place)["components"]
        assert (place / component).resolve() == FOLDER / "image"
    folders = {path.parent for path in FOLDER.rglob("kustomization.yaml")}
    assert folders == {FOLDER, FOLDER / "candles", FOLDER / "train", FOLDER / "image"}


def test_kustomize_needs_names() -> None:
    """Every object has a name: kustomize does not take `generateName`."""
    assert all("name" in one.content["metadata"] for one in ALL)


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
    """A retry is allowed, the cluster goes when the job has ended, and its tasks are on spot machines."""
    spec = found("RayJob", "huracan-train")["spec"]
    assert shlex.split(spec["entrypoint"])[:3] == ["python", "-m", "jobs.train"]
    assert spec["backoffLimit"] >= 1
    assert spec["shutdownAfterJobFinishes"] is True
    cpu = spec["rayClusterSpec"]["workerGroupSpecs"][0]
    assert (cpu["groupName"], cpu["minReplicas"]) == ("cpu", 0)
    assert cpu["template"]["spec"]["nodeSelector"] == {"huracan/spot": "true"}


@pytest.mark.parametrize("kind", ["RayCluster", "RayJob"])
def test_a_driver_that_stays_has_a_pod_to_itself(kind: str) -> None:
    """By Ray's own reading one group has `steady`, no CPU for tasks and no spot machine; a training asks for it."""
    spec = clusters()[kind]
    types = _generate_available_node_types_from_ray_cr_spec(spec)
    assert [name for name, row in types.items() if "steady" in row["resources"]] == ["steady"]
    assert (types["steady"]["resources"]["steady"], types["steady"]["resources"]["CPU"]) == (1, 0)
    (group,) = [row for row in spec["workerGroupSpecs"] if row["groupName"] == "steady"]
    assert not group["template"]["spec"].keys() & {"nodeSelector", "tolerations"}
    assert "num-cpus" not in group["rayStartParams"], "the operator takes one of the two"
    job = found("RayJob", "huracan-train")["spec"]
    assert json.loads(job["entrypointResources"]) == {"steady": 1}
    assert "entrypointNumCpus" not in job, "no pod has `steady` and a CPU"


def _bytes(quantity: str) -> int:
    number, unit = re.fullmatch(r"(\d+)(Mi|Gi)", quantity).groups()  # type: ignore[union-attr]
    return int(number) * {"Mi": 2**20, "Gi": 2**30}[unit]


@pytest.mark.parametrize("kind", ["RayCluster", "RayJob", "RayService"])
def test_the_object_store_fits_into_shared_memory(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store that Ray gives itself for a pod's memory fits into its /dev/shm: Ray would take a disk otherwise."""
    monkeypatch.setattr(ray_utils, "get_shared_memory_bytes", lambda: 2**50)
    spec = clusters()[kind]
    for group in (spec["headGroupSpec"], *spec["workerGroupSpecs"]):
        pod = group["template"]["spec"]
        memory = _bytes(pod["containers"][0]["resources"]["limits"]["memory"])
        (shm,) = [volume["emptyDir"] for volume in pod["volumes"] if volume["name"] == "shm"]
        assert shm["medium"] == "Memory"
        assert {"name": "shm", "mountPath": "/dev/shm"} in pod["containers"][0]["volumeMounts"]  # noqa: S108
        store = ray_utils.resolve_object_store_memory(memory)
        assert store <= _bytes(shm["sizeLimit"]) < memory, group.get("groupName", "head")


def test_the_entrypoint_is_one_that_the_program_takes() -> None:
    """The training's words are options of the program, and its configuration is one of the image's."""
    words = shlex.split(found("RayJob", "huracan-train")["spec"]["entrypoint"])[3:]
    options = {name for parameter in train.params for name in parameter.opts}
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
    names = set(re.findall(r"HURACAN__\w+", "".join(path.read_text() for path in FOLDER.rglob("*.yaml"))))
    assert names
    places = {"HURACAN__DATA__FOLDER", "HURACAN__STORAGE__RUNS"}
    load_settings(None, environ={name: "s3://b/p" if name in places else "http://127.0.0.1:1" for name in names})


def test_trader_and_signals_follow_one_exchange() -> None:
    """The paper exchange that deploy.md names is a service of the folder, over the candles that are downloaded here."""
    service, pod = found("Service", "paper-exchange"), found("Deployment", "paper-exchange")["spec"]
    assert service["spec"]["selector"] == pod["selector"]["matchLabels"]
    words = pod["template"]["spec"]["containers"][0]["args"]
    port = int(words[words.index("--port") + 1])
    deploy = (ROOT / "docs" / "runbooks" / "deploy.md").read_text(encoding="utf-8")
    assert f"--from-literal=url=http://paper-exchange:{port}\n" in deploy
    assert (service["spec"]["ports"][0]["port"], pod["replicas"], pod["strategy"]["type"]) == (port, 1, "Recreate")
    assert words[words.index("--host") + 1] == "0.0.0.0"  # noqa: S104 - network.yaml guards it
    known = {name for parameter in paper_exchange.params for name in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= known
    url = {
        "name": "HURACAN__EXECUTION__URL",
        "valueFrom": {"configMapKeyRef": {"name": "huracan-execution", "key": "url"}},
    }
    signals = clusters()["RayService"]
    asking = [signals["headGroupSpec"]["template"], *(row["template"] for row in signals["workerGroupSpecs"])]
    asking.append(found("Deployment", "huracan-execution")["spec"]["template"])
    assert all(url in template["spec"]["containers"][0]["env"] for template in asking)


def test_candles_lie_where_they_are_looked_for() -> None:
    """What the download writes is what paper exchange and training read, on the volume that all mount."""
    spec = found("Job", "huracan-candles")["spec"]["template"]["spec"]
    words = spec["containers"][0]["args"]
    known = {name for parameter in download.params for name in parameter.opts}
    assert words[:3] == ["huracan", "data", "download"]
    assert {word for word in words if word.startswith("--")} <= known
    folder = f"{words[words.index('--folder') + 1]}/{words[words.index('--timeframe') + 1]}"
    assert f"--data {folder} " in found("RayJob", "huracan-train")["spec"]["entrypoint"]
    paper = found("Deployment", "paper-exchange")["spec"]["template"]["spec"]["containers"][0]["args"]
    assert paper[paper.index("--data") + 1] == folder
    for one in ALL:
        for template in pods(one.content):
            if template["metadata"]["labels"]["app.kubernetes.io/component"] not in ("redis", "feed", "submitter"):
                pod = template["spec"]
                assert {"name": "home", "persistentVolumeClaim": {"claimName": "huracan-home"}} in pod["volumes"]
                assert {"name": "home", "mountPath": "/var/lib/huracan"} in pod["containers"][0]["volumeMounts"]


# ---- the network --------------------------------------------------------------------------------------------------

METADATA = "169.254.169.254/32"
DNS = {("kube-system", "UDP 53"), ("kube-system", "TCP 53"), ("dns-cache", "UDP 53"), ("dns-cache", "TCP 53")}
INGRESS = {
    "ray": {
        *(("ray", "all"), ("monitoring", "TCP 8080"), ("signals=true", "TCP 8000")),
        *((name, port) for name in ("feed", "submitter", "kuberay-system") for port in ("TCP 8265", "TCP 8000")),
    },
    "redis": {("ray", "TCP 6379")},
    "paper-exchange": {("execution", "TCP 18700"), ("ray", "TCP 18700")},
    "execution": set(),
    "feed": set(),
    "submitter": set(),
    "candles": set(),
}
"""Who may ask whom at which port: no more, and no less, or something that must work does not."""
EGRESS = {
    "ray": DNS
    | {("ray", "all"), ("redis", "TCP 6379"), ("paper-exchange", "TCP 18700")}
    | {("world", "TCP 6443"), ("world", "TCP 5432"), ("world", "TCP 443")},
    "redis": set(),
    "paper-exchange": set(),
    "execution": DNS | {("world", "TCP 5432"), ("world", "TCP 443"), ("paper-exchange", "TCP 18700")},
    "feed": DNS | {("ray", "TCP 8265")},
    "submitter": DNS | {("ray", "TCP 8265")},
    "candles": DNS | {("world", "TCP 443")},
}
"""Whom each may ask; `world` is every address but that of the machine's own rights."""


def _peer(peer: dict[str, Any]) -> str:
    """Return one word for a peer that network.yaml may name; anything else is itself."""
    match peer:
        case {"podSelector": {"matchLabels": {"app.kubernetes.io/part-of": "huracan", **rest}}} if len(peer) == 1:
            return str(rest.pop("app.kubernetes.io/component")) if len(rest) == 1 else str(peer)
        case {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}} if len(peer) == 1:
            return str(name)
        case {"namespaceSelector": {"matchLabels": {"huracan/signals": "true"}}} if len(peer) == 1:
            return "signals=true"
        case {"ipBlock": {"cidr": "0.0.0.0/0", "except": [except_]}} if len(peer) == 1 and except_ == METADATA:
            return "world"
        case {"ipBlock": {"cidr": "169.254.20.10/32"}} if len(peer) == 1:
            return "dns-cache"
    return str(peer)


def edges(policies: list[dict[str, Any]], component: str, way: str) -> set[tuple[str, str]]:
    """Return the peers and ports of a component's pods in one direction; `way` is ingress or egress."""
    labels = {"app.kubernetes.io/part-of": "huracan", "app.kubernetes.io/component": component}
    allowed = set()
    for spec in policies:
        if spec["podSelector"] and spec["podSelector"] != {"matchLabels": labels}:
            continue
        for rule in spec.get(way, []):
            ports = [f"{port['protocol']} {port['port']}" for port in rule.get("ports", [])] or ["all"]
            peers = [_peer(peer) for peer in rule.get("from" if way == "ingress" else "to", [])] or ["everybody"]
            allowed |= {(peer, port) for peer in peers for port in ports}
    return allowed


def policies_of(manifests_: list[Manifest]) -> list[dict[str, Any]]:
    """Return the specifications of all network policies."""
    return [one.content["spec"] for one in manifests_ if one.kind == "NetworkPolicy"]


def test_nobody_talks_to_anybody_by_default() -> None:
    """One policy closes all pods in both directions and opens nothing; every component has a policy of its own."""
    closed = found("NetworkPolicy", "huracan-nobody")["spec"]
    assert closed == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    components = {
        template["metadata"]["labels"]["app.kubernetes.io/component"] for one in ALL for template in pods(one.content)
    }
    assert components == INGRESS.keys() == EGRESS.keys()
    assert all(spec["policyTypes"] == ["Ingress", "Egress"] for spec in policies_of(ALL))


@pytest.mark.parametrize("component", sorted(INGRESS))
def test_who_may_talk_to_whom(component: str) -> None:
    """Each component is asked by, and asks, exactly whom the tables name."""
    assert edges(policies_of(ALL), component, "ingress") == INGRESS[component]
    assert edges(policies_of(ALL), component, "egress") == EGRESS[component]


@pytest.mark.parametrize(
    ("name", "way", "cut"),
    [
        ("huracan-ray", "egress", lambda rules: rules.pop(0)),
        ("huracan-ray", "egress", lambda rules: rules[-1]["ports"].pop(0)),
        ("huracan-ray", "egress", lambda rules: rules.pop(4)),
        ("huracan-ray", "ingress", lambda rules: rules[1]["from"].pop()),
        ("huracan-redis", "ingress", lambda rules: rules[0].pop("from")),
        ("huracan-redis", "ingress", lambda rules: rules[0].pop("ports")),
        ("huracan-execution", "egress", lambda rules: rules[1]["to"][0]["ipBlock"].pop("except")),
        ("huracan-execution", "egress", lambda rules: rules[1]["ports"].append({"protocol": "TCP", "port": 6379})),
    ],
    ids=["dns", "postgres", "api server", "operator", "redis for all", "redis all ports", "machine's rights", "more"],
)
def test_the_table_notices(name: str, way: str, cut: Any) -> None:
    """A rule less, a rule more, and a rule that is wider than it was."""
    changed = copy.deepcopy(ALL)
    (policy,) = [one.content["spec"] for one in changed if (one.kind, one.name) == ("NetworkPolicy", name)]
    cut(policy[way])
    component = name.removeprefix("huracan-")
    wanted = INGRESS if way == "ingress" else EGRESS
    assert edges(policies_of(changed), component, way) != wanted[component]


def test_the_namespace_demands_restricted_pods() -> None:
    """Kubernetes itself refuses a pod with more rights."""
    labels = found("Namespace", "huracan")["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    assert labels["pod-security.kubernetes.io/warn"] == "restricted"


def test_the_project_pins_what_judges() -> None:
    """The schemas come with a package of exact version."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert "kubernetes-validate" in project["optional-dependencies"]["dev"]
