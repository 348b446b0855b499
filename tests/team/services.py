"""PostgreSQL, a stand-in for S3 and, between them, MLflow as `make server` starts it; all of it goes after the tests.

Every password is made up for each run, so that it can be looked for wherever it should not be.
"""

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from srlab.start import ROOT

if TYPE_CHECKING:
    from mlflow import MlflowClient

BUCKET = "team-bucket"
GIVE_UP = 180  # seconds, so that a hang ends; no claim about speed
Environment = dict[str, str]


@dataclass
class Secrets:
    """One for each door."""

    owner: str = field(default_factory=secrets.token_urlsafe)  # of the whole cluster of databases
    database: str = field(default_factory=secrets.token_urlsafe)
    studies: str = field(default_factory=secrets.token_urlsafe)
    bucket: str = field(default_factory=secrets.token_urlsafe)
    forms: str = field(default_factory=secrets.token_urlsafe)
    admin: str = field(default_factory=secrets.token_urlsafe)
    ann: str = field(default_factory=secrets.token_urlsafe)
    ben: str = field(default_factory=secrets.token_urlsafe)

    def all(self) -> list[str]:
        return list(vars(self).values())


@dataclass
class Team:
    """What the members know: where the server is, and each their own secret."""

    folder: Path
    uri: str
    known: Secrets
    server: Environment  # of `make server`
    bucket: Environment
    studies: str

    def password(self, user: str) -> str:
        return getattr(self.known, user)


def missing() -> str:
    """What this machine lacks, "" if nothing."""
    from importlib.util import find_spec

    lacking = [name for name in ("psycopg", "boto3", "flask_wtf", "dvc_s3", "moto") if find_spec(name) is None]
    lacking += ["PostgreSQL"] if _binaries() is None else []
    lacking += ["make"] if shutil.which("make") is None else []
    return ", ".join(lacking)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@contextmanager
def postgres(folder: Path, known: Secrets) -> Iterator[Environment]:
    """A cluster with the databases mlflow and studies, each its role's own; what libpq needs to be `mlflow`."""
    binaries = _binaries()
    assert binaries is not None
    who = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())  # PostgreSQL refuses to be root
    folder.mkdir()
    os.chown(folder, who.pw_uid, who.pw_gid)
    as_user: dict[str, Any] = {"cwd": folder, "env": {"LC_ALL": "C.UTF-8", "PATH": os.environ["PATH"]}}
    if os.geteuid() == 0:
        as_user |= {"user": who.pw_uid, "group": who.pw_gid, "extra_groups": []}
    data, port = folder / "cluster", free_port()
    reader, writer = os.pipe()
    os.fchown(reader, who.pw_uid, who.pw_gid)
    os.write(writer, known.owner.encode() + b"\n")
    os.close(writer)
    make = [binaries / "initdb", "-D", data, "-U", "owner", "-A", "scram-sha-256", f"--pwfile=/dev/fd/{reader}"]
    with (folder / "initdb.log").open("wb") as log:
        subprocess.run([*make, "--no-sync"], check=True, pass_fds=[reader], stdout=log, stderr=log, **as_user)
    os.close(reader)
    options = [f"port={port}", "listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off"]
    run = [binaries / "postgres", "-D", data, *(word for option in options for word in ("-c", option))]
    libpq = {"PGHOST": "127.0.0.1", "PGPORT": str(port)}
    with (
        (folder / "postgres.log").open("wb") as log,
        subprocess.Popen(run, stdout=log, stderr=log, **as_user) as server,
    ):
        try:
            _databases(server, libpq, known)
            yield {**libpq, "PGUSER": "mlflow", "PGPASSWORD": known.database}
        finally:
            server.send_signal(signal.SIGINT)  # disconnect everybody


@contextmanager
def bucket(folder: Path, known: Secrets) -> Iterator[Environment]:
    """A bucket; what boto3 needs to use it."""
    import boto3

    port = free_port()
    given = {
        "AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "team",
        "AWS_SECRET_ACCESS_KEY": known.bucket,
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    run = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with (folder / "bucket.log").open("wb") as log, subprocess.Popen(run, stdout=log, stderr=log) as server:
        try:
            _until_it_answers(given["AWS_ENDPOINT_URL_S3"], server, folder / "bucket.log")
            client = boto3.client(
                "s3",
                endpoint_url=given["AWS_ENDPOINT_URL_S3"],
                aws_access_key_id="team",
                aws_secret_access_key=known.bucket,
                region_name="us-east-1",
            )
            client.create_bucket(Bucket=BUCKET)
            yield given
        finally:
            server.terminate()


@contextmanager
def make_server(folder: Path, given: Mapping[str, str]) -> Iterator[str]:
    """The address of what `make server` starts; nothing is installed before, as it would be by hand."""
    port, log = free_port(), folder / "server.log"
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    run = ["make", "--no-print-directory", "-o", "setup", "server", f"PORT={port}"]
    group: dict[str, Any] = {"start_new_session": True, "env": {**os.environ, **given, "PATH": path}, "cwd": ROOT}
    with log.open("wb") as output, subprocess.Popen(run, stdout=output, stderr=output, **group) as server:
        try:
            _until_it_answers(f"http://127.0.0.1:{port}/health", server, log)
            yield f"http://127.0.0.1:{port}"
        finally:
            os.killpg(server.pid, signal.SIGTERM)


def create_user(uri: str, name: str, password: str) -> None:
    """By the administrator, whose name and password the environment has."""
    from mlflow.server import get_app_client

    get_app_client("basic-auth", tracking_uri=uri).create_user(name, password)


def become(patch: pytest.MonkeyPatch, team: Team, user: str) -> "MlflowClient":
    """What this member sees, whom the process is from now on."""
    from mlflow import MlflowClient

    patch.setenv("MLFLOW_TRACKING_USERNAME", user)
    patch.setenv("MLFLOW_TRACKING_PASSWORD", team.password(user))
    return MlflowClient(team.uri)


def objects(team: Team, prefix: str) -> dict[str, bytes]:
    """What lies in the bucket."""
    import boto3

    with pytest.MonkeyPatch.context() as patch:
        for name, value in team.bucket.items():
            patch.setenv(name, value)
        client = boto3.client("s3")
        found = client.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])
        keys = [one["Key"] for one in found]
        return {key: client.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in keys}


def _databases(server: "subprocess.Popen[Any]", libpq: Environment, known: Secrets) -> None:
    """As docs/team.md has it, where `createuser --pwprompt` asks for the passwords."""
    import psycopg
    from psycopg import sql

    host, port, give_up = libpq["PGHOST"], int(libpq["PGPORT"]), time.monotonic() + GIVE_UP
    while True:
        try:
            connection = psycopg.connect(
                host=host, port=port, user="owner", password=known.owner, dbname="postgres", autocommit=True
            )
            break
        except psycopg.OperationalError:
            assert server.poll() is None and time.monotonic() < give_up, "PostgreSQL does not start"
            time.sleep(0.1)
    with connection:
        for name, password in (("mlflow", known.database), ("studies", known.studies)):
            role = sql.Identifier(name)
            scrambled = connection.pgconn.encrypt_password(password.encode(), name.encode(), b"scram-sha-256").decode()
            connection.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(role, sql.Literal(scrambled)))
            connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(role, role))


def _until_it_answers(address: str, server: "subprocess.Popen[Any]", log: Path) -> None:
    give_up = time.monotonic() + GIVE_UP
    while True:
        try:
            urllib.request.urlopen(address, timeout=5).close()
            return
        except OSError:
            assert server.poll() is None and time.monotonic() < give_up, f"no answer from {address}: {log.read_text()}"
            time.sleep(0.1)


def _binaries() -> Path | None:
    """The folder of PostgreSQL's programs, which Debian keeps out of PATH."""
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    return next((path.parent for path in sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)), None)
