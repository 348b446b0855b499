"""A profile becomes params.yaml, and nobody's own settings are lost."""

import contextlib
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from srlab import profile
from srlab.errors import SrlabError
from srlab.profile import changed, choose

ROOT = Path(__file__).parents[1]
QUICK = (ROOT / "params.yaml").read_text(encoding="utf-8")


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with the profiles and a committed params.yaml, as the current folder."""
    shutil.copytree(ROOT / "conf/profile", tmp_path / "conf/profile")
    (tmp_path / "params.yaml").write_text(QUICK, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    for words in (["init", "-q"], ["add", "."], ["-c", "user.name=t", "-c", "user.email=t", "commit", "-qm", "t"]):
        subprocess.run(["git", *words], check=True)
    return tmp_path


def test_a_profile_changes_what_it_names_and_nothing_else() -> None:
    base = (
        "a: {x: 1, y: null}    # why\nb: {x: 2}\nmaps:\n  one: {x: 3, z: 4}   # kept\n  two: {x: 5}\n  three: {x: 6}\n"
    )
    profile = 'a: {x: 7}\nmaps: {"*": {z: 8}, two: null, four: {x: 9}}\n'
    assert changed(base, profile) == (
        "a: {x: 7, y: null}    # why\nb: {x: 2}\nmaps:\n  one: {x: 3, z: 8}   # kept\n  three: {x: 6}\n  four: {x: 9}\n"
    )


def test_nothing_is_rewritten_where_nothing_changes() -> None:
    assert changed(QUICK, "seed: 42\n") == QUICK


def test_a_profile_comes_and_goes(bench: Path) -> None:
    choose("smoke")
    assert yaml.safe_load((bench / "params.yaml").read_text(encoding="utf-8"))["models"]["espcn"]["max_epochs"] == 2
    choose("paper")
    choose("quick")
    assert (bench / "params.yaml").read_text(encoding="utf-8") == QUICK


def test_a_clone_without_params_gets_them(bench: Path) -> None:
    (bench / "params.yaml").unlink()
    choose("quick")
    assert (bench / "params.yaml").exists()


def test_settings_of_your_own_are_not_overwritten(bench: Path) -> None:
    own = QUICK.replace("seed: 42", "seed: 1")
    (bench / "params.yaml").write_text(own, encoding="utf-8")
    with pytest.raises(SrlabError, match=r"`git commit params\.yaml`"):
        choose("smoke")
    assert (bench / "params.yaml").read_text(encoding="utf-8") == own
    subprocess.run(["git", "-c", "user.name=t", "-c", "user.email=t", "commit", "-qam", "mine"], check=True)
    choose("smoke")  # the cure works
    choose("quick")
    assert (bench / "params.yaml").read_text(encoding="utf-8") == own


def test_outputs_of_data_sets_that_the_profile_lacks_go(bench: Path) -> None:
    """A stage downstream depends on whole folders such as data/pairs/test, in which nothing else may lie."""
    kept = [bench / "data/images/test/heldout/a.png", bench / "data/pairs/train/photos/index.json"]
    gone = [bench / "data/images/test/set5/a.png", bench / "data/pairs/test/photos/hr.npy"]  # a training set here
    for path in (*kept, *gone):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("", encoding="utf-8")
    choose("smoke")
    assert [path.exists() for path in (*kept, *gone)] == [True, True, False, False]


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ([], ""),  # `make repro` without PROFILE keeps what is there
        (["smoke"], ""),
        (["qick"], "^error: there is no profile qick: choose one of quick, paper, results, smoke$"),
    ],
)
def test_the_command_line(bench: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], error: str) -> None:
    monkeypatch.setattr(sys, "argv", ["profile", *words])
    with pytest.raises(SystemExit, match=error) if error else contextlib.nullcontext():
        runpy.run_path(profile.__file__, run_name="__main__")


def test_without_git_the_cure_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "none"))
    with pytest.raises(SrlabError, match=r"Git gives no params\.yaml: start from the folder of a clone of srlab"):
        choose("quick")
