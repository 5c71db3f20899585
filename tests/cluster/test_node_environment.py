"""node.sh: the environment of Ray on a machine, and what it refuses to start with."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "cluster" / "ray-up" / "node.sh"
ASKED = ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN_PATH", "HURACAN__DATABASE__URL", "HURACAN_HOME", "RAY_ADDRESS")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A machine's home with what an operator puts there."""
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray" / "auth_token").write_text("0" * 64)
    (tmp_path / ".huracan.env").write_text("HURACAN__DATABASE__URL='postgresql://h:p%40ss@10.0.0.9/h'\n")
    return tmp_path


def source(home: Path) -> subprocess.CompletedProcess[str]:
    """Source the file as a start command does, and print what Ray would see."""
    command = f". {SCRIPT} || exit; " + "; ".join(f'echo "${{{name}:-}}"' for name in ASKED)
    environment = {"HOME": str(home), "PATH": "/usr/bin:/bin", "RAY_ADDRESS": "auto"}
    return subprocess.run(["bash", "-c", command], env=environment, capture_output=True, text=True, check=False)


def test_token_and_database_stand_in_the_environment(home: Path) -> None:
    """Ray asks for the token; the database's URL is as it was written, and RAY_ADDRESS of an operator is forgotten."""
    done = source(home)
    assert done.returncode == 0, done.stderr
    token, url = str(home / ".ray" / "auth_token"), "postgresql://h:p%40ss@10.0.0.9/h"
    assert done.stdout.splitlines() == ["token", token, url, str(home / "huracan-home"), ""]


def test_secrets_are_their_owners_alone(home: Path) -> None:
    """Files that came with open permissions are closed, and so is HURACAN_HOME."""
    for name in (".huracan.env", ".ray/auth_token"):
        (home / name).chmod(0o644)
    assert source(home).returncode == 0
    for name in (".huracan.env", ".ray/auth_token", "huracan-home"):
        assert (home / name).stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("missing", [".huracan.env", ".ray/auth_token"])
def test_without_its_files_nothing_starts(home: Path, missing: str) -> None:
    """One line says which file is missing."""
    (home / missing).unlink()
    done = source(home)
    assert done.returncode == 2
    assert missing in done.stderr
    assert done.stderr.count("\n") == 1


def test_an_empty_token_is_none(home: Path) -> None:
    """A file that was made and never written does not open the cluster."""
    (home / ".ray" / "auth_token").write_text("")
    assert source(home).returncode == 2


def test_without_a_database_nothing_starts(home: Path) -> None:
    """More than one machine cannot use the embedded server."""
    (home / ".huracan.env").write_text("RAY_prestart_worker_first_driver=0\n")
    done = source(home)
    assert done.returncode == 2
    assert "HURACAN__DATABASE__URL" in done.stderr
