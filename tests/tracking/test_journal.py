"""What waits for MLflow survives whoever wrote it, whole."""

import fcntl
import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from srlab.tracking.journal import (
    Damaged,
    Journal,
    Progress,
    entries,
    files,
    header,
    is_held,
    remove,
    set_all_aside,
    sweep,
)

HEADER = dict.fromkeys(("kind", "key", "uri", "artifacts", "experiment", "tags", "params", "time"), "") | {
    "name": "x/y"
}
PLAIN = st.integers() | st.floats(allow_nan=False) | st.text() | st.none()


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path, HEADER)


def all_of(path: Path) -> list[Any]:
    return [entry for entry, _ in entries(path, 0)]


@given(st.lists(st.dictionaries(st.text(), PLAIN | st.lists(PLAIN), max_size=3), max_size=3))
@settings(max_examples=25, deadline=None)
def test_entries_are_read_as_they_were_written(told: list[Any]) -> None:
    told = [{"kind": "any", **entry} for entry in told]
    with tempfile.TemporaryDirectory() as folder:
        journal = Journal(Path(folder), HEADER)
        for entry in told:
            journal.append(entry)
        assert all_of(journal.path) == [HEADER, *told]
        assert header(journal.path) == HEADER | {"artifacts": str(Path(folder).parent)}  # "" of the project


def test_a_kill_leaves_whole_entries(journal: Journal) -> None:
    """Wherever it cuts the file off."""
    for number in range(3):
        journal.append({"kind": "any", "number": number, "text": "ä\n"})
    content, whole = journal.path.read_bytes(), all_of(journal.path)
    for length in range(len(content)):
        journal.path.write_bytes(content[:length])
        assert all_of(journal.path) == whole[: content[:length].count(b"\n")]


def test_a_closed_journal_is_free_though_a_worker_that_was_forked_lives_on(journal: Journal) -> None:
    child = subprocess.Popen(["cat"], stdin=subprocess.PIPE, pass_fds=[journal._file.fileno()])
    assert is_held(journal.path)
    journal.close()
    with journal.path.open("rb") as asking:
        fcntl.flock(asking, fcntl.LOCK_SH)  # as another process asks at this moment
        assert not is_held(journal.path)
    child.communicate()
    assert not is_held(journal.path.with_name("none"))


@pytest.mark.parametrize("content", ["", '{"run_id": "a', "[]", '{"unknown": 1}'])
def test_a_damaged_progress_starts_again(journal: Journal, capfd: pytest.CaptureFixture[str], content: str) -> None:
    file = journal.path.with_suffix(".sent")
    file.write_text(content)
    assert [Progress.of(journal.path) for _ in range(2)] == [Progress()] * 2
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith(f"{file} is damaged and now {file.parent}/set-aside/{file.name}: ")
    assert (file.parent / "set-aside" / file.name).read_text() == content


@pytest.mark.parametrize("content", ["", "{", "[]\n", "\x00\x00\n", json.dumps({"kind": "tags"}) + "\n"])
def test_a_journal_without_a_header_is_damaged(journal: Journal, content: str) -> None:
    journal.path.write_text(content)
    with pytest.raises(Damaged, match=f"{journal.path} has no header"):
        header(journal.path)


@pytest.mark.parametrize("how", ["removed", "set aside", "swept"])
def test_what_belongs_to_a_journal_goes_with_it(journal: Journal, tmp_path: Path, how: str) -> None:
    other = Journal(tmp_path, HEADER)
    for one in (journal, other):
        one.place("image.npy")
        Progress("id").note(one.path)
    if how == "removed":
        remove(journal.path)
    elif how == "set aside":
        place = set_all_aside(journal.path)
        assert (all_of(place), Progress.of(place).run_id) == ([HEADER], "id")
        assert files(place).is_dir()
    else:
        journal.path.unlink()  # and then a kill came
        sweep(tmp_path)
    assert len([path for path in tmp_path.iterdir() if path.stem == other.path.stem]) == 3
    assert [path for path in tmp_path.iterdir() if path.stem == journal.path.stem] == []
