"""What ran is what is recorded: edits of declared inputs while a stage runs."""

import subprocess
from pathlib import Path

import pytest

from srlab.errors import SrlabError
from srlab.inputs import recorded_as_run

DVC = """
stages:
  train:
    foreach: ${models}
    do:
      cmd: echo ${key}
      deps: [src/net, pipelines/train.py]
      params: [seed, "models.${key}", {conf/train.yaml: null}]
"""
PARAMS = "seed: 1\nmodels:\n  a: {lr: 0.001}\n  b: {lr: 0.001}\n"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("src/net/layers.py", "src/other.py", "pipelines/train.py", "conf/train.yaml", "conf/other.yaml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("a: 1\n")
    (tmp_path / "params.yaml").write_text(PARAMS)
    (tmp_path / "dvc.yaml").write_text(DVC)
    subprocess.run(["dvc", "init", "-q", "--no-scm"], cwd=tmp_path, check=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_STAGE", "train@a")
    return tmp_path


CHANGED = {
    "seed of params.yaml": ("params.yaml", PARAMS.replace("seed: 1", "seed: 2")),
    "models.a of params.yaml": ("params.yaml", PARAMS.replace("a: {lr: 0.001}", "a: {lr: 0.5}")),
    "src/net/layers.py": ("src/net/layers.py", "a: 2\n"),
    "src/net/new.py": ("src/net/new.py", ""),
    "conf/train.yaml": ("conf/train.yaml", "a: 2\n"),
}


@pytest.mark.parametrize(("what", "edit"), CHANGED.items(), ids=CHANGED)
def test_an_edit_of_what_is_declared_fails_the_stage_and_names_the_cures(project: Path, what: str, edit) -> None:
    with pytest.raises(SrlabError) as caught, recorded_as_run():
        (project / edit[0]).write_text(edit[1])
    assert str(caught.value).startswith(f"{what} changed while train@a ran")
    assert "undo the edit and run `dvc commit train@a`" in str(caught.value)


OTHERS = {
    "params": ("params.yaml", PARAMS.replace("b: {lr: 0.001}", "b: {lr: 0.5}")),
    "code": ("src/other.py", "a: 2\n"),
    "conf": ("conf/other.yaml", "a: 2\n"),
}


@pytest.mark.parametrize("edit", OTHERS.values(), ids=OTHERS)
def test_an_edit_of_anything_else_is_nobodys_business(project: Path, edit) -> None:
    with recorded_as_run():
        (project / edit[0]).write_text(edit[1])


def test_a_stage_that_is_gone_is_told_what_was_edited(project: Path) -> None:
    with pytest.raises(SrlabError, match=r"^params\.yaml changed while train@a ran"), recorded_as_run():
        (project / "params.yaml").write_text("seed: 1\nmodels: {b: {lr: 0.001}}\n")


def test_by_hand_nothing_is_compared(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DVC_STAGE")
    with recorded_as_run():
        (project / "params.yaml").write_text("seed: 2\n")


def test_an_error_of_the_stage_is_not_hidden(project: Path) -> None:
    with pytest.raises(ZeroDivisionError), recorded_as_run():
        (project / "params.yaml").write_text("seed: 2\n")
        raise ZeroDivisionError
