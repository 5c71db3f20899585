"""Sections of the surroundings: the database, Ray, and what is served on it."""

from typing import Annotated

from pydantic import Field, SecretStr

from huracan.config.base import Place, PositiveInt, Section

__all__ = ["DatabaseSettings", "RaySettings", "ServeSettings", "StorageSettings"]


class DatabaseSettings(Section):
    """Postgres; without a URL the embedded server under HURACAN_HOME is used."""

    url: SecretStr | None = Field(
        None, description="postgresql://USER:PASSWORD@HOST:PORT/DATABASE; None: the embedded server."
    )
    connect_timeout_s: PositiveInt = Field(5, description="Seconds to wait for the server.")


class StorageSettings(Section):
    """Where runs keep what is large; candles have `data.folder`."""

    runs: Place | None = Field(
        None, description="Folder or s3:// URL of checkpoints, results and policies; None: runs in HURACAN_HOME."
    )


class RaySettings(Section):
    """How the command line starts or joins Ray."""

    address: str | None = Field(None, description="None: a local instance for the command's life.")
    num_cpus: PositiveInt | None = Field(None, description="CPUs of a local instance; None: all.")
    object_store_mb: Annotated[int, Field(ge=80)] = Field(512, description="Shared memory of a local instance, MB.")
    include_dashboard: bool = Field(False, description="Start the dashboard with a local instance.")


class ServeSettings(Section):
    """Signals over HTTP, the feed and the execution actor behind them."""

    host: str = Field("127.0.0.1", description="Address the HTTP endpoint listens on.")
    port: Annotated[int, Field(ge=1, le=65_535)] = Field(8000, description="Its port.")
    dashboard_port: Annotated[int, Field(ge=0, le=65_535)] = Field(
        8265, description="Port of Ray's dashboard, on loopback; 0: a free one."
    )
    versions: tuple[str, ...] = Field(
        (), description="Registry names to serve on paper; empty: of each scope the champion, else the newest version."
    )
    registry_interval_s: Annotated[float, Field(gt=0)] = Field(
        2.0, description="Seconds between looks at the registry for other versions to serve."
    )
    decision_timeout_s: Annotated[float, Field(gt=0)] = Field(
        5.0, description="Seconds after a close within which it must be decided on; later nothing is sent."
    )
    symbols_max: PositiveInt = Field(200, description="Markets in one request.")
    body_max_bytes: PositiveInt = Field(65_536, description="Largest body of a request.")
    requests_ongoing_max: PositiveInt = Field(32, description="Requests that a replica works on at the same time.")
    requests_queued_max: PositiveInt = Field(128, description="Requests that wait; more are answered with 503.")
    retry_after_s: PositiveInt = Field(1, description="What a 503 tells its caller to wait.")
    snapshot_interval_s: Annotated[float, Field(gt=0)] = Field(
        60.0, description="Seconds between snapshots of the feature machines."
    )
    record_books: bool = Field(True, description="Follow the books and write what they show beside the candles.")
