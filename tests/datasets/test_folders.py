"""What lies in a folder is used or named with its number, and every picture has a name of its own."""

import os
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zoo import noise

from srlab.datasets.folders import LONGEST, pictures, unique_names
from srlab.datasets.sources import Folder
from srlab.errors import SrlabError


def fill(folder: Path, *relatives: str) -> Path:
    for relative in relatives:
        (folder / relative).parent.mkdir(parents=True, exist_ok=True)
        noise(0, 20, 20).save(folder / relative, "PNG")
    return folder


def names(folder: Path) -> list[str]:
    return [name for name, _ in pictures(folder)]


def test_links_to_folders_are_followed_each_folder_once(tmp_path: Path) -> None:
    fill(tmp_path, "store/n00/a.png", "mine/b.png", "mine/z/c.png")
    (tmp_path / "mine" / "n00").symlink_to("../store/n00")
    (tmp_path / "mine" / "link").symlink_to("z")
    found = [path.relative_to(tmp_path / "mine").as_posix() for _, path in pictures(tmp_path / "mine")]
    assert found == ["b.png", "n00/a.png", "z/c.png"]


def test_links_in_a_circle_come_to_an_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(tmp_path, "a.png")
    (tmp_path / "circle").symlink_to(".")
    assert names(tmp_path) == ["a"]
    assert "passed over 1 links to a folder that was listed already" in capsys.readouterr().out


def test_what_is_passed_over_is_said_in_one_line_by_reason(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(tmp_path, "a.JPG", "b.jfif", "c.HEIC", "d.heic", "e.gif", "f", ".g.gif")
    (tmp_path / "gone.png").symlink_to("nowhere.png")
    assert names(tmp_path) == ["a", "b"]
    (line,) = capsys.readouterr().out.splitlines()
    assert line == f"note: {tmp_path}: passed over 1 .gif, 2 .heic, 1 dead links, 1 without a suffix"


def test_an_unreadable_folder_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The system is played: for root every folder is readable."""
    fill(tmp_path, "a.png", "shut/b.png")
    listing = os.scandir

    def scandir(path: Any) -> Any:
        if Path(path).name == "shut":
            raise PermissionError(13, "Permission denied", path)
        return listing(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert names(tmp_path) == ["a"]
    assert "passed over 1 folders that may not be read" in capsys.readouterr().out


def test_what_lies_where_nobody_may_enter_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder may be listed and yet not entered, which the system is played to say: root may do all."""
    fill(tmp_path, "a.png", "shut/b.png", "shut/c.txt")
    stat = Path.stat

    def refusing(path: Path, **options: Any) -> os.stat_result:
        if path.parent.name == "shut":
            raise PermissionError(13, "Permission denied", str(path))
        return stat(path, **options)

    monkeypatch.setattr(Path, "stat", refusing)
    assert names(tmp_path) == ["a"]
    assert "passed over 2 behind folders that may not be read" in capsys.readouterr().out
    with pytest.raises(SrlabError, match="inner may not be read: give yourself the right to or correct the path"):
        Folder(str(tmp_path / "shut" / "inner"), None).files()


def test_a_folder_of_other_formats_is_refused_with_what_it_holds(tmp_path: Path) -> None:
    with pytest.raises(SrlabError, match=r"holds no image \(.*\), but 2 \.heic: put some there or correct the path"):
        pictures(fill(tmp_path, "a.heic", "b.HEIC"))


PARTS = ["a", "A", "a_a", "b", "x.y", "a.png", "\udce9", "\udcff", "y" * 250, "é\n"]


@given(
    st.lists(
        st.lists(
            st.sampled_from(PARTS),
            min_size=1,
            max_size=3,
        )
        .map("/".join)
        .flatmap(lambda stem: st.sampled_from([f"{stem}.png", f"{stem}.PNG", f"{stem}.jpg"])),
        min_size=1,
        max_size=12,
        unique=True,
    )
)
def test_names_are_unique_even_where_case_does_not_count(relatives: list[str]) -> None:
    names = unique_names([PurePosixPath(relative) for relative in relatives])
    assert len({name.casefold() for name in names}) == len(relatives)
    assert all(name.isprintable() and len(name.encode()) <= LONGEST for name in names)
