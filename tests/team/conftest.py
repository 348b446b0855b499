"""A team: everything runs, and the users ann and ben exist."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import services
from mlflow import MlflowClient
from services import Team, become


@pytest.fixture(scope="module")
def team() -> Iterator[Team]:
    if lacking := services.missing():
        pytest.skip(f"this machine has no {lacking}: see docs/team.md")
    known = services.Secrets()
    folder = Path(tempfile.mkdtemp(prefix="srlab-team-"))  # pytest's own folders are closed to PostgreSQL's user
    folder.chmod(0o711)
    with ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        stack.callback(shutil.rmtree, folder)
        database = stack.enter_context(services.postgres(folder / "postgres", known))
        bucket = stack.enter_context(services.bucket(folder, known))
        server = {
            **database,
            **bucket,
            "MLFLOW_ARTIFACTS_DESTINATION": f"s3://{services.BUCKET}/mlflow",
            "MLFLOW_FLASK_SERVER_SECRET_KEY": known.forms,
            "MLFLOW_AUTH_ADMIN_PASSWORD": known.admin,
        }
        uri = stack.enter_context(services.make_server(folder, server))
        studies = f"postgresql+psycopg://studies@{database['PGHOST']}:{database['PGPORT']}/studies"
        patch.setenv("MLFLOW_TRACKING_USERNAME", "admin")
        patch.setenv("MLFLOW_TRACKING_PASSWORD", known.admin)
        for user in ("ann", "ben"):
            services.create_user(uri, user, getattr(known, user))
        yield Team(folder, uri, known, server, bucket, studies)


@pytest.fixture
def ann(team: Team, monkeypatch: pytest.MonkeyPatch) -> MlflowClient:
    """What she sees; this process is hers until the test ends."""
    return become(monkeypatch, team, "ann")
