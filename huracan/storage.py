"""Where things are kept: a folder of this machine or a prefix of an S3 bucket, under one contract.

A place is a `pathlib.Path` or an `ObjectPath`, which answers to the same verbs. Both promise: a reader sees the old
content or the new, never a part (`write_bytes`: a rename here, one put or one copy there); what is not there
is a `FileNotFoundError`. Where several files belong together, the one that names the others is written last.

Credentials come from the environment or AWS's own chain (profile, role of the machine), never from a setting: a URL
that holds some is refused without being repeated, and errors carry AWS's word for what happened, not its reply.
"""

import errno
import fnmatch
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final, TypeAlias, TypeVar
from urllib.parse import parse_qsl, urlencode, urlsplit

from huracan.errors import ConfigError, StorageError

if TYPE_CHECKING:
    import pyarrow.fs

__all__ = ["Location", "ObjectPath", "Where", "atomic_file", "below", "for_each", "locate", "write_bytes"]

ATTEMPTS_MAX: Final = 3
CONNECT_TIMEOUT_S: Final = 3.0
SILENCE_MAX_S: Final = 10.0
"""An answer that stands still for so long is asked for again."""
READS_MAX: Final = 3
THREADS_MAX: Final = 8
ONE_REQUEST_BYTES: Final = 8 * 2**20
"""Less than a part of an upload, which is 10 MiB."""
PARTIAL: Final = ".partial"

_SCHEME: Final = "s3"
_OPTIONS: Final = ("region", "scheme", "endpoint_override")
_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_AWS_ERROR: Final = re.compile(r"AWS Error (?:UNKNOWN \((HTTP status \d+)\)|([A-Z_]+))")
_REMEDIES: Final = {
    "NO_SUCH_BUCKET": "the bucket {bucket} does not exist; make it, or name another",
    "ACCESS_DENIED": "access is denied; give this machine's role or AWS_ACCESS_KEY_ID the right to list, read, write",
    "NETWORK_CONNECTION": "the endpoint does not answer; check region, endpoint_override and network, then run again",
    "HTTP status 301": "the bucket lies in another region; name it by ?region=",
    "SLOW_DOWN": "the object store asks to slow down; run again",
}
_DENIED: Final = (
    *("INVALID_ACCESS_KEY_ID", "SIGNATURE_DOES_NOT_MATCH", "MISSING_AUTHENTICATION_TOKEN", "INVALID_SIGNATURE"),
    *("INVALID_CLIENT_TOKEN_ID", "UNRECOGNIZED_CLIENT", "EXPIRED_TOKEN", "REQUEST_EXPIRED", "OPT_IN_REQUIRED"),
)
os.environ.setdefault("AWS_REQUEST_CHECKSUM_CALCULATION", "when_required")
"""AWS's library else sends each object with a checksum behind it, a form that other stores refuse."""


@dataclass(frozen=True, slots=True, order=True)
class ObjectPath:
    """A prefix or an object of a bucket, with the verbs of `pathlib.Path` that huracan uses.

    It travels between machines as it is: it holds neither credentials nor a connection.

    Attributes:
        bucket: name of the bucket.
        key: below it, without a slash at either end; empty: the bucket itself.
        options: how it is reached, sorted (name, value) pairs of `region`, `scheme`, `endpoint_override`.
    """

    bucket: str
    key: str = ""
    options: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        query = f"?{urlencode(self.options, safe=':')}" if self.options else ""
        return f"{_SCHEME}://{self.place}{query}"

    def __truediv__(self, name: object) -> "ObjectPath":
        return replace(self, key="/".join(part for part in (self.key, str(name).strip("/")) if part))

    @property
    def place(self) -> str:
        """Return bucket and key, as pyarrow's file systems take it."""
        return f"{self.bucket}/{self.key}" if self.key else self.bucket

    @property
    def name(self) -> str:
        """Return the last part of the key, else of the bucket."""
        return self.place.rpartition("/")[2]

    @property
    def stem(self) -> str:
        """Return the name without its suffix."""
        return Path(self.name).stem

    @property
    def suffix(self) -> str:
        """Return the name's suffix, its dot included."""
        return Path(self.name).suffix

    @property
    def parent(self) -> "ObjectPath":
        """Return the prefix it lies in; a bucket lies in itself."""
        return replace(self, key=self.key.rpartition("/")[0])

    def absolute(self) -> "ObjectPath":
        """Return itself."""
        return self

    def is_absolute(self) -> bool:
        """Return True: a URL means the same on every machine."""
        return True

    def exists(self) -> bool:
        """Return whether there is an object of this key, or one below it."""
        return self._kind() != "NotFound"

    def is_file(self) -> bool:
        """Return whether there is an object of this key."""
        return self._kind() == "File"

    def is_dir(self) -> bool:
        """Return whether there is an object below this key."""
        return self._kind() == "Directory"

    def iterdir(self) -> Iterator["ObjectPath"]:
        """Yield what lies directly below, in the order of names.

        Raises:
            FileNotFoundError: nothing does.
        """
        from pyarrow.fs import FileSelector

        with _translated(self):
            found = self.filesystem.get_file_info(FileSelector(self.place))
        yield from sorted(replace(self, key=info.path.partition("/")[2]) for info in found)

    def glob(self, pattern: str) -> Iterator["ObjectPath"]:
        """Yield what lies directly below and matches; nothing where nothing lies."""
        try:
            yield from (one for one in self.iterdir() if fnmatch.fnmatch(one.name, pattern))
        except FileNotFoundError:
            return

    def mkdir(self, mode: int = 0o777, parents: bool = False, exist_ok: bool = False) -> None:
        """Write an empty object that stands for the prefix: shows early whether this process may write."""
        with _translated(self):
            _check_bucket(self.bucket, self.options)
            self.filesystem.create_dir(self.place)

    def unlink(self, missing_ok: bool = False) -> None:
        """Delete the object."""
        try:
            with _translated(self):
                self.filesystem.delete_file(self.place)
        except FileNotFoundError:
            if not missing_ok:
                raise

    def read_bytes(self) -> bytes:
        """Return the object's content, all of one version though it be replaced meanwhile.

        Raises:
            FileNotFoundError: there is no such object.
            StorageError: it cannot be read.
        """
        with _translated(self):
            for _ in range(READS_MAX):
                before = self._info()
                if before.type.name != "File":
                    raise _missing(self)
                with self.filesystem.open_input_file(self.place) as file:
                    data: bytes = file.read()
                after = self._info()
                if len(data) == before.size and (before.size, before.mtime_ns) == (after.size, after.mtime_ns):
                    return data
        raise StorageError(f"{self}: changes while it is read ({READS_MAX} attempts); run again when nobody writes it")

    @contextmanager
    def opened(self) -> Iterator[Any]:
        """Yield the object as a file of which parts can be read, for who needs little of much.

        Raises:
            FileNotFoundError: there is no such object.
            StorageError: it cannot be read.
            OSError: what the block's own reader says.
        """
        try:
            with self.filesystem.open_input_file(self.place) as source:
                yield source
        except OSError as error:
            if isinstance(error, FileNotFoundError) or _AWS_ERROR.search(str(error)):
                with _translated(self):
                    raise
            raise

    def write_bytes(self, data: bytes) -> None:
        """Replace the object's content; readers see the old one until all of it has arrived.

        What fits into one request goes by one. More goes to a hidden object first, which takes the name when it is
        whole: pyarrow completes an upload whose writing failed when it lets go of the stream, without the missing part.
        """
        with _translated(self):
            if len(data) <= ONE_REQUEST_BYTES:
                self._put(self.place, data)
                return
            partial = self.parent / f".{self.name}.{os.getpid()}{PARTIAL}"
            try:
                self._put(partial.place, data)
                if partial._info().size != len(data):
                    raise StorageError(f"{self}: not all of it has arrived; what was there stands, run again")
                self.filesystem.copy_file(partial.place, self.place)
            finally:
                with suppress(OSError):
                    self.filesystem.delete_file(partial.place)

    def _put(self, place: str, data: bytes) -> None:
        stream = self.filesystem.open_output_stream(place)
        try:
            stream.write(data)
            stream.close()
        except BaseException:
            del stream  # now, so that what it completes can be deleted
            raise

    @property
    def filesystem(self) -> "pyarrow.fs.S3FileSystem":
        """Return this process's connection; credentials are looked for when the first object of an endpoint is."""
        return _filesystem(self.options)

    def _kind(self) -> str:
        with _translated(self):
            kind = str(self._info().type.name)
            if kind == "NotFound":
                _check_bucket(self.bucket, self.options)
        return kind

    def _info(self) -> Any:
        return self.filesystem.get_file_info(self.place)


Location: TypeAlias = Path | ObjectPath

Item = TypeVar("Item")
Result = TypeVar("Result")
Where = TypeVar("Where", Path, ObjectPath, Location)
"""A place of either kind, and the same kind again."""


def locate(text: str | os.PathLike[str] | ObjectPath) -> Location:
    """Return the place that a setting, an option or a row of the registry names.

    `s3://BUCKET/PREFIX`, with `?region=`, `?endpoint_override=HOST:PORT` and `?scheme=http` as pyarrow's URIs have
    them, or a path.

    Raises:
        ConfigError: a URL of another kind, with credentials in it, or without a bucket.
    """
    if isinstance(text, ObjectPath):
        return text
    name = os.fspath(text)
    if "://" not in name:
        return Path(name)
    try:
        parts = urlsplit(name)
        given = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError:
        raise ConfigError("a storage URL cannot be read; write it as s3://BUCKET/PREFIX?region=REGION") from None
    if "@" in parts.netloc or _secretive(given):
        raise ConfigError(
            "a storage URL holds credentials; leave them out: they come from the environment (AWS_ACCESS_KEY_ID, "
            "AWS_PROFILE) or the machine's role"
        )
    if parts.scheme != _SCHEME:
        raise ConfigError(f"storage URLs begin with s3://, not {parts.scheme}://; other stores: by their S3 endpoint")
    if not _BUCKET.fullmatch(parts.netloc):
        raise ConfigError("a storage URL names no usable bucket; write it as s3://BUCKET/PREFIX?region=REGION")
    names = [key for key, _ in given]
    if odd := sorted({*names} - {*_OPTIONS}):
        raise ConfigError(f"storage URL of {parts.netloc}: unknown option {odd[0]}; known are {', '.join(_OPTIONS)}")
    if len(set(names)) != len(names) or not all(value for _, value in given):
        raise ConfigError(f"storage URL of {parts.netloc}: an option is empty or given twice; give each one value")
    if dict(given).get("scheme", "https") not in ("http", "https"):
        raise ConfigError(f"storage URL of {parts.netloc}: scheme is http or https")
    key = [part for part in parts.path.split("/") if part]
    if any(part in (".", "..") for part in key) or parts.fragment:
        raise ConfigError(f"storage URL of {parts.netloc}: no key should have such a part; name it whole")
    return ObjectPath(parts.netloc, "/".join(key), tuple(sorted(given)))


def below(place: Location, above: Location) -> str:
    """Return how a place is named from a folder that it lies in, with slashes.

    Raises:
        ValueError: it does not lie there.
    """
    if isinstance(place, ObjectPath) and isinstance(above, ObjectPath):
        if (place.bucket, place.options) == (above.bucket, above.options):
            return Path(place.key).relative_to(above.key).as_posix()
    elif isinstance(place, Path) and isinstance(above, Path):
        return place.relative_to(above).as_posix()
    raise ValueError(f"{place} does not lie in {above}")


def for_each(place: Location, do: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """Return what `do` returns of each item, in their order; where each waits for an object store, of several at once.

    Raises:
        Exception: what `do` raises of the first item that cannot be done.
    """
    if not isinstance(place, ObjectPath):
        return [do(item) for item in items]
    with ThreadPoolExecutor(THREADS_MAX) as threads:
        return list(threads.map(do, items))


def write_bytes(place: Location, data: bytes) -> None:
    """Replace the content of a file or object, all of it or nothing; folders are made.

    Raises:
        OSError: this machine's disk refuses; the old content stands.
        StorageError: the object store does; likewise.
    """
    if isinstance(place, ObjectPath):
        place.write_bytes(data)
        return
    with atomic_file(place) as file:
        file.write(data)


@contextmanager
def atomic_file(place: Location) -> Iterator[BinaryIO]:
    """Yield a file that becomes `place` when the block ends well, and vanishes when it does not.

    Here the bytes are on the disk before the name changes (fsync, rename, fsync of the folder); a process killed in
    between leaves a hidden `.partial` file, which no reader looks at. In an object store they go at the end, at once
    (`ObjectPath.write_bytes`); a process killed in between may leave such a file there, or parts that nobody sees.

    Raises:
        OSError: this machine's disk refuses.
        StorageError: the object store does.
    """
    if isinstance(place, ObjectPath):
        memory = BytesIO()
        yield memory
        place.write_bytes(memory.getvalue())
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    partial = place.parent / f".{place.name}.{os.getpid()}{PARTIAL}"
    try:
        with partial.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.replace(place)
        descriptor = os.open(place.parent, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def _secretive(given: list[tuple[str, str]]) -> bool:
    named = re.compile("key|secret|token|password|credential", re.IGNORECASE)
    return any("@" in value or named.search(name) for name, value in given)


@lru_cache(maxsize=16)
def _filesystem(options: tuple[tuple[str, str], ...]) -> "pyarrow.fs.S3FileSystem":
    from pyarrow.fs import AwsStandardS3RetryStrategy, S3FileSystem

    return S3FileSystem(
        **dict(options),
        connect_timeout=CONNECT_TIMEOUT_S,
        request_timeout=SILENCE_MAX_S,
        retry_strategy=AwsStandardS3RetryStrategy(max_attempts=ATTEMPTS_MAX),
        background_writes=False,
        allow_delayed_open=True,  # what fits into one part goes by one put
    )


@lru_cache(maxsize=64)
def _check_bucket(bucket: str, options: tuple[tuple[str, str], ...]) -> None:
    """Tell a missing bucket from a missing object, once; a role that may not ask for the bucket is believed."""
    try:
        info = _filesystem(options).get_file_info(bucket)
    except OSError as error:
        if _code(error) != "ACCESS_DENIED":
            raise
        return
    if info.type.name == "NotFound":
        raise StorageError(f"s3://{bucket}: {_REMEDIES['NO_SUCH_BUCKET'].format(bucket=bucket)}")


def _code(error: OSError) -> str:
    found = _AWS_ERROR.search(str(error))
    code = found.group(1) or found.group(2) if found else ""
    return "ACCESS_DENIED" if code in _DENIED else code


@contextmanager
def _translated(path: ObjectPath) -> Iterator[None]:
    """Raise what pyarrow says of an object store as one line of ours; nothing of the reply is repeated."""
    begun = time.monotonic()
    try:
        yield
    except FileNotFoundError:
        _check_bucket(path.bucket, path.options)
        raise _missing(path) from None
    except OSError as error:
        code = _code(error)
        if code in ("NO_SUCH_KEY", "RESOURCE_NOT_FOUND"):
            raise _missing(path) from None
        remedy = _REMEDIES.get(code, f"the object store says {code or 'nothing that is known'}; look there, run again")
        tried = f" (given up after {time.monotonic() - begun:.0f} s)" if code == "NETWORK_CONNECTION" else ""
        raise StorageError(f"{path}: {remedy.format(bucket=path.bucket)}{tried}") from None


def _missing(path: ObjectPath) -> FileNotFoundError:
    return FileNotFoundError(errno.ENOENT, "there is no such object", str(path))
