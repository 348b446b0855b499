"""A team's tracking, for real: MLflow with passwords on PostgreSQL and a bucket, DVC's remote in it, a shared study.

    python -m pytest -m server

It takes a minute or two, and is left out of all other runs.
"""

import filecmp
import multiprocessing
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import services
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from services import Team, become, objects

from srlab.errors import SrlabError
from srlab.team.server import check
from srlab.tracking.journal import journals
from srlab.tracking.sender import send
from srlab.tracking.tracker import Tracker

pytestmark = pytest.mark.server
EXPERIMENT = "srlab"
PROCESSES, EPOCHS = 8, 20
TRIALS = 10  # of each process
STUDY = "shared"


def runs(client: MlflowClient) -> dict[str, Any]:
    experiment = client.get_experiment_by_name(EXPERIMENT)
    assert experiment is not None
    return {str(run.info.run_name): run for run in client.search_runs([experiment.experiment_id])}


def log(team: Team, name: str, outbox: Path) -> None:
    """A run of whom this process is."""
    with Tracker(team.uri, "", EXPERIMENT, str(outbox), live=False).start(name, {}, {}).closing():
        pass
    send(outbox)


def values(client: MlflowClient, run: Any) -> list[float]:
    return [metric.value for metric in client.get_metric_history(run.info.run_id, "val/psnr")]


def test_a_run_arrives_whole_and_its_artifacts_lie_in_the_bucket(
    team: Team, ann: MlflowClient, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Though she has no key of the bucket."""
    assert not set(team.bucket) & set(os.environ)
    weights = tmp_path / "best.safetensors"
    weights.write_bytes(bytes(range(256)) * 4096)
    tracker = Tracker(team.uri, "", EXPERIMENT, str(tmp_path / "outbox"), live=True)
    with tracker.start("espcn", {"srlab.method": "espcn"}, {"lr": 0.1}).closing():
        for epoch in range(3):
            tracker.metrics({"val/psnr": 28.0 + epoch, "lr": 0.1}, epoch)
        tracker.artifact(weights, "weights")
    assert capfd.readouterr().err == ""
    run = runs(ann)["espcn"]
    assert (run.info.status, run.data.params) == ("FINISHED", {"lr": "0.1"})
    assert values(ann, run) == [28.0, 29.0, 30.0]
    (place,) = (key for key in objects(team, "mlflow/") if run.info.run_id in key)
    assert place.endswith("/artifacts/weights/best.safetensors")
    assert objects(team, place)[place] == weights.read_bytes()
    fetched = ann.download_artifacts(run.info.run_id, "weights/best.safetensors", str(tmp_path))
    assert filecmp.cmp(fetched, weights, shallow=False)


def test_members_log_to_one_experiment_and_none_deletes_it(
    team: Team, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Whoever comes first makes it; MLflow's own default lets nobody else log to it."""
    for user in ("ann", "ben"):
        become(monkeypatch, team, user)
        log(team, f"by {user}", tmp_path)
        run = runs(MlflowClient(team.uri))[f"by {user}"]
        assert run.info.status == "FINISHED"
    with pytest.raises(MlflowException, match="403"):
        MlflowClient(team.uri).delete_experiment(run.info.experiment_id)


def test_a_wrong_password_is_said_in_one_line_and_nothing_is_lost(
    team: Team, ann: MlflowClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    wrong = "a-wrong-password"
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", wrong)
    tracker = Tracker(team.uri, "", EXPERIMENT, str(tmp_path), live=True)
    with tracker.start("late", {}, {}).closing():
        tracker.metrics({"val/psnr": 28.0, "lr": 0.1}, 0)
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith(f"MLflow at {team.uri} refuses user and password (401): ")
    assert "`srlab send`" in line and wrong not in line
    with pytest.raises(SrlabError, match="401"):
        send(tmp_path)
    become(monkeypatch, team, "ann")
    assert "late" not in runs(ann)
    send(tmp_path)
    assert values(ann, runs(ann)["late"]) == [28.0]
    assert journals(tmp_path) == []


def train(team: Team, user: str, folder: str, number: int, together: Any) -> None:
    """One of several processes, each as if it ran on a machine of its own."""
    os.environ |= {"MLFLOW_TRACKING_USERNAME": user, "MLFLOW_TRACKING_PASSWORD": team.password(user)}
    outbox = Path(folder, str(number))
    tracker = Tracker(team.uri, "", "crowd", str(outbox), live=False)
    tracker.start(f"run {number}", {}, {"number": number})
    for epoch in range(EPOCHS):
        tracker.metrics({"val/psnr": number + epoch, "lr": 0.1}, epoch)
    (outbox / "note.txt").write_text(str(number))
    tracker.artifact(outbox / "note.txt", "notes")
    with tracker.closing():
        pass
    together.wait()
    send(outbox)


def test_eight_processes_at_once_lose_nothing(
    team: Team, ann: MlflowClient, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Of two members, into an experiment that is not there yet."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["pytest", "srlab.tracking.delivery"])
    together = context.Barrier(PROCESSES)
    jobs = [(team, ("ann", "ben")[number % 2], str(tmp_path), number, together) for number in range(PROCESSES)]
    workers = [context.Process(target=train, args=job) for job in jobs]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0] * PROCESSES
    said = capfd.readouterr().err.splitlines()
    assert [line for line in said if "is told nothing now" not in line] == []  # that it is left for `send`
    experiment = ann.get_experiment_by_name("crowd")
    assert experiment is not None
    found = {str(run.info.run_name): run for run in ann.search_runs([experiment.experiment_id])}
    assert sorted(found) == [f"run {number}" for number in range(PROCESSES)]
    notes = objects(team, f"mlflow/{experiment.experiment_id}/")
    for number in range(PROCESSES):
        run = found[f"run {number}"]
        assert (run.info.status, run.data.params) == ("FINISHED", {"number": str(number)})
        assert values(ann, run) == [number + epoch for epoch in range(EPOCHS)]
        assert [notes[key] for key in notes if run.info.run_id in key] == [str(number).encode()]


def test_what_one_clone_pushes_another_pulls(team: Team, tmp_path: Path) -> None:
    """DVC's files lie in the same bucket; its keys come from the environment."""
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    anonymous = ["-c", "user.name=nobody", "-c", "user.email=nobody@example.org"]

    def run(folder: Path, *words: str) -> None:
        subprocess.run(words, cwd=folder, env={**os.environ, **team.bucket}, check=True, capture_output=True)

    def dvc(folder: Path, *words: str) -> None:
        run(folder, sys.executable, "-m", "dvc", *words)

    def remote(folder: Path) -> None:
        dvc(folder, "remote", "add", "--local", "--default", "team", f"s3://{services.BUCKET}/dvc")

    run(first, "git", "init", "--quiet")
    dvc(first, "init", "--quiet")
    dvc(first, "config", "core.analytics", "false")
    content = bytes(range(256)) * 1000
    (first / "images").mkdir()
    (first / "images/a.npy").write_bytes(content)
    (first / "images/b.npy").write_bytes(content[1:])
    dvc(first, "add", "images")
    run(first, "git", "add", ".")
    run(first, "git", *anonymous, "commit", "--quiet", "-m", "images")
    remote(first)
    dvc(first, "push")
    assert {content, content[1:]} <= set(objects(team, "dvc/").values())
    run(tmp_path, "git", "clone", "--quiet", str(first), str(second))
    remote(second)
    dvc(second, "pull")
    assert (second / "images/a.npy").read_bytes() == content
    assert (second / "images/b.npy").read_bytes() == content[1:]


TRY = """
import os, sys, optuna
optuna.logging.set_verbosity(optuna.logging.WARNING)
study = optuna.load_study(study_name=sys.argv[1], storage=os.environ["SRLAB_STUDIES"])
study.optimize(lambda trial: trial.suggest_float("lr", 0.0, 1.0) ** 2, n_trials=int(sys.argv[2]))
"""


def test_two_processes_work_on_one_study(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a database of its own, since Optuna and MLflow keep a table of the same name."""
    import optuna

    monkeypatch.setenv("PGPASSWORD", team.known.studies)
    monkeypatch.setenv("SRLAB_STUDIES", team.studies)
    study = optuna.create_study(study_name=STUDY, storage=team.studies)
    run = [sys.executable, "-c", TRY, STUDY, str(TRIALS)]
    workers = [subprocess.Popen(run, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    assert [worker.communicate()[1] for worker in workers] == ["", ""]
    assert [trial.number for trial in study.trials] == list(range(2 * TRIALS))
    assert {trial.state for trial in study.trials} == {optuna.trial.TrialState.COMPLETE}


def test_the_users_of_studies_cannot_read_the_runs(team: Team) -> None:
    import psycopg

    where = f"host={team.server['PGHOST']} port={team.server['PGPORT']} dbname=mlflow user=studies"
    with (
        pytest.raises(psycopg.errors.InsufficientPrivilege),
        psycopg.connect(where, password=team.known.studies) as connection,
    ):
        connection.execute("SELECT * FROM users")


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({}, "port"),
        ({"PGPASSWORD": "wrong"}, "password authentication failed"),
        ({"PGPORT": "9"}, "PGPORT"),  # `discard`, where nothing listens
        ({"MLFLOW_ARTIFACTS_DESTINATION": "s3://no-such-bucket/mlflow"}, "no-such-bucket"),
        ({"AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9"}, "AWS_ENDPOINT_URL_S3"),
    ],
)
def test_what_is_out_of_reach_is_named(
    team: Team, monkeypatch: pytest.MonkeyPatch, changes: services.Environment, named: str
) -> None:
    """And a second server finds its administrator, so that nobody has to give that password again."""
    for name, value in (team.server | changes).items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("MLFLOW_AUTH_ADMIN_PASSWORD")
    port = services.free_port() if changes else int(team.uri.rpartition(":")[2])
    with pytest.raises(SrlabError) as caught:
        check(port)
    assert named in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    for name in changes:
        monkeypatch.setenv(name, team.server[name])
    if changes:
        check(port)


def test_no_secret_lies_in_a_file_a_log_or_a_command_line(team: Team, ann: MlflowClient, tmp_path: Path) -> None:
    """After all of the above; in the environment of the server they are found, so the search is no blind one."""
    log(team, "with a password", tmp_path)
    assert "with a password" in runs(ann)
    secrets = [secret.encode() for secret in team.known.all()]
    processes = [path for path in Path("/proc").iterdir() if path.name.isdecimal()]
    files = [path for path in team.folder.rglob("*") if path.is_file()]
    assert {"server.log", "postgres.log", "bucket.log"} <= {path.name for path in files}
    telling = [str(path) for path in files if holds(path, secrets)]
    telling += [str(path) for path in processes if holds(path / "cmdline", secrets)]
    assert telling == []
    assert any(holds(path / "environ", [team.known.admin.encode()]) for path in processes)


def holds(path: Path, secrets: list[bytes]) -> bool:
    try:
        content = path.read_bytes()
    except OSError:  # a process that has ended, or of somebody else
        return False
    return any(secret in content for secret in secrets)
