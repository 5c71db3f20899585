"""An S3-compatible server on loopback, a process of its own, and the URLs of buckets on it."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from huracan import storage
from huracan.storage import ObjectPath, locate

__all__ = ["ACCESS_KEY", "SECRET", "ObjectServer", "credentials", "forget_connections", "object_server", "refusing"]

ACCESS_KEY, SECRET = "AKIAHURACANTEST", "only-this-test-knows-it"


@dataclass(frozen=True)
class ObjectServer:
    """A server under way.

    Attributes:
        process: it.
        endpoint: host and port.
    """

    process: subprocess.Popen[str]
    endpoint: str

    def url(self, place: str) -> str:
        """Return the URL of a bucket and prefix, as a setting has it."""
        return f"s3://{place}?endpoint_override={self.endpoint}&scheme=http&region=us-east-1"

    def bucket(self, name: str) -> ObjectPath:
        """Make a bucket."""
        self.client("s3").create_bucket(Bucket=name)
        found = locate(self.url(name))
        assert isinstance(found, ObjectPath)
        return found

    def client(self, service: str) -> Any:
        """Return AWS's own client of a service, to look from the other side."""
        import boto3

        given = {"aws_access_key_id": ACCESS_KEY, "aws_secret_access_key": SECRET, "region_name": "us-east-1"}
        return boto3.client(service, endpoint_url=f"http://{self.endpoint}", **given)

    def user(self, name: str, actions: list[str], resource: str = "*") -> dict[str, str]:
        """Make a user who may do these things and no other; return the environment that makes a process this user."""
        iam = self.client("iam")
        iam.create_user(UserName=name)
        rule = {"Effect": "Allow", "Action": actions, "Resource": resource}
        look = {"Effect": "Allow", "Action": ["s3:ListBucket"], "Resource": "*"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [rule, look]})
        iam.put_user_policy(UserName=name, PolicyName="some", PolicyDocument=document)
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}

    def demand_rights(self, demanded: bool) -> None:
        """Have the server check signatures and rights of every request from now on, or let everything pass."""
        import requests

        data = b"0" if demanded else b"inf"
        requests.post(f"http://{self.endpoint}/moto-api/reset-auth", data=data, timeout=10).raise_for_status()


@contextmanager
def object_server() -> Iterator[ObjectServer]:
    """Start a server on a free port, and stop it at the end."""
    words = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            said = []
            for line in process.stderr:
                said.append(line)
                if found := re.search(r"Running on http://(127\.0\.0\.1:\d+)", line):
                    break
            else:
                raise AssertionError("".join(said))
            _drain(process)
            yield ObjectServer(process, found.group(1))
        finally:
            process.kill()


@contextmanager
def refusing(server: ObjectServer, word: str) -> Iterator[ObjectServer]:
    """Stand before a server, in a process of its own, and answer every request with `word` in its URL by an error."""
    words = [sys.executable, "-c", _REFUSING, server.endpoint, word]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            yield ObjectServer(process, f"127.0.0.1:{int(process.stdout.readline())}")
        finally:
            process.kill()


_REFUSING = """
import asyncio, sys
import aiohttp
from aiohttp import web

async def main(endpoint, word):
    async def forward(request):
        body = await request.read()
        if word in request.path_qs:
            return web.Response(status=500, body=b"<Error><Code>InternalError</Code><Message>no</Message></Error>")
        dropped = ("transfer-encoding", "content-length", "expect", "connection")
        headers = {k: v for k, v in request.headers.items() if k.lower() not in dropped}
        url = f"http://{endpoint}{request.path_qs}"
        async with session.request(request.method, url, data=body, headers=headers) as said:
            kept = {k: v for k, v in said.headers.items() if request.method == "HEAD" or k.lower() not in dropped}
            return web.Response(status=said.status, body=await said.read(), headers=kept)

    session = aiohttp.ClientSession(auto_decompress=False)
    app = web.Application(client_max_size=2**30)
    app.router.add_route("*", "/{any:.*}", forward)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()

asyncio.run(main(*sys.argv[1:]))
"""


@contextmanager
def credentials(given: Mapping[str, str]) -> Iterator[None]:
    """Be another user for the block: the environment alone says which."""
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE")
    before = {name: os.environ.pop(name, None) for name in names}
    os.environ.update(given)
    forget_connections()
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
        forget_connections()


def forget_connections() -> None:
    """Have the next request look for its credentials, and for the bucket, again."""
    storage._filesystem.cache_clear()
    storage._check_bucket.cache_clear()


def _drain(process: subprocess.Popen[str]) -> None:
    """Read what the server says from now on, so that it never waits for a reader."""
    import threading

    stream = process.stderr
    assert stream is not None
    threading.Thread(target=lambda: [None for _ in stream], daemon=True).start()
