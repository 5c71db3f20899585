"""Messages over real sockets: taken, refused, late; whatever happens, no address leaves."""

import logging
import socket

import pytest

from huracan.config import DestinationSettings
from huracan.errors import ConfigError
from huracan.health.channels import AppriseChannel, open_channels
from tests.health.posts import http_post, mail_post

SECRETS = ("a-password", "a-secret-token", "desk@example.org")


def _channel(url: str) -> AppriseChannel:
    return AppriseChannel(DestinationSettings(name="me", url=url))  # type: ignore[arg-type]


def test_a_webhook_gets_title_body_and_kind() -> None:
    """As plain text: what looks like markup is no markup."""
    with http_post() as post:
        assert _channel(post.url).send("[WARNING] <b>", "one\n*two* & three", "warning") is None
    assert [(one.title, one.body, one.kind) for one in post.taken] == [
        ("[WARNING] <b>", "one\n*two* & three", "warning")
    ]


def test_a_mail_gets_subject_and_text() -> None:
    """Through login, addresses and data of SMTP."""
    with mail_post() as post:
        assert _channel(post.url).send("[CRITICAL] feed silent", "no candle & nothing <else>", "critical") is None
    assert post.taken[0].title == "[CRITICAL] feed silent"
    assert "no candle &amp; nothing &lt;else&gt;" in post.taken[0].body or "nothing <else>" in post.taken[0].body


@pytest.mark.parametrize("status", [401, 404, 429, 500, 503])
def test_a_refusal_is_its_status(status: int) -> None:
    """And not what the other side says, which may repeat the token."""
    with http_post() as post:
        post.status = status
        assert _channel(post.url).send("t", "b", "info") == f"HTTP {status}"
        assert (post.asked, post.taken) == (1, [])


@pytest.mark.parametrize(
    ("status", "words"),
    [(535, "the mail server refuses the login"), (550, "the mail server refuses an address"), (451, "not taken")],
)
def test_what_a_mail_server_refuses_is_a_word_of_ours(status: int, words: str) -> None:
    """Login, recipient, message."""
    with mail_post() as post:
        post.status = status
        assert _channel(post.url).send("t", "b", "info") == words
        assert post.taken == []


def test_one_that_is_slow_or_not_there_is_said() -> None:
    """By its own limits of time; a port that nobody listens at; a name that nobody has."""
    with http_post() as post:
        post.delay_s = 30.0
        assert _channel(post.url.replace("rto=2", "rto=0.2")).send("t", "b", "info") == "no answer in time"
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        url = f"mailto://me:a-password@127.0.0.1:{port}?from=a@example.org&to=b@example.org&rto=0.2&cto=0.2"
        assert _channel(url).send("t", "b", "info") == "no answer in time"
    assert _channel(f"json://me:a-password@127.0.0.1:{port}/").send("t", "b", "info") == "connection refused"
    assert _channel("json://nobody.invalid/").send("t", "b", "info") == "the host's name is not known"


def test_no_address_leaves(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
    """Not by an answer, a log of any level, the terminal, or the channel's own words."""
    caplog.set_level(logging.DEBUG)
    said = []
    with http_post() as post, mail_post() as mail:
        for url, status in ((post.url, 200), (post.url, 500), (mail.url, 250), (mail.url, 535), (mail.url, 550)):
            post.status = mail.status = status
            channel = _channel(url)
            said += [str(channel.send("t", "b", "info")), repr(channel), str(channel)]
    for url in ("nosuch://a-secret-token@a-password/", "a-secret-token", "tgram://a-password"):
        with pytest.raises(ConfigError, match="does not know the address of me") as caught:
            _channel(url)
        said += [str(caught.value), repr(caught.value)]
    out = capfd.readouterr()
    everything = "\n".join([*said, caplog.text, out.out, out.err])
    assert not [secret for secret in SECRETS if secret in everything]


def test_the_services_that_people_use_are_known() -> None:
    """Telegram, Slack, Discord, mail, webhooks, and one that several destinations may share."""
    urls = (
        "tgram://123456789:abcdefg_hijklmnop-qrstuvwxyz123456/12315544/",
        "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#general",
        "discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js",
        "mailtos://user:pass@example.org?to=desk@example.org",
        "jsons://example.org/hook",
        "ntfys://topic",
    )
    found = open_channels(tuple(DestinationSettings(name=f"d{n}", url=url) for n, url in enumerate(urls)))  # type: ignore[arg-type]
    assert [one.name for one in found] == [f"d{n}" for n in range(len(urls))]
