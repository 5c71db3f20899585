"""Credentials: where they come from, who may read them, and that they are not shown."""

import os

import pytest

from huracan.errors import ConfigError
from huracan.venue.credentials import API_KEY_VARIABLE, SECRET_VARIABLE, load_credentials

PAIR = {API_KEY_VARIABLE: "the-key", SECRET_VARIABLE: "the-secret"}


def _file(folder, text="api_key: file-key\nsecret: file-secret\n", mode=0o600):
    path = folder / "keys.yaml"
    path.write_text(text)
    path.chmod(mode)
    return path


def test_the_environment_comes_first_then_the_file(tmp_path):
    """With both, the environment counts; without it, the file."""
    path = _file(tmp_path)
    found = load_credentials(path, PAIR)
    assert (found.api_key.get_secret_value(), found.secret.get_secret_value()) == ("the-key", "the-secret")
    found = load_credentials(path, {})
    assert (found.api_key.get_secret_value(), found.secret.get_secret_value()) == ("file-key", "file-secret")


def test_they_are_not_shown():
    """Text and repr hold neither."""
    found = load_credentials(None, PAIR)
    for text in (str(found), repr(found), f"{found}"):
        assert "the-key" not in text
        assert "the-secret" not in text


@pytest.mark.parametrize("name", PAIR)
def test_half_a_pair_is_refused(name):
    """A key without a secret, or the other way round, is a mistake and no reason to look further."""
    with pytest.raises(ConfigError, match="set both"):
        load_credentials(None, {name: "x"})


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o602, 0o610])
def test_a_file_open_to_others_is_refused(tmp_path, mode):
    """Any permission of group or others is refused, with the command that mends it."""
    with pytest.raises(ConfigError, match="chmod 600"):
        load_credentials(_file(tmp_path, mode=mode), {})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "api_key: hushhush",
        "- hushhush",
        "hushhush",
        "api_key: hushhush\nsecret: b\nmore: c",
        "api_key: {hushhush",
        "api_key: ''\nsecret: hushhush",
        "api_key: hush hush\nsecret: b",
    ],
)
def test_another_content_is_refused_without_quoting_it(tmp_path, text):
    """Whatever else is in the file, the message names the file or the mistake, never the content."""
    with pytest.raises(ConfigError) as caught:
        load_credentials(_file(tmp_path, text), {})
    assert "hush" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_file_a_folder_and_nothing_are_refused(tmp_path):
    """What cannot be read is one line that says what to do."""
    for path in (None, tmp_path / "absent.yaml", tmp_path):
        with pytest.raises(ConfigError):
            load_credentials(path, {})


def test_a_pipe_is_refused(tmp_path):
    """Only a regular file counts: anything else has permissions that say nothing."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe, 0o600)
    holder = os.open(pipe, os.O_RDWR)
    try:
        with pytest.raises(ConfigError, match="no regular file"):
            load_credentials(pipe, {})
    finally:
        os.close(holder)
