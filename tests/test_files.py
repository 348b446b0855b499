"""Readers see the old file or the new one, and nothing in between."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from srlab.adversarial.vgg_weights import named_or_mirrored
from srlab.datasets.downloads import cache_folder
from srlab.datasets.imagenet import ImageNet
from srlab.datasets.sources import Folder
from srlab.errors import SrlabError
from srlab.evaluation.metrics.niqe import NIQE
from srlab.files import anchored, read_json, read_made, replacing, write_json
from srlab.use.pretrained import Pretrained

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
contents = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8)


def fill(path: Path, kind: str, text: str) -> None:
    """Make `path` a file, or a folder with one file, that holds `text`."""
    if kind == "folder":
        path.mkdir()
        path /= "file"
    path.write_text(text)


def text_of(path: Path, kind: str) -> str:
    return (path / "file" if kind == "folder" else path).read_text()


both = pytest.mark.parametrize("kind", ["file", "folder"])


@both
def test_a_failure_leaves_the_old_content_and_nothing_else(tmp_path: Path, kind: str) -> None:
    target = tmp_path / "target"
    fill(target, kind, "old")
    with pytest.raises(KeyboardInterrupt), replacing(target) as temporary:
        fill(temporary, kind, "half")
        raise KeyboardInterrupt
    assert text_of(target, kind) == "old"
    assert list(tmp_path.iterdir()) == [target]


@both
@pytest.mark.parametrize("old", ["", "old"])
def test_the_content_appears_whole_with_its_folder_and_the_old_goes(tmp_path: Path, kind: str, old: str) -> None:
    target = tmp_path / "target" if old else tmp_path / "new/target"
    if old:
        fill(target, kind, old)
    with replacing(target) as temporary:
        fill(temporary, kind, "new")
        assert (text_of(target, kind) if target.exists() else "") == old
    assert text_of(target, kind) == "new"


@both
def test_two_that_write_the_same_do_not_meet_and_the_last_wins(tmp_path: Path, kind: str) -> None:
    target = tmp_path / "target"
    fill(target, kind, "old")
    with replacing(target) as first:
        fill(first, kind, "first")
        with replacing(target) as second:
            fill(second, kind, "second")
        assert text_of(target, kind) == "second"
    assert text_of(target, kind) == "first"
    assert list(tmp_path.iterdir()) == [target]


@both
def test_what_was_never_made_leaves_the_old_content(tmp_path: Path, kind: str) -> None:
    target = tmp_path / "target"
    fill(target, kind, "old")
    with pytest.raises(FileNotFoundError), replacing(target):
        pass
    assert text_of(target, kind) == "old"


def test_a_name_of_the_greatest_length_is_written(tmp_path: Path) -> None:
    target = tmp_path / ("é" * 127)  # 254 bytes of 255
    with replacing(target) as temporary:
        temporary.write_text("new")
    assert target.read_text() == "new"


REPLACE_FOREVER = """
import sys
from pathlib import Path
from srlab.files import replacing
for text in iter(int, 1):
    with replacing(Path(sys.argv[1])) as temporary:
        temporary.mkdir()
        for number in range(200):
            (temporary / str(number)).touch()
        print(flush=True)
"""


def test_a_kill_leaves_a_whole_folder_or_none_and_what_is_left_is_swept_away(tmp_path: Path) -> None:
    """Two at once, at moments on both sides of the renaming."""
    target = tmp_path / "target"
    command = [sys.executable, "-c", REPLACE_FOREVER, str(target)]
    for moment in range(0, 8, 2):
        with (
            subprocess.Popen(command, stdout=subprocess.PIPE) as one,
            subprocess.Popen(command, stdout=subprocess.PIPE) as other,
        ):
            for process in (one, other):
                assert process.stdout
                process.stdout.readline()
            time.sleep(moment * 0.0005)
            one.kill()
            other.kill()
        assert not target.exists() or len(list(target.iterdir())) == 200
    with replacing(target) as temporary:
        temporary.mkdir()
    assert list(tmp_path.iterdir()) == [target]


@given(contents)
def test_json_survives(tmp_path_factory: pytest.TempPathFactory, content: object) -> None:
    path = tmp_path_factory.mktemp("json") / "content.json"
    write_json(path, content)
    assert read_json(path) == content


def test_json_is_for_people_and_git_too(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"name": "Café"})
    assert (tmp_path / "a.json").read_text() == '{\n  "name": "Café"\n}\n'


def test_a_relative_path_that_is_not_here_lies_in_the_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`dvc exp run --temp` runs in a copy of what Git knows, which has neither photos nor weights."""
    for name in ("project/photos", "project/kernels", "copy/kernels"):
        (tmp_path / name).mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "copy")
    assert anchored("photos") == Path("photos")  # by hand nobody says where the project is
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / "project"))
    assert Folder("photos", None).path == tmp_path / "project/photos"
    assert anchored("kernels") == Path("kernels")
    assert anchored("~") == Path.home()
    assert anchored(tmp_path) == tmp_path


def test_relative_paths_of_the_environment_are_looked_for_in_the_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the copy of `dvc exp run --temp`, as above: weights, parameters of metrics, the mirror and the cache."""
    (tmp_path / "copy").mkdir()
    mirror = tmp_path / "project/mirror"
    for name in ("weights/vgg19.npz", "metrics/niqe_pris_params.npz", "sample/a.png"):
        (mirror / name).parent.mkdir(parents=True)
        (mirror / name).touch()
    monkeypatch.chdir(tmp_path / "copy")
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / "project"))
    for variable in ("SRLAB_VGG19", "SRLAB_NIQE", "SRLAB_IMAGENET"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("SRLAB_DATASETS", "mirror")
    monkeypatch.setenv("SRLAB_CACHE", "cache")
    assert NIQE.parameters
    assert NIQE.parameters.file() == mirror / "metrics/niqe_pris_params.npz"
    assert named_or_mirrored() == mirror / "weights/vgg19.npz"
    assert ImageNet(None, None, "sample", "hub").mirror == mirror / "sample"
    assert cache_folder() == tmp_path / "project/cache"
    monkeypatch.setenv("SRLAB_VGG19", "mirror/weights/vgg19.npz")
    monkeypatch.setenv("SRLAB_NIQE", "mirror/metrics/niqe_pris_params.npz")
    monkeypatch.setenv("SRLAB_IMAGENET", "mirror/sample")
    monkeypatch.delenv("SRLAB_DATASETS")
    assert named_or_mirrored() == mirror / "weights/vgg19.npz"
    assert NIQE.parameters.file() == mirror / "metrics/niqe_pris_params.npz"
    assert ImageNet(None, None, "sample", "hub").root == mirror / "sample"
    with pytest.raises(SrlabError, match=f"{tmp_path}/project/mine/espcn.json is missing"):
        Pretrained("mine/espcn.safetensors", 4)


def test_what_a_stage_makes_is_missed_or_damaged_in_one_line_with_the_cure(tmp_path: Path) -> None:
    with pytest.raises(SrlabError, match=r"index\.json is missing: run `dvc repro`"):
        read_made(tmp_path / "index.json")
    (tmp_path / "index.json").write_text('{"half')
    with pytest.raises(SrlabError, match=r"index\.json is damaged \(.*\): remove it and run `dvc repro`"):
        read_made(tmp_path / "index.json")
