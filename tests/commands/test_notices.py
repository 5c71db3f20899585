"""`huracan notices`: each destination is tried over a real socket, what was told is listed, no address is shown."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from huracan.cli import cli
from huracan.memory.notices import Notice, add_notice, claim_due, end_claim
from huracan.terminal import run
from tests.health.posts import Post, http_post, mail_post

NOW = 1_790_000_000_000


@pytest.fixture
def hook() -> Iterator[Post]:
    """A webhook."""
    with http_post() as found:
        yield found


def _file(folder: Path, *posts: tuple[str, Post]) -> str:
    path = folder / "notices.yaml"
    rows = [{"name": name, "url": post.url} for name, post in posts]
    path.write_text(json.dumps({"notices": {"destinations": rows}}), encoding="utf-8")
    path.chmod(0o600)
    return str(path)


def test_each_destination_is_tried_and_a_failure_is_the_exit_code(
    tmp_path: Path, hook: Post, capfd: pytest.CaptureFixture[str]
) -> None:
    """The one that works got a message; of the other the kind of failure is said, and no address of either."""
    with mail_post() as mail:
        mail.status = 535
        assert run(cli, ["notices", "test", "--config", _file(tmp_path, ("hook", hook), ("mail", mail)), "--json"]) == 1
    out, err = capfd.readouterr()
    found = json.loads(out)
    assert [(row["destination"], row["problem"]) for row in found] == [
        ("hook", ""),
        ("mail", "the mail server refuses the login"),
    ]
    assert [one.title for one in hook.taken] == ["[INFO] huracan: a test"]
    assert not [secret for secret in ("a-password", "a-secret-token") if secret in out + err]


def test_one_can_be_named(tmp_path: Path, hook: Post, capfd: pytest.CaptureFixture[str]) -> None:
    """A name that nobody has is refused with those that there are."""
    config = _file(tmp_path, ("hook", hook))
    assert run(cli, ["notices", "test", "--to", "hook", "--config", config]) == 0
    assert "taken" in capfd.readouterr().out
    assert run(cli, ["notices", "test", "--to", "phone", "--config", config]) == 2
    assert "has no phone; it has hook" in capfd.readouterr().err


def test_without_a_destination_it_says_where_to_read(capfd: pytest.CaptureFixture[str]) -> None:
    """Exit code 2."""
    assert run(cli, ["notices", "test"]) == 2
    assert "docs/notices.md" in capfd.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["--debug"]])
def test_an_address_that_is_none_is_refused_without_a_word_of_it(
    arguments: list[str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Also in the traceback that a developer asks for."""
    wrong = Post(url="nosuch://a-secret-token/a-password")
    assert run(cli, ["notices", "test", "--config", _file(tmp_path, ("phone", wrong)), *arguments]) == 2
    out, err = capfd.readouterr()
    assert "address of phone" in err
    assert not [secret for secret in ("a-password", "a-secret-token") if secret in out + err]


@pytest.mark.postgres
def test_what_was_told_is_listed_with_how_it_fared(
    database: Engine, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Newest first; by state; with the text on wish."""
    monkeypatch.setenv("HURACAN__DATABASE__URL", database.url.render_as_string(hide_password=False))
    with database.begin() as connection:
        for number, level in enumerate(("info", "critical")):
            notice = Notice(f"t{number}", "opened", level, f"title {number}", f"body {number}", NOW)  # type: ignore[arg-type]
            add_notice(connection, notice, ("phone",) if number else (), 0, 0)
        (due,) = claim_due(connection, "phone", NOW, NOW + 1)
        end_claim(connection, "phone", [due.notice_id], "failed", NOW, "HTTP 401")
    assert run(cli, ["notices", "ls", "--json"]) == 0
    found = json.loads(capfd.readouterr().out)
    assert [row["notice"]["title"] for row in found] == ["title 1", "title 0"]
    assert found[0]["deliveries"][0]["error"] == "HTTP 401"
    assert run(cli, ["notices", "ls", "--state", "failed", "--full"]) == 0
    out = capfd.readouterr().out
    assert "phone failed (HTTP 401)" in out
    assert "body 1" in out
    assert "title 0" not in out
    assert run(cli, ["notices", "ls"]) == 0
    assert "kept: nobody wants it" in capfd.readouterr().out
