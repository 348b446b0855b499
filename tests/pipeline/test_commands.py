"""The commands around the pipeline."""

import re
import shutil

import pytest
from workspace import Workspace

pytestmark = pytest.mark.pipeline


def test_make_help_lists_every_target(smoke: Workspace) -> None:
    if not shutil.which("make"):
        pytest.skip("make is not installed")
    (phony,) = re.findall(r"^\.PHONY: (.+)$", (smoke.root / "Makefile").read_text(), re.MULTILINE)
    listed = [line.split(maxsplit=1) for line in smoke.run("make", "--no-print-directory", "help").splitlines()]
    assert sorted(target for target, _ in listed) == sorted(phony.split())


def test_an_unknown_profile_is_one_line_with_the_known_ones(smoke: Workspace) -> None:
    (line,) = smoke.fail("python", "-m", "srlab.profile", "nonsense").splitlines()
    assert line.startswith("error: there is no profile nonsense")
    assert {"quick", "smoke"} <= set(re.findall(r"\w+", line.partition("choose one of")[2]))


def test_settings_of_ones_own_are_not_overwritten(smoke: Workspace) -> None:
    with smoke.edited(("params.yaml", "seed: 42", "seed: 7")):
        before = smoke.bytes_of("params.yaml")
        (line,) = smoke.fail("python", "-m", "srlab.profile", "quick").splitlines()
        assert "params.yaml holds settings of your own" in line
        assert smoke.bytes_of("params.yaml") == before


def test_a_bad_setting_stops_before_the_first_stage(smoke: Workspace) -> None:
    with smoke.edited(("params.yaml", "batch_size: 4", "batch_size: 0")):
        lines = smoke.fail("srlab", "check").splitlines()
        assert lines[0] == "error: models.espcn.batch_size is 0: use a whole number at least 1"
        assert lines[0] in smoke.fail("python", "pipelines/degrade.py", "name=photos").splitlines()
