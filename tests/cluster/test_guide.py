"""The cluster's guide: its commands exist, its files exist, and it names every file."""

import re

import pytest

from tests.cluster.cloud import ROOT
from tests.cluster.runbooks import problems

GUIDE = (ROOT / "docs" / "cluster.md").read_text(encoding="utf-8")
LINES = [line for text in re.findall(r"^```sh\n(.*?)^```", GUIDE, re.M | re.S) for line in text.splitlines()]


@pytest.mark.parametrize("line", [line for line in LINES if not line.startswith("docker")])
def test_its_commands_exist(line: str) -> None:
    """Each line's program, command, options, files and objects are there."""
    assert problems(line) == []


def test_its_files_exist() -> None:
    """What it names of cluster/, docs/ and tests/ is there, and its table of manifests is the folder's."""
    for name in re.findall(r"`((?:cluster|tests|configs)/[\w./-]+)`", GUIDE):
        assert (ROOT / name).exists() or name == "cluster/secrets", name  # made by secrets.sh
    for name in re.findall(r"\]\(([\w./-]+\.md)\)", GUIDE):
        assert (ROOT / "docs" / name).exists(), name
    listed = set(re.findall(r"^\| `([\w-]+\.yaml)` \|", GUIDE, re.M))
    there = {path.name for path in (ROOT / "cluster" / "kuberay").glob("*.yaml")}
    assert listed == there - {"kustomization.yaml", "namespace.yaml"}


def test_what_it_says_of_versions_is_so() -> None:
    """Ray, Kubernetes and KubeRay are those that the tests judge by."""
    import ray
    import yaml

    from tests.cluster.kubernetes import KUBERNETES

    fields = yaml.safe_load((ROOT / "tests" / "cluster" / "kuberay.yaml").read_text(encoding="utf-8"))
    assert f"Ray {ray.__version__} " in GUIDE
    assert f"Kubernetes {KUBERNETES}'s" in GUIDE
    assert f"KubeRay {fields['version']}'s" in GUIDE
