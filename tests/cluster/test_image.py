"""The image, the containers beside it, and their secrets: exact, small, not root, closed."""

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import ray._private.utils as ray_utils
import yaml

import huracan
from huracan.config import load_settings

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "cluster"
COMPOSE: dict[str, Any] = yaml.safe_load((FOLDER / "compose.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
SERVICE_KEYS = {
    *("image", "build", "command", "init", "restart", "stop_grace_period", "depends_on", "healthcheck"),
    *("user", "read_only", "cap_drop", "cap_add", "security_opt", "secrets", "env_file", "environment"),
    *("networks", "ports", "volumes", "tmpfs", "shm_size", "mem_limit", "cpus"),
}


_INSTRUCTIONS = {
    *("FROM", "WORKDIR", "COPY", "RUN", "ENV", "USER", "VOLUME", "CMD", "ARG", "ADD"),
    *("ENTRYPOINT", "HEALTHCHECK", "LABEL", "EXPOSE", "STOPSIGNAL"),
}
"""Those that are known; SHELL, ONBUILD and MAINTAINER have no place here."""


BY_TAG = {"database", "schema", "head", "worker"}
"""Our own image is built, and the digest of the database's could not be found in more than one place."""


def instructions(text: str) -> list[tuple[str, str]]:
    """Return the instructions of a Dockerfile: word and rest, lines that go on joined."""
    joined = re.sub(r"\\\n\s*", " ", "\n".join(line for line in text.splitlines() if not line.startswith("#")))
    return [(line.split(" ", 1)[0], line.split(" ", 1)[1].strip()) for line in joined.splitlines() if line.strip()]


def image_faults(text: str) -> list[str]:
    """Return what is wrong with a Dockerfile, by rules that a linter of such files has as well."""
    rows, faults = instructions(text), []
    froms = [rest for word, rest in rows if word == "FROM"]
    faults += [
        f"not exact: {rest}" for rest in froms if not re.match(r"\S+:[\w.-]+@sha256:[0-9a-f]{64}( AS \w+)?$", rest)
    ]
    if len({rest.split(" ")[0] for rest in froms}) != 1 or len(froms) < 2:
        faults.append("the image is not made in two stages of one base")
    final = rows[max(index for index, (word, _) in enumerate(rows) if word == "FROM") :]
    users = [rest for word, rest in final if word == "USER"]
    if not users or not re.fullmatch(r"[1-9]\d*:[1-9]\d*", users[-1]):
        faults.append("it does not end as a user with a number other than root's")
    for word, rest in rows:
        if word == "ADD":
            faults.append("ADD fetches and unpacks; COPY does not")
        if word == "COPY" and rest.split(" ")[0] in (".", "./"):
            faults.append("everything is copied, whatever lies there")
        if word == "RUN" and "apt-get install" in rest:
            wanted = ("apt-get update", "--no-install-recommends", "rm -rf /var/lib/apt/lists")
            faults += [f"apt-get without {part}" for part in wanted if part not in rest]
        if word == "RUN" and re.search(r"\b(sudo|curl|wget https?:|chmod 777)\b", rest.replace("libgomp1 wget", "")):
            faults.append(f"fetches or opens: {rest}")
        if word in ("ENV", "ARG") and re.search(r"(TOKEN|PASSWORD|SECRET|KEY|URL)\s*=", rest):
            faults.append(f"a secret in the image: {rest}")
        if word not in _INSTRUCTIONS:
            faults.append(f"unknown instruction {word}")
        if word == "ENTRYPOINT" and not rest.startswith("["):
            faults.append("ENTRYPOINT is no list: signals would end at a shell")
    if not any(word == "CMD" and rest.startswith("[") for word, rest in final):
        faults.append("CMD is no list: signals would end at a shell")
    return faults


def test_the_image_is_exact_small_and_not_roots() -> None:
    """A base by its digest, two stages, a user with a number, no secret, nothing fetched beside packages."""
    assert image_faults((FOLDER / "Dockerfile").read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("@sha256:a36c24f9cbdf4fd0f52d67f0823eeac19c2028c637cecc392d97f980d4fec56b\n", "\n"),
        ("USER 1000:1000\n", ""),
        ("USER 1000:1000\n", "USER root\n"),
        ("COPY huracan huracan", "COPY . ."),
        ("COPY README.md ./", "ADD https://127.0.0.1/README.md ./"),
        ("RAY_AUTH_MODE=token", "RAY_AUTH_TOKEN=abc"),
        ("--no-install-recommends", ""),
        ('CMD ["huracan", "--help"]', "CMD huracan --help"),
        ("USER 1000:1000\n", "USER 1000:1000\nENTRYPOINT tini --\n"),
        ("USER 1000:1000\n", "USER 1000:1000\nSHELL /bin/csh\n"),
    ],
)
def test_the_lint_of_the_image_can_fail(old: str, new: str) -> None:
    """Each of these changes is noticed."""
    text = (FOLDER / "Dockerfile").read_text(encoding="utf-8")
    assert old in text
    assert image_faults(text.replace(old, new, 1))


def test_the_image_is_what_the_script_makes() -> None:
    """Its packages and code come from bare.sh, which another test runs, and what it copies exists."""
    rows = instructions((FOLDER / "Dockerfile").read_text(encoding="utf-8"))
    ran = [rest for word, rest in rows if word == "RUN" and "bare.sh" in rest]
    assert ran == ["PYTHON=python3.11 bash cluster/bare.sh packages", "PYTHON=python3.11 bash cluster/bare.sh"]
    ignored = (FOLDER / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    assert "*" in ignored
    for word, rest in rows:
        if word == "COPY" and "--from" not in rest:
            sources = rest.split(" ")[:-1]
            assert all((ROOT / source).exists() and f"!{source}" in ignored for source in sources)


@pytest.mark.parametrize("name", SERVICES)
def test_containers_are_closed(name: str) -> None:
    """No capability but those named, limits, an exact image, loopback alone, a healthcheck, secrets by file."""
    service = SERVICES[name]
    assert service.keys() <= SERVICE_KEYS
    image = service["image"]
    assert image == f"huracan:{huracan.__version__}" or re.fullmatch(
        r"[\w./-]+:v?\d+\.\d+\.\d+[\w.-]*(@sha256:[0-9a-f]{64})?", image
    )
    assert "@" in image or name in BY_TAG
    assert "latest" not in image
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "network_mode", "pid", "ipc"} & service.keys()
    if name != "database":  # starts as root to own its folder, and gives root up itself
        assert int(service["user"].split(":")[0]) > 0
        assert "cap_add" not in service
    assert {"mem_limit", "cpus", "restart"} <= service.keys()
    assert service["healthcheck"].get("test") or name == "schema"  # runs once and ends
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
    for key, value in service.get("environment", {}).items():
        assert not re.search(r"TOKEN|PASSWORD|SECRET|URL", key) or str(value).startswith("/run/secrets/"), key
    assert all(str(one["file"]).startswith("secrets/") for one in COMPOSE["secrets"].values())
    assert set(service.get("secrets", [])) <= COMPOSE["secrets"].keys()


def test_a_cluster_with_everything_around_it() -> None:
    """Head without work, worker, Postgres with pgvector, Prometheus and Grafana, started in an order that works."""
    assert set(SERVICES) == {"database", "schema", "head", "worker", "prometheus", "grafana"}
    head, worker = SERVICES["head"]["command"], SERVICES["worker"]["command"]
    assert {"--head", "--num-cpus=0", "--block"} <= set(head)
    assert {"--address=head:6379", "--block"} <= set(worker)
    assert SERVICES["head"]["environment"]["RAY_AUTH_MODE"] == "token"
    assert SERVICES["head"]["depends_on"] == {"schema": {"condition": "service_completed_successfully"}}
    assert SERVICES["worker"]["depends_on"] == {"head": {"condition": "service_healthy"}}
    assert SERVICES["database"]["image"].startswith("pgvector/pgvector:")


def test_pictures_and_rules_are_those_of_the_product() -> None:
    """Prometheus asks the containers' own metrics port and has the product's rules; Grafana has its dashboards."""
    mounted = {
        name: dict(row.split(":")[:2] for row in SERVICES[name]["volumes"] if row.startswith("./"))
        for name in ("prometheus", "grafana")
    }
    assert all((FOLDER / place).exists() for rows in mounted.values() for place in rows)
    inside = {place: own for rows in mounted.values() for own, place in rows.items()}
    assert inside["/etc/huracan/rules.yml"] == "./monitoring/rules.yml"
    assert inside["/etc/huracan/dashboards"] == "./monitoring/dashboards"
    config = yaml.safe_load((FOLDER / "compose" / "prometheus.yml").read_text(encoding="utf-8"))
    assert set(config["rule_files"]) <= inside.keys()
    (found,) = config["scrape_configs"][0]["dns_sd_configs"]
    for name in found["names"]:
        assert f"--metrics-export-port={found['port']}" in SERVICES[name]["command"]
    own = yaml.safe_load((FOLDER / "monitoring" / "prometheus.yml").read_text(encoding="utf-8"))
    (ray,) = [row for row in own["scrape_configs"] if row["job_name"] == "ray"]
    assert config["scrape_configs"][0]["metric_relabel_configs"] == ray["metric_relabel_configs"]
    provisioning = SERVICES["grafana"]["environment"]["GF_PATHS_PROVISIONING"]
    grafana = FOLDER / "compose" / "grafana"
    assert inside[provisioning] == "./compose/grafana"
    (source,) = yaml.safe_load((grafana / "datasources" / "prometheus.yaml").read_text())["datasources"]
    assert source["url"] == "http://prometheus:9090"
    (provider,) = yaml.safe_load((grafana / "dashboards" / "huracan.yaml").read_text())["providers"]
    assert provider["options"]["path"] in inside


def test_settings_of_the_environment_exist() -> None:
    """Each HURACAN__A__B is a setting of the product."""
    found = {key: value for key, value in SERVICES["head"]["environment"].items() if key.startswith("HURACAN__")}
    assert found
    settings = load_settings(None, environ=found)
    for name in ("head", "worker"):  # whoever is there joins the cluster instead of starting one of his own
        assert SERVICES[name]["environment"]["HURACAN__RAY__ADDRESS"] == settings.ray.address == "head:6379"


def make_secrets(folder: Path) -> str:
    """Run the script that makes them."""
    done = subprocess.run(["bash", str(FOLDER / "secrets.sh"), str(folder)], capture_output=True, text=True, check=True)
    return done.stdout


def test_secrets_are_made_once_and_for_their_owner(tmp_path: Path) -> None:
    """Every secret that compose.yaml names is made, unguessable, readable by its owner alone, and left as it is."""
    folder = tmp_path / "secrets"
    said = make_secrets(folder)
    made = {path.name: path.read_text() for path in folder.iterdir()}
    wanted = {Path(one["file"]).name for one in COMPOSE["secrets"].values()} | {"huracan.env"}
    assert wanted <= made.keys()
    assert all(path.stat().st_mode & 0o077 == 0 for path in folder.iterdir())
    assert not any(value in said for value in made.values())
    secrets = [value for name, value in made.items() if name != "huracan.env"]
    assert len(set(secrets)) == len(secrets)
    assert all(re.fullmatch(r"[0-9a-f]{64}", value) for value in secrets)
    make_secrets(folder)
    assert {path.name: path.read_text() for path in folder.iterdir()} == made


def test_whoever_is_given_a_secret_may_read_it(tmp_path: Path) -> None:
    """A container's secret is the file itself, mode 600: its user owns the file, or is root that may read all."""
    folder = tmp_path / "secrets"
    make_secrets(folder)
    owners = {path.stat().st_uid for path in folder.iterdir()}
    if os.geteuid() == 0:
        assert owners == {1000}
    given = {name: service for name, service in SERVICES.items() if service.get("secrets")}
    assert {"head", "worker", "schema", "database", "grafana"} == set(given)
    for name, service in given.items():
        user = service.get("user", "0:0").split(":")[0]
        assert user == "1000" or (user == "0" and "DAC_READ_SEARCH" in service["cap_add"]), name


def test_each_secret_is_read_where_it_lies() -> None:
    """Every path below /run/secrets is that of a secret that the service is given."""
    for name, service in SERVICES.items():
        paths = re.findall(r"/run/secrets/(\w+)", str(service.get("environment", {})))
        assert sorted(paths) == sorted(service.get("secrets", [])), name


def test_a_new_password_is_told_to_the_server_before_anybody_uses_it() -> None:
    """A new file, then the role or the admin, then the containers: a password is read at the first start alone."""
    runbook = (ROOT / "docs" / "runbooks" / "rotate-tokens.md").read_text(encoding="utf-8")
    part = runbook[runbook.index("## In containers") :]
    for steps in (
        (
            "rm cluster/secrets/database_password",
            "secrets.sh",
            "ALTER ROLE huracan PASSWORD",
            "up --detach --force-recreate",
        ),
        ("rm cluster/secrets/grafana_password", "secrets.sh", "reset-admin-password"),
    ):
        begin = part.index(steps[0])
        places = [part.index(step, begin) for step in steps]
        assert places == sorted(places), steps


def test_every_secret_can_be_changed(tmp_path: Path) -> None:
    """The runbook has the steps for each file that the script makes."""
    make_secrets(tmp_path / "secrets")
    runbook = (ROOT / "docs" / "runbooks" / "rotate-tokens.md").read_text(encoding="utf-8")
    for path in (tmp_path / "secrets").iterdir():
        assert path.name == "huracan.env" or f"rm cluster/secrets/{path.name}\n" in runbook, path.name


def test_a_new_password_makes_a_new_url(tmp_path: Path) -> None:
    """A secret whose file was removed is made anew, and the URL follows; the settings take it."""
    folder = tmp_path / "secrets"
    make_secrets(folder)
    before = (folder / "huracan.env").read_text()
    (folder / "database_password").unlink()
    make_secrets(folder)
    after = (folder / "huracan.env").read_text()
    assert before != after
    name, value = after.strip().split("=", 1)
    url = load_settings(None, environ={name: value}).database.url
    assert url is not None
    assert (folder / "database_password").read_text() in url.get_secret_value()


def test_secrets_are_no_part_of_the_repository() -> None:
    """Git ignores the folder that compose.yaml reads them from."""
    done = subprocess.run(
        ["git", "check-ignore", "cluster/secrets/ray_token"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0


@pytest.mark.parametrize("name", ["head", "worker"])
def test_the_object_store_fits_into_shared_memory(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store that Ray gives itself for a container's memory fits into its /dev/shm."""
    monkeypatch.setattr(ray_utils, "get_shared_memory_bytes", lambda: 2**50)
    service, units = SERVICES[name], {"gb": 2**30, "g": 2**30}

    def size(text: str) -> int:
        number, unit = re.fullmatch(r"(\d+)([a-z]+)", text).groups()  # type: ignore[union-attr]
        return int(number) * units[unit]

    assert ray_utils.resolve_object_store_memory(size(service["mem_limit"])) <= size(service["shm_size"])
