"""`python pipelines/train.py -m ...`, in this process, on a store that is trained on within a second."""

import fcntl
import json
from pathlib import Path

from bench import Bench

RATES = ["model=espcn", "models.espcn.lr=1e-3,3e-4"]


def test_the_example_of_the_docs(bench: Bench) -> None:
    """Two models and two rates of one of them: three trainings for four points, since the other has no such rate."""
    lines = bench.sweep("model=srcnn,espcn", "models.espcn.lr=1e-3,3e-4")
    found = bench.result("command_line")
    assert [(row["model"], row["models.espcn.lr"]) for row in found["trials"]] == [
        ("srcnn", 1e-3), ("srcnn", 3e-4), ("espcn", 1e-3), ("espcn", 3e-4),
    ]  # fmt: skip
    assert {row["state"] for row in found["trials"]} == {"complete"}
    first, second, third, fourth = (row["val/psnr"] for row in found["trials"])
    assert first == second
    assert third != fourth
    assert len(list(bench.root.glob("sweeps/finished/*.json"))) == 3
    assert sum("was trained exactly so before" in line for line in lines) == 1
    assert max(first, third, fourth) == found["best"][0]["val/psnr"]
    assert not (bench.root / "work").exists() or not list((bench.root / "work").iterdir())


def test_nothing_is_trained_twice(bench: Bench) -> None:
    """By the same line again, by another launcher though it shares out the cores, by a sweep of another name.

    Other settings are another study. Two processes do not run one sweep.
    """
    bench.sweep(*RATES, "num_threads=0")
    trials = bench.result("command_line")["trials"]
    for launcher in ([], ["hydra/launcher=slurm", "hydra.launcher.cluster=local"]):
        lines = bench.sweep(*RATES, "num_threads=0", *launcher)
        assert bench.result("command_line")["trials"] == trials
        assert "2 are over" in lines[0]
        assert not [line for line in lines if line.startswith("train ")]
    lines = bench.sweep("model=espcn", "models.espcn.lr=1e-3,1e-4", "num_threads=0", "sweep.name=2026")
    assert sum("was trained exactly so before" in line for line in lines) == 1
    assert len(bench.result("2026")["trials"]) == 2
    (folder,) = bench.root.glob("sweeps/command_line-*")
    with (folder / "lock").open("a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert f"{folder.name} is being run by process " in bench.refused(*RATES, "num_threads=0")
    bench.sweep(*RATES, "num_threads=0", "seed=7")
    assert len(list(bench.root.glob("sweeps/command_line-*"))) == 2
    assert len(list(bench.root.glob("sweeps/finished/*.json"))) == 5


def test_a_failed_trial_says_why_and_can_be_tried_again(bench: Bench) -> None:
    words = ["model=espcn", "models.espcn.lr=1e-3,1e30"]
    line = bench.refused(*words)
    assert "1 of 2 trials failed, as trial 1: " in line
    complete, failed = bench.result("command_line")["trials"]
    assert (complete["state"], failed["state"]) == ("complete", "failed")
    assert "lower lr" in failed["why"]
    assert "Traceback" in (next(bench.root.glob("sweeps/command_line-*/1/error.txt"))).read_text()
    what_mlflow_is_told(bench.root / "mlflow-outbox")
    assert bench.refused(*words) == line  # and nothing is tried again
    assert len(bench.result("command_line")["trials"]) == 2
    bench.refused(*words, "sweep.retry_failed=true")
    assert [row["state"] for row in bench.result("command_line")["trials"]] == ["complete", "failed", "failed"]


def what_mlflow_is_told(outbox: Path) -> None:
    journals = [[json.loads(line) for line in path.read_text().splitlines()] for path in sorted(outbox.glob("*.jsonl"))]
    parent, good, bad = headers = [entries[0] for entries in journals]
    assert [header["name"] for header in headers] == ["command_line", "espcn-000", "espcn-001"]
    assert {header["experiment"] for header in headers} == {"sweeps"}
    assert good["tags"]["mlflow.parentRunId"] == bad["tags"]["mlflow.parentRunId"] == parent["key"]
    assert json.loads(bad["tags"]["srlab.values"]) == {"models.espcn.lr": 1e30}
    assert parent["params"]["models.espcn.lr"] == "1e-3,1e30"
    *told, last = journals[2]
    assert any("lower lr" in entry["tags"].get("srlab.why", "") for entry in told if entry["kind"] == "tags")
    assert (last["kind"], last["status"]) == ("end", "FAILED")
    assert {"table", "artifact", "tags"} <= {entry["kind"] for entry in journals[0]}


def test_trials_that_fail_one_after_the_other_end_the_sweep(bench: Bench) -> None:
    line = bench.refused("model=espcn", "models.espcn.lr=1e30,1e31,1e32", "sweep.max_failures=2")
    assert line.startswith("error: the last 2 trials failed: ")
    assert "sweep.retry_failed=true" in line
    assert len(bench.result("command_line")["trials"]) == 2


def test_a_pruned_trial_leaves_nothing_to_resume(bench: Bench) -> None:
    """Rates so low that nothing is learned come after good ones: the median rule ends them."""
    words = ["model=espcn", "models.espcn.max_epochs=4", "models.espcn.patience=4"]
    words.append("models.espcn.lr=1e-3,2e-3,1e-9,1e-10")
    pruner = ["sweep/pruner=median", "sweep.pruner.n_startup_trials=2", "sweep.pruner.n_warmup_steps=1"]
    bench.sweep(*words, *pruner)
    rows = bench.result("command_line")["trials"]
    assert [row["state"] for row in rows] == ["complete", "complete", "pruned", "pruned"]
    assert [row["reported_epochs"] for row in rows] == [4, 4, 2, 2]
    assert all(row["why"].startswith("pruned in epoch 2, at val/psnr ") for row in rows[2:])
    assert not list((bench.root / "work").iterdir())


def test_psnr_against_multiply_adds(bench: Bench) -> None:
    words = ["model=srresnet", "models.srresnet.num_blocks=1,2", "+sweep.objectives.multiply_adds=minimize"]
    bench.sweep(*words)
    one, two = bench.result("command_line")["trials"]
    assert one["multiply_adds"] < two["multiply_adds"]
    best = {row["trial"] for row in bench.result("command_line")["best"]}
    assert best == ({0, 1} if two["val/psnr"] > one["val/psnr"] else {0})
