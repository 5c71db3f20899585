"""One contract for places on disk and in an object store, kept by both; and how an object store that fails says so."""

import gc
import os
import pickle
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from huracan.config import load_settings
from huracan.errors import ConfigError, StorageError
from huracan.storage import ATTEMPTS_MAX, Location, ObjectPath, atomic_file, below, for_each, locate, write_bytes
from tests.objects import ACCESS_KEY, SECRET, ObjectServer, credentials, object_server, refusing

LARGE = 12_000_000
"""More than a part of an upload holds."""


@pytest.fixture(params=["disk", "object store"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Location:
    """An empty folder of either kind."""
    if request.param == "disk":
        return tmp_path / "folder"
    server: ObjectServer = request.getfixturevalue("object_store")
    name = f"contract-{abs(hash(request.node.name)) % 10**9}"
    return server.bucket(name) / "folder"


def test_what_is_written_is_read(place: Location) -> None:
    """Empty, small and large contents come back as they were; the second write replaces the first."""
    for data in (b"", b"candle", os.urandom(LARGE), b"short again"):
        write_bytes(place / "a" / "file.bin", data)
        assert (place / "a" / "file.bin").read_bytes() == data


def test_what_is_not_there_is_missing(place: Location) -> None:
    """Nothing is nowhere: reading, listing and deleting say so by the same exception, looking by a plain no."""
    path = place / "none"
    assert not path.exists()
    assert not path.is_file()
    assert not path.is_dir()
    assert list(path.glob("*")) == []
    for ask in (path.read_bytes, path.unlink, lambda: list(path.iterdir())):
        with pytest.raises(FileNotFoundError):
            ask()
    path.unlink(missing_ok=True)


def test_folders_list_what_lies_directly_in_them(place: Location) -> None:
    """Files and folders are told apart, deeper ones are not listed, a pattern chooses."""
    for name in ("1m/b.parquet", "1m/a.parquet", "1m/deep/c.parquet", "note.txt"):
        write_bytes(place / name, b"x")
    assert sorted(path.name for path in place.iterdir()) == ["1m", "note.txt"]
    assert sorted(path.name for path in (place / "1m").iterdir()) == ["a.parquet", "b.parquet", "deep"]
    assert sorted(path.name for path in (place / "1m").glob("*.parquet")) == ["a.parquet", "b.parquet"]
    assert (place / "1m").is_dir()
    assert not (place / "1m").is_file()
    assert (place / "note.txt").is_file()
    assert not (place / "note.txt").is_dir()
    (place / "note.txt").unlink()
    assert not (place / "note.txt").exists()
    assert below(place / "1m" / "deep", place) == "1m/deep"
    for elsewhere in (place / "note.txt", Path("/nowhere"), locate("s3://elsewhere")):
        with pytest.raises(ValueError, match="not"):
            below(place / "1m", elsewhere)


def test_a_folder_that_was_made_is_there(place: Location) -> None:
    """Making it again is fine."""
    for _ in range(2):
        (place / "runs").mkdir(parents=True, exist_ok=True)
    assert (place / "runs").is_dir()


def test_names_have_the_same_parts(place: Location) -> None:
    """Name, stem, suffix and parent are those of a path."""
    path = place / "1m" / "BTC-USDT.parquet"
    assert (path.name, path.stem, path.suffix) == ("BTC-USDT.parquet", "BTC-USDT", ".parquet")
    assert path.parent == place / "1m"
    assert path.absolute() == path
    assert path.is_absolute()


def test_its_text_names_the_same_place(place: Location) -> None:
    """The text goes into settings, rows and reports; whoever reads it finds the place, in whatever process."""
    write_bytes(place / "x", b"1")
    again = locate(str(place / "x"))
    assert again == place / "x"
    assert pickle.loads(pickle.dumps(again)).read_bytes() == b"1"  # noqa: S301 - our own bytes


def test_work_on_many_is_done_in_their_order(place: Location) -> None:
    """Several at once or one after the other: results in order, and the first fault in order is raised."""
    for number in range(20):
        write_bytes(place / str(number), str(number).encode())
    names = [place / str(number) for number in range(20)]
    assert for_each(place, lambda path: path.read_bytes(), names) == [str(n).encode() for n in range(20)]
    names[7:7] = [place / "none", place / "neither"]
    with pytest.raises(FileNotFoundError, match="none"):
        for_each(place, lambda path: path.read_bytes(), names)


def test_a_write_that_fails_changes_nothing(place: Location) -> None:
    """The old content stands, and nothing else is left beside it."""
    write_bytes(place / "file", b"old")

    def stopped() -> None:
        with atomic_file(place / "file") as file:
            file.write(b"new, but only in part")
            raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        stopped()
    assert (place / "file").read_bytes() == b"old"
    assert [path.name for path in place.iterdir()] == ["file"]


def test_readers_see_the_old_or_the_new(place: Location) -> None:
    """While another process replaces a large file again and again, every reading is one version, whole."""
    path = place / "file"
    write_bytes(path, b"0" * LARGE)
    program = (
        "import sys\nfrom huracan.storage import locate, write_bytes\n"
        "for n in range(6): write_bytes(locate(sys.argv[1]), str(n).encode() * (12_000_000 + n * 100_000))"
    )
    writer = subprocess.Popen([sys.executable, "-c", program, str(path)])
    readings = 0
    while writer.poll() is None:
        data = path.read_bytes()
        digit = data[:1]
        assert data == digit * len(data)
        assert len(data) in (LARGE, LARGE + int(digit) * 100_000)
        readings += 1
    assert writer.returncode == 0
    assert readings > 1
    assert path.read_bytes() == b"5" * (LARGE + 500_000)


def test_a_writer_killed_half_way_leaves_the_old(place: Location) -> None:
    """Half of a new content is nowhere to be read, and the next write goes on."""
    path = place / "file"
    write_bytes(path, b"old")
    half = {
        Path: "with path.with_name(f'.{path.name}.1.partial').open('wb') as file: file.write(data[: len(data) // 2])",
        ObjectPath: "stream = path.filesystem.open_output_stream(path.place); stream.write(data)",
    }
    kind = ObjectPath if isinstance(place, ObjectPath) else Path
    program = (
        "import os, signal, sys\nfrom huracan.storage import locate\npath = locate(sys.argv[1])\n"
        f"data = bytes(25_000_000)\n{half[kind]}\nos.kill(os.getpid(), signal.SIGKILL)"
    )
    assert subprocess.run([sys.executable, "-c", program, str(path)], check=False).returncode == -9
    assert path.read_bytes() == b"old"
    assert [one.name for one in place.iterdir() if not one.name.startswith(".")] == ["file"]
    write_bytes(path, b"new")
    assert path.read_bytes() == b"new"


# ---- what only an object store can do wrong


def test_an_upload_whose_part_is_refused_leaves_the_old(object_store: ObjectServer) -> None:
    """Pyarrow completes such an upload with the parts that have arrived; no reader ever sees that."""
    place = object_store.bucket("refusing") / "x"
    write_bytes(place, b"old")
    with refusing(object_store, "partNumber=2") as server:
        path = locate(server.url("refusing/x"))
        with pytest.raises(StorageError, match="INTERNAL_FAILURE"):
            write_bytes(path, bytes(3 * LARGE))
    gc.collect()
    assert place.read_bytes() == b"old"
    assert [one.name for one in place.parent.iterdir()] == ["x"]


def _ways(path: ObjectPath) -> dict[str, Callable[[], object]]:
    return {
        "read": path.read_bytes,
        "write": lambda: write_bytes(path, b"1"),
        "list": lambda: list(path.iterdir()),
        "look": path.exists,
        "delete": path.unlink,
        "make": lambda: path.mkdir(parents=True, exist_ok=True),
    }


@pytest.mark.parametrize("way", ["read", "write", "list", "look", "delete", "make"])
def test_a_missing_bucket_is_said_to_be_missing(object_store: ObjectServer, way: str) -> None:
    """Whatever is asked of it: one line with the bucket's name."""
    path = locate(object_store.url("nobody-made-this/x"))
    assert isinstance(path, ObjectPath)
    with pytest.raises(StorageError, match="the bucket nobody-made-this does not exist; make it") as caught:
        _ways(path)[way]()
    _one_line(caught.value)


@pytest.mark.parametrize("way", ["read", "write", "list", "look", "delete", "make"])
def test_an_endpoint_that_is_down_is_given_up(way: str) -> None:
    """After a bounded number of attempts, within seconds."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    path = locate(f"s3://bucket/x?endpoint_override=127.0.0.1:{port}&scheme=http&region=us-east-1")
    assert isinstance(path, ObjectPath)
    begun = time.monotonic()
    given = {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET}
    with credentials(given), pytest.raises(StorageError, match="the endpoint does not answer") as caught:
        _ways(path)[way]()
    _one_line(caught.value)
    assert time.monotonic() - begun < 15.0


def test_an_object_is_sent_in_the_form_that_every_store_takes(tmp_path: Path) -> None:
    """One plain signed body: stores that are not Amazon's refuse a checksum that follows it."""
    seen: list[dict[str, str]] = []

    class Store(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            seen.append({name.lower(): value for name, value in self.headers.items()})
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("ETag", '"x"')
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_HEAD(self) -> None:
            self.send_response(404)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Store) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        url = f"s3://bucket/x?endpoint_override=127.0.0.1:{server.server_port}&scheme=http&region=auto"
        with credentials({"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET}):
            write_bytes(locate(url), b"candles")
        server.shutdown()
    (headers,) = seen
    assert headers["content-length"] == "7"
    assert "content-encoding" not in headers
    assert not [name for name in headers if name.startswith(("x-amz-trailer", "x-amz-checksum", "x-amz-sdk-checksum"))]


def test_an_endpoint_that_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection on which nothing comes is asked again as often as any other, and then given up."""
    monkeypatch.setattr("huracan.storage.SILENCE_MAX_S", 1.0)
    with socket.socket() as silent, credentials({"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET}):
        silent.bind(("127.0.0.1", 0))
        silent.listen(8)
        url = f"s3://bucket/x?endpoint_override=127.0.0.1:{silent.getsockname()[1]}&scheme=http&region=us-east-1"
        begun = time.monotonic()
        with pytest.raises(StorageError, match="the endpoint does not answer"):
            locate(url).read_bytes()
        assert time.monotonic() - begun < ATTEMPTS_MAX * 4.0


@pytest.fixture(scope="module")
def guarded() -> Iterator[tuple[ObjectServer, dict[str, str]]]:
    """A server that checks signatures and rights, with a bucket and a user who may read it and no more."""
    with object_server() as server:
        bucket = server.bucket("guarded")
        with credentials({"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET}):
            write_bytes(bucket / "x", b"1")
        reader = server.user("reader", ["s3:GetObject"])
        server.demand_rights(True)
        yield server, reader


def test_who_may_read_reads_and_does_not_write(guarded: tuple[ObjectServer, dict[str, str]]) -> None:
    """Rights are the store's to judge: a denial is one line that says what to do, without a key in it."""
    server, reader = guarded
    path = locate(server.url("guarded/x"))
    with credentials(reader):
        assert path.read_bytes() == b"1"
        with pytest.raises(StorageError, match="access is denied; give") as caught:
            write_bytes(path, b"2")
        _one_line(caught.value, *reader.values())
        assert path.read_bytes() == b"1"


@pytest.mark.parametrize("way", ["read", "write", "list", "look", "delete", "make"])
@pytest.mark.parametrize("who", ["a stranger", "a wrong secret"])
def test_who_is_not_known_is_denied(guarded: tuple[ObjectServer, dict[str, str]], who: str, way: str) -> None:
    """An unknown key and a wrong secret are denials as well; neither is repeated."""
    server, reader = guarded
    stranger = {"AWS_ACCESS_KEY_ID": "AKIASTRANGER00000000", "AWS_SECRET_ACCESS_KEY": "a-secret-nobody-knows"}
    given = stranger if who == "a stranger" else reader | {"AWS_SECRET_ACCESS_KEY": "a-secret-nobody-knows"}
    path = locate(server.url("guarded/x"))
    assert isinstance(path, ObjectPath)
    with credentials(given), pytest.raises(StorageError, match="access is denied; give") as caught:
        _ways(path)[way]()
    _one_line(caught.value, *given.values())


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("s3://AKIAKEY:hush-hush@bucket/x", "holds credentials"),
        ("s3://AKIAKEY@bucket/x", "holds credentials"),
        ("s3://bucket/x?access_key=AKIAKEY&secret_key=hush-hush", "holds credentials"),
        ("s3://bucket/x?session_token=hush-hush", "holds credentials"),
        ("s3://bucket/x?endpoint_override=AKIAKEY:hush-hush@host:1", "holds credentials"),
        ("gs://bucket/x", "begin with s3://"),
        ("s3:///x", "names no usable bucket"),
        ("s3://B/x", "names no usable bucket"),
        ("s3://bucket/x?regoin=eu", "unknown option regoin"),
        ("s3://bucket/x?region=", "empty or given twice"),
        ("s3://bucket/x?region=a&region=b", "empty or given twice"),
        ("s3://bucket/x?scheme=ftp", "http or https"),
        ("s3://bucket/../x", "no key should have"),
        ("s3://bucket/x?region", "cannot be read"),
    ],
)
def test_a_url_that_cannot_be_used_is_refused(url: str, complaint: str) -> None:
    """By one line, as a setting too; what might be a secret is not repeated."""
    with pytest.raises(ConfigError, match=complaint) as caught:
        locate(url)
    _one_line(caught.value, "hush-hush", "AKIAKEY")
    with pytest.raises(ConfigError, match=complaint) as caught:
        load_settings(None, {"data.folder": url}, environ={})
    _one_line(caught.value, "hush-hush", "AKIAKEY")


def test_settings_and_pickles_hold_no_credentials(object_store: ObjectServer) -> None:
    """What is stored with a run, or sent to a worker, says where and never by whose leave."""
    settings = load_settings(None, {"data.folder": object_store.url("bucket/x")}, environ={})
    folder = settings.data.folder
    assert isinstance(folder, ObjectPath)
    sent = pickle.dumps(folder), pickle.dumps(folder.filesystem)  # Tune sends the second to its trials
    for text in (str(settings.public()), repr(settings), repr(folder), *map(repr, sent)):
        assert ACCESS_KEY not in text
        assert SECRET not in text
    assert load_settings(None, {}, environ={}, base=settings.public()).data.folder == folder


def _one_line(error: Exception, *secrets: str) -> None:
    """An error is a line for an operator, without anything that gives access."""
    assert "\n" not in str(error)
    assert len(str(error)) < 400
    for secret in (SECRET, ACCESS_KEY, *secrets):
        assert secret not in str(error)
