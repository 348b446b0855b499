"""`make server`: check that everything is there that a team's MLflow server needs, then become that server.

Addresses, names, keys and passwords come from the environment, where libpq, boto3 and MLflow look for them by
themselves. So none of them stands in a command line, in a file or in a log. `docs/team.md` lists them.
"""

import os
import secrets
import socket
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit

from srlab.errors import SrlabError

HOST = "127.0.0.1"  # basic authentication sends passwords as they are: beyond this machine only through TLS or SSH
DATABASE = "mlflow"
ACCOUNTS = Path(__file__).with_name("accounts.ini")
PACKAGES = ("psycopg", "boto3", "flask_wtf")
ADMIN_PASSWORD = "MLFLOW_AUTH_ADMIN_PASSWORD"
SHORTEST_PASSWORD = 12  # that MLflow takes
PATIENCE = 5  # seconds for PostgreSQL or the bucket to answer


def main() -> NoReturn:
    """Take the place of this process by `mlflow server`, on the port that the command line names."""
    try:
        port = _port(sys.argv[1:])
        check(port)
    except SrlabError as error:
        sys.exit(f"error: {error}")
    os.execve(sys.executable, command(port), environment())


def check(port: int) -> None:
    """SrlabError if a package, setting or secret is missing, the port taken, PostgreSQL or the bucket out of reach."""
    if missing := [name for name in PACKAGES if find_spec(name) is None]:
        cure = "pip install -c requirements.lock -e '.[team]'"
        raise SrlabError(f"the server needs packages that are not installed ({', '.join(missing)}): {cure}")
    bucket = _bucket()
    _check_port(port)
    if not _has_admin():
        _check_password(os.environ.get(ADMIN_PASSWORD, ""))
    _check_bucket(bucket)


def command(port: int) -> list[str]:
    """The server, seen by everybody who can run `ps`."""
    stores = ["--backend-store-uri", f"postgresql+psycopg:///{DATABASE}", "--serve-artifacts"]
    address = ["--host", HOST, "--port", str(port)]
    return [sys.executable, "-m", "mlflow", "server", "--app-name", "basic-auth", *stores, *address]


def environment() -> dict[str, str]:
    """What the server finds in its environment: all of ours, which may choose the key and the number of workers.

    The key signs the forms of MLflow's pages; all workers of one start share it.
    """
    ours = {"MLFLOW_AUTH_CONFIG_PATH": str(ACCOUNTS), "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    defaults = {"MLFLOW_WORKERS": "2", "MLFLOW_FLASK_SERVER_SECRET_KEY": secrets.token_hex()}
    return {**defaults, **os.environ, **ours}


def _port(arguments: list[str]) -> int:
    if len(arguments) == 1 and arguments[0].isdecimal() and 0 < int(arguments[0]) < 2**16:
        return int(arguments[0])
    raise SrlabError(f"name one port, as in `make server PORT=5000`, not {' '.join(arguments) or 'none'}")


def _check_port(port: int) -> None:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does: not after one just ended
        try:
            listener.bind((HOST, port))
        except OSError as error:
            cure = f"stop what listens there, or take another: make server PORT={port + 1}"
            raise SrlabError(f"could not obtain port {port} ({error.strerror}): {cure}") from error


def _has_admin() -> bool:
    """Whether MLflow's database knows an administrator, so that no password is needed to make one."""
    import psycopg  # pyright: ignore[reportMissingImports]

    try:
        with psycopg.connect(dbname=DATABASE, connect_timeout=PATIENCE) as connection:
            if connection.execute("SELECT to_regclass('users')").fetchone() == (None,):
                return False
            return connection.execute("SELECT EXISTS (SELECT FROM users WHERE is_admin)").fetchone() == (True,)
    except psycopg.Error as error:
        reason, cure = " ".join(str(error).split()), "see PGHOST, PGPORT, PGUSER and PGPASSWORD"
        raise SrlabError(f"PostgreSQL's database {DATABASE} is out of reach ({reason}): {cure}") from error


def _check_password(password: str) -> None:
    if len(password) < SHORTEST_PASSWORD:
        length = f"of at least {SHORTEST_PASSWORD} characters"
        raise SrlabError(f"set {ADMIN_PASSWORD} to a password {length}: at the first start MLflow makes the user admin")


def _bucket() -> str:
    """The bucket that artifacts go to."""
    place = urlsplit(destination := os.environ.get("MLFLOW_ARTIFACTS_DESTINATION", ""))
    if place.scheme != "s3" or not place.netloc:
        raise SrlabError(f"set MLFLOW_ARTIFACTS_DESTINATION to s3://<bucket>/<folder>, not to '{destination}'")
    return place.netloc


def _check_bucket(bucket: str) -> None:
    """Ask for it as MLflow does: where its own variable says, else where boto3's says, else at Amazon."""
    import boto3  # pyright: ignore[reportMissingImports]
    from botocore.config import Config  # pyright: ignore[reportMissingImports]
    from botocore.exceptions import BotoCoreError, ClientError  # pyright: ignore[reportMissingImports]

    endpoint = os.environ.get("MLFLOW_S3_ENDPOINT_URL")
    once = Config(connect_timeout=PATIENCE, read_timeout=PATIENCE, retries={"total_max_attempts": 1})
    try:
        boto3.client("s3", endpoint_url=endpoint, config=once).head_bucket(Bucket=bucket)
    except (BotoCoreError, ClientError, ValueError) as error:  # ValueError: of an endpoint that is no URL
        cure = "see AWS_ENDPOINT_URL_S3, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        reason = " ".join(str(error).split())
        raise SrlabError(f"the bucket {bucket} is out of reach ({reason}): {cure}") from error


if __name__ == "__main__":
    main()
