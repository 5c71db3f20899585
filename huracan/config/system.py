"""Sections of the surroundings: the database and Ray."""

from typing import Annotated

from pydantic import Field, SecretStr

from huracan.config.base import PositiveInt, Section

__all__ = ["DatabaseSettings", "RaySettings"]


class DatabaseSettings(Section):
    """Postgres; without a URL the embedded server under HURACAN_HOME is used."""

    url: SecretStr | None = Field(
        None, description="postgresql://USER:PASSWORD@HOST:PORT/DATABASE; None: the embedded server."
    )
    connect_timeout_s: PositiveInt = Field(5, description="Seconds to wait for the server.")


class RaySettings(Section):
    """How the command line starts or joins Ray."""

    address: str | None = Field(None, description="None: a local instance for the command's life.")
    num_cpus: PositiveInt | None = Field(None, description="CPUs of a local instance; None: all.")
    object_store_mb: Annotated[int, Field(ge=80)] = Field(512, description="Shared memory of a local instance, MB.")
    include_dashboard: bool = Field(False, description="Start the dashboard with a local instance.")
