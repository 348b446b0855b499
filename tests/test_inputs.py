"""What ran is what is recorded: edits of declared inputs while a stage runs."""

from pathlib import Path

import pytest
from dvc.repo import Repo

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
    Repo.init(str(tmp_path), no_scm=True).close()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_STAGE", "train@a")
    return tmp_path


@pytest.mark.parametrize(
    ("name", "text", "what"),
    [
        ("params.yaml", PARAMS.replace("seed: 1", "seed: 2"), "seed of params.yaml"),
        ("params.yaml", PARAMS.replace("a: {lr: 0.001}", "a: {lr: 0.5}"), "models.a of params.yaml"),
        ("src/net/layers.py", "a: 2\n", "src/net/layers.py"),
        ("src/net/new.py", "", "src/net/new.py"),
        ("conf/train.yaml", "a: 2\n", "conf/train.yaml"),
    ],
)
def test_an_edit_of_what_is_declared_fails_the_stage_and_names_the_cures(
    project: Path, name: str, text: str, what: str
) -> None:
    with pytest.raises(SrlabError) as caught, recorded_as_run():
        (project / name).write_text(text)
    assert str(caught.value).startswith(f"{what} changed while train@a ran")
    assert "undo the edit and run `dvc commit train@a`" in str(caught.value)


def test_an_edit_of_anything_else_is_nobodys_business(project: Path) -> None:
    with recorded_as_run():
        (project / "params.yaml").write_text(PARAMS.replace("b: {lr: 0.001}", "b: {lr: 0.5}"))
        for name in ("src/other.py", "conf/other.yaml"):
            (project / name).write_text("a: 2\n")


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
