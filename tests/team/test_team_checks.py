"""`make server` says in one line what is missing, before anything starts."""

import os
import socket
import subprocess
import sys

import pytest

from srlab.errors import SrlabError
from srlab.team import server


@pytest.fixture
def set_up(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """All that can be looked at without PostgreSQL and a bucket; libpq and boto3 need not be installed."""
    monkeypatch.setattr(server, "PACKAGES", ("json",))
    monkeypatch.setenv("MLFLOW_ARTIFACTS_DESTINATION", "s3://bucket/mlflow")
    return monkeypatch


@pytest.fixture
def port() -> int:
    """One that is free."""
    with socket.socket() as listener:
        listener.bind((server.HOST, 0))
        return listener.getsockname()[1]


def complaint(port: int) -> str:
    with pytest.raises(SrlabError) as caught:
        server.check(port)
    (line,) = str(caught.value).splitlines()
    return line


def test_a_missing_package_is_named_with_what_installs_it(set_up: pytest.MonkeyPatch, port: int) -> None:
    set_up.setattr(server, "PACKAGES", ("json", "no_such_package"))
    assert "(no_such_package): pip install -c requirements.lock -e '.[team]'" in complaint(port)


@pytest.mark.parametrize("destination", [None, "", "mlartifacts", "s3:///mlflow", "http://bucket/mlflow"])
def test_a_missing_bucket_is_named(set_up: pytest.MonkeyPatch, port: int, destination: str | None) -> None:
    if destination is None:
        set_up.delenv("MLFLOW_ARTIFACTS_DESTINATION")
    else:
        set_up.setenv("MLFLOW_ARTIFACTS_DESTINATION", destination)
    assert "MLFLOW_ARTIFACTS_DESTINATION to s3://<bucket>/<folder>" in complaint(port)


def test_a_port_in_use_is_named(set_up: pytest.MonkeyPatch) -> None:
    with socket.socket() as listener:
        listener.bind((server.HOST, 0))
        listener.listen()
        port = listener.getsockname()[1]
        assert f"port {port} " in complaint(port)


@pytest.mark.parametrize("password", ["", "eleven-long"])
def test_the_first_start_wants_a_password_that_mlflow_takes(
    set_up: pytest.MonkeyPatch, port: int, password: str
) -> None:
    set_up.setattr(server, "_has_admin", lambda: False)
    set_up.setenv("MLFLOW_AUTH_ADMIN_PASSWORD", password)
    line = complaint(port)
    assert "MLFLOW_AUTH_ADMIN_PASSWORD" in line and "12 characters" in line
    assert not password or password not in line


@pytest.mark.parametrize("arguments", [[], ["http"], ["0"], ["65536"], ["5000", "5001"]])
def test_the_command_names_one_port(set_up: pytest.MonkeyPatch, arguments: list[str]) -> None:
    """And whatever is wrong, nothing takes the place of this process."""
    set_up.setattr(sys, "argv", ["server", *arguments])
    set_up.setattr(os, "execve", pytest.fail)
    with pytest.raises(SystemExit, match=r"^error: name one port, as in `make server PORT=5000`"):
        server.main()


def test_make_passes_the_port_on() -> None:
    """What `make -n` would run, without what installs."""
    run = ["make", "--no-print-directory", "-n", "-o", "setup", "server", "PORT=5123"]
    done = subprocess.run(run, cwd=server.ACCOUNTS.parents[3], capture_output=True, text=True, check=True)
    assert done.stdout == "exec python -m srlab.team.server 5123\n"


def test_a_key_is_made_up_for_every_start_unless_one_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "MLFLOW_FLASK_SERVER_SECRET_KEY"
    monkeypatch.delenv(name, raising=False)
    first, second = server.environment()[name], server.environment()[name]
    assert first != second
    assert len(first) == len(second) == 64
    monkeypatch.setenv(name, "given")
    assert server.environment()[name] == "given"
