"""The same numbers give the same files, with a network or without."""

import pytest
from branches import REPEATED, Finished
from workspace import Workspace, stages_run

pytestmark = pytest.mark.pipeline


@pytest.mark.parametrize("model", ["srresnet", "srgan"])  # espcn: test_resume.py
def test_training_again_gives_the_same_bytes(smoke: Workspace, again: Finished, model: str) -> None:
    files = (f"models/{model}/best.safetensors", f"models/{model}/history.csv")
    assert again.workspace.bytes_of(*files) == smoke.bytes_of(*files)
    run = f"models/{model}/run.json"
    assert again.workspace.bytes_of(run) != smoke.bytes_of(run)  # it was trained, and not fetched from the cache


@pytest.mark.parametrize("method", ["srgan", "srgan_half"])
def test_evaluating_again_gives_the_same_digits(smoke: Workspace, again: Finished, method: str) -> None:
    file = f"reports/metrics/{method}.json"
    assert again.workspace.bytes_of(file) == smoke.bytes_of(file)


def test_the_report_of_the_same_results_is_the_same(smoke: Workspace, again: Finished) -> None:
    files = ("reports/figures/comparison.png", "reports/figures/frames.png", "reports/figures/training_curves.png")
    assert again.workspace.bytes_of(*files) == smoke.bytes_of(*files)


def test_the_page_of_the_same_results_differs_in_nothing_but_what_srgan_cost(smoke: Workspace, again: Finished) -> None:
    pages = [(one.root / "reports/summary.md").read_text().splitlines() for one in (smoke, again.workspace)]
    changed = {before.split(" | ")[0] for before, after in zip(*pages, strict=True) if before != after}
    assert all(label.startswith("| SRGAN") for label in changed)


def test_training_evaluation_and_report_need_no_network(without_network: tuple[str, ...], again: Finished) -> None:
    if not without_network:
        pytest.skip("the kernel refuses a network namespace (unshare -rn, unshare -n)")
    attempt = "import socket; socket.create_connection(('127.0.0.1', 1))"
    assert "unreachable" in again.workspace.fail(*without_network, "python", "-c", attempt)  # not even loopback
    assert stages_run(again.output) == list(REPEATED)
