"""Database and Ray: what is not told is embedded and local, and the address stays secret."""

import pytest
from pydantic import ValidationError

from huracan.config import DatabaseSettings, RaySettings


def test_the_defaults_need_nothing_from_outside() -> None:
    """No URL: the embedded server; no address: a local instance without dashboard."""
    assert DatabaseSettings().url is None
    assert RaySettings().address is None
    assert not RaySettings().include_dashboard


def test_the_databases_address_is_never_shown() -> None:
    """Neither text form of the section holds the password."""
    section = DatabaseSettings(url="postgresql://u:hunter2@h/d")  # type: ignore[arg-type]
    assert "hunter2" not in f"{section} {section!r} {section.model_dump()}"


def test_an_object_store_that_ray_refuses_is_refused_here() -> None:
    """Ray needs about 80 MB."""
    with pytest.raises(ValidationError):
        RaySettings(object_store_mb=10)
