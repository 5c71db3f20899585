"""The section of notices: nobody is told by default, and where somebody is told stays secret."""

import json

import pytest

from huracan.config import Settings, load_settings
from huracan.errors import ConfigError

SECRET = "tgram://110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw/12345"


def _with(url: str = SECRET, name: str = "me") -> Settings:
    return load_settings(None, {"notices.destinations": [{"name": name, "url": url}]}, {})


def test_nobody_is_told_unasked() -> None:
    """Without a destination notices are kept and go nowhere."""
    assert Settings().notices.destinations == ()


def test_an_address_is_in_nothing_that_is_shown_stored_or_hashed() -> None:
    """Words of the settings, their public values, their hash and a run's configuration do not know it."""
    found = _with()
    assert found.notices.destinations[0].url.get_secret_value() == SECRET
    for shown in (repr(found), str(found), json.dumps(found.public()), found.model_dump_json()):
        assert "AAHdqTcv" not in shown
        assert "110201543" not in shown
    assert found.hash == _with("json://other").hash == Settings().hash
    again = load_settings(None, {}, {}, base=json.loads(json.dumps(found.public())))
    assert again.notices.destinations == ()


@pytest.mark.parametrize(
    "destinations",
    [
        [{"name": "me", "url": SECRET, "levl": "info"}],
        [{"name": "me", "url": SECRET, "level": "loud"}],
        [{"name": "", "url": SECRET}],
        [{"name": "a b", "url": SECRET}],
        [{"name": "me", "url": SECRET}, {"name": "me", "url": SECRET}],
        [{"url": SECRET}],
        [{"name": "me", "url": [SECRET]}],
        SECRET,
        [SECRET],
    ],
    ids=["key", "level", "empty", "blank", "twice", "nameless", "list", "text", "texts"],
)
def test_a_mistake_is_named_without_the_address(destinations: object) -> None:
    """Whatever is wrong beside it."""
    with pytest.raises(ConfigError, match=r"notices") as caught:
        load_settings(None, {"notices.destinations": destinations}, {})
    assert "AAHdqTcv" not in str(caught.value)


@pytest.mark.parametrize(
    ("key", "value"), [("messages_per_hour", 1), ("daily_hour", 24), ("gather_s", -1), ("send_timeout_s", 0)]
)
def test_what_cannot_be_is_refused(key: str, value: float) -> None:
    """No message at all, an hour that no day has, times that run backwards."""
    with pytest.raises(ConfigError, match=f"notices.{key}"):
        load_settings(None, {f"notices.{key}": value}, {})
