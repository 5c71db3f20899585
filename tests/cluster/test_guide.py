"""The cluster's guide: its commands exist, its files exist, and it names every file."""

import re

import pytest

from tests.cluster.cloud import ROOT
from tests.cluster.runbooks import problems

GUIDE = (ROOT / "docs" / "cluster.md").read_text(encoding="utf-8")
LINES = [line for text in re.findall(r"^```sh\n(.*?)^```", GUIDE, re.M | re.S) for line in text.splitlines()]


@pytest.mark.parametrize("line", LINES)
def test_its_commands_exist(line: str) -> None:
    """Each line's program, command, options, files and objects are there."""
    assert problems(line) == []


def test_its_files_exist() -> None:
    """What it names of cluster/, docs/ and tests/ is there, and its table of manifests is the folder's."""
    for name in re.findall(r"`((?:cluster|tests|configs)/[\w./-]+)`", GUIDE):
        assert (ROOT / name).exists() or name == "cluster/secrets", name  # made by secrets.sh
    for name in re.findall(r"\]\(([\w./-]+\.md)\)", GUIDE):
        assert (ROOT / "docs" / name).exists(), name
    listed = set(re.findall(r"^\| `([\w/-]+\.yaml)` \|", GUIDE, re.M))
    folder = ROOT / "cluster" / "kuberay"
    there = {str(path.relative_to(folder)) for path in folder.rglob("*.yaml") if path.name != "kustomization.yaml"}
    assert listed == there - {"namespace.yaml"}


def test_what_it_says_of_versions_is_so() -> None:
    """Ray, Kubernetes and KubeRay are those that the tests judge by."""
    import ray
    import yaml

    from tests.cluster.kubernetes import KUBERNETES

    fields = yaml.safe_load((ROOT / "tests" / "cluster" / "kuberay.yaml").read_text(encoding="utf-8"))
    assert f"Ray {ray.__version__} " in GUIDE
    assert f"Kubernetes {KUBERNETES}'s" in GUIDE
    assert f"KubeRay {fields['version']}'s" in GUIDE


@pytest.mark.parametrize("cloud", ["aws", "gcp", "azure"])
def test_a_laptop_gets_the_clouds_sdk(cloud: str) -> None:
    """`ray up` runs on the operator's machine too, which needs the SDK in the head's versions."""
    before = GUIDE[: GUIDE.index("ray up -y")]
    assert f"{cloud}.txt" in before
    assert "pip install -r cluster/ray-up/aws.txt" in LINES


def test_every_training_on_machines_is_submitted_to_the_one_that_stays() -> None:
    """The guide's line and that of the runbook for a lost head name the same machine, settings and program."""
    runbook = (ROOT / "docs" / "runbooks" / "head-loss.md").read_text(encoding="utf-8")
    (first,) = [line for line in LINES if "jobs.train" in line]
    (again,) = [line for line in runbook.splitlines() if "jobs.train" in line and line.startswith("ray exec")]
    assert "--entrypoint-resources '{\"steady\": 1}'" in first
    assert "--entrypoint-resources '{\\\"steady\\\": 1}'" in again
    assert "--resume" in again
    for line in (first, again):
        assert "configs/production.yaml" in line
        assert "--data" not in line, "the folder of candles is a setting of all machines"
    assert "HURACAN__DATA__FOLDER=" in GUIDE
    assert "HURACAN__STORAGE__RUNS=" in GUIDE


@pytest.mark.parametrize(
    ("cloud", "words"),
    [
        (
            "AWS",
            ("private subnets", "MapPublicIpOnLaunch", "`huracan-ray`", "aws-head-policy.json", "`huracan-ray-worker`"),
        ),
        (
            "Google Cloud",
            ("`huracan-ray`", "`roles/compute.admin`", "`roles/iam.serviceAccountUser` on `huracan-ray-worker`"),
        ),
        ("Azure", ("`az login`",)),
    ],
)
def test_it_says_what_a_cloud_must_have_before(cloud: str, words: tuple[str, ...]) -> None:
    """Network and identities that the cloud's file names, with every right that starting machines takes."""
    (row,) = re.findall(rf"^\| {cloud} \| .*$", GUIDE, re.M)
    assert all(word in row for word in words)


def test_a_lost_head_and_an_upgrade_ask_as_the_guide_does() -> None:
    """No line needs an environment that a login on the head does not have: they are `ray exec` alone."""
    folder = ROOT / "docs" / "runbooks"
    lines = [line for path in folder.glob("*.md") for line in path.read_text(encoding="utf-8").splitlines()]
    asked = [line for line in (*lines, *LINES) if line.startswith("ray exec")]
    assert len(asked) >= 6
    assert all("node.sh" not in line and "RAY_AUTH" not in line for line in asked)


# ---- ids of jobs --------------------------------------------------------------------------------------------------

RUNBOOKS = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "docs" / "runbooks").glob("*.md")}
SERVING = (ROOT / "docs" / "serving.md").read_text(encoding="utf-8")
STOPS = re.compile(r"ray job stop (?:--\S+ )*([\w-]+)")
SUBMITS = re.compile(r"ray job submit [^\n]*?--submission-id[ =]([\w-]+)")


def strangers(guide: str, runbooks: dict[str, str]) -> list[str]:
    """Return what stops a job under an id that nothing submits there: the guide's machines, or the one of serving."""
    there = [guide, *(line for text in runbooks.values() for line in text.splitlines() if line.startswith("ray exec"))]
    machines = {name for text in there for name in SUBMITS.findall(text)}
    one_machine = set(SUBMITS.findall(SERVING))
    found = [f"guide: {name}" for name in STOPS.findall(guide) if name not in machines]
    for file, text in runbooks.items():
        for line in text.splitlines():
            known = machines if line.startswith("ray exec") else one_machine
            found += [f"{file}: {name}" for name in STOPS.findall(line) if name not in known]
    return found


def left_stopped(text: str) -> list[str]:
    """Return the ids that a runbook stops on machines and does not submit again further down."""
    lines = [line for line in text.splitlines() if line.startswith("ray exec")]
    return [
        name
        for index, line in enumerate(lines)
        for name in STOPS.findall(line)
        if name not in SUBMITS.findall("\n".join(lines[index + 1 :]))
    ]


def test_what_is_stopped_is_submitted_under_that_id() -> None:
    """Guide and runbooks stop the jobs of the guide's machines, or of the one machine of serving, and no others."""
    assert any(STOPS.search(text) for text in RUNBOOKS.values())
    assert strangers(GUIDE, RUNBOOKS) == []


def test_an_upgrade_submits_again_what_it_stopped() -> None:
    """On machines, with the flag for a run that may or may not be there; on Kubernetes what is deleted is created."""
    text = RUNBOOKS["upgrade.md"]
    assert STOPS.findall(text)
    assert left_stopped(text) == []
    (again,) = [line for line in text.splitlines() if "jobs.train" in line and line.startswith("ray exec")]
    assert again.endswith('--resume-or-start"')
    assert text.index("kubectl delete -k cluster/kuberay/train") < text.index("kubectl create -k cluster/kuberay/train")


def test_the_check_of_ids_can_fail() -> None:
    """An id that nobody submits, one of another place, a submission without an id, and one that comes too early."""
    stop = "ray exec cluster/ray-up/aws.yaml 'ray job stop training'"
    again = "ray exec cluster/ray-up/aws.yaml 'ray job submit --submission-id training --no-wait -- hostname'"
    nameless = "ray job submit --no-wait -- python -m jobs.train"
    assert strangers(nameless, {"x.md": stop}) == ["x.md: training"]
    assert strangers(nameless, {"x.md": f"{stop}\n{again}"}) == []
    assert strangers(GUIDE, {"x.md": "ray job stop --no-wait nobody\n`ray job stop fetching`"}) == ["x.md: nobody"]
    assert strangers(GUIDE, {"x.md": stop.replace("training", "fetching")}) == ["x.md: fetching"]
    assert strangers(f"{GUIDE}\nray job stop judging", {}) == ["guide: judging"]
    assert left_stopped(f"{again}\n{stop}") == ["training"]


@pytest.mark.parametrize(
    "line",
    [
        "helm install kuberay-operator kuberay/kuberay-operator --version 1.6.0 --namespace kuberay-system",
        "helm install kuberay-operator kuberay/kuberay-operator --version 1.7.0 --namespace default",
        "helm repo add kuberay https://127.0.0.1/",
        "kubectl create -k cluster/kuberay/training",
        "kubectl wait --for=condition=complete job/huracan-nothing --namespace huracan",
        "docker compose --file cluster/compose.yaml exec nobody ls",
        "docker compose --file cluster/compose.yaml exec head huracan serve upwards",
        "docker compose up --detach",
    ],
)
def test_the_check_of_commands_can_fail(line: str) -> None:
    """A version that the manifests are not for, a namespace that is kept out, and what there is not."""
    assert problems(line)
