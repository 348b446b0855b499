"""What waits for MLflow survives whoever wrote it, whole."""

import fcntl
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from srlab.tracking.journal import (
    Gone,
    InUse,
    Journal,
    Progress,
    concerning,
    entries,
    files,
    header,
    is_followed,
    is_held,
    journals,
    num_waiting,
    one_line,
    remove,
    sending,
    sweep,
    taken,
)

HEADER = {"name": "espcn", "key": "local-1"}
PLAIN = st.integers() | st.floats(allow_nan=False) | st.text() | st.none()


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path, HEADER)


def all_of(path: Path) -> list[Any]:
    return [entry for entry, _ in entries(path, 0)]


@given(st.lists(st.dictionaries(st.text(), PLAIN | st.lists(PLAIN), max_size=3), max_size=3))
@settings(max_examples=50, deadline=None)
def test_entries_are_read_as_they_were_written(told: list[Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        journal = Journal(Path(folder), HEADER)
        for entry in told:
            journal.append(entry)
        assert all_of(journal.path) == [HEADER, *told]
        assert header(journal.path) == HEADER


def test_a_kill_leaves_whole_entries(journal: Journal) -> None:
    """Wherever it cuts the file off."""
    for number in range(3):
        journal.append({"number": number, "text": "ä\n"})
    content, whole = journal.path.read_bytes(), all_of(journal.path)
    for length in range(len(content)):
        journal.path.write_bytes(content[:length])
        assert all_of(journal.path) == whole[: content[:length].count(b"\n")]


def test_an_entry_is_there_once_it_is_told(tmp_path: Path) -> None:
    code = f"""
import os; from pathlib import Path; from srlab.tracking.journal import Journal
journal = Journal(Path({str(tmp_path)!r}), {HEADER!r})
journal.append({{"kind": "last words"}})
os.kill(os.getpid(), 9)
"""
    subprocess.run([sys.executable, "-c", code], check=False)
    (path,) = journals(tmp_path)
    assert all_of(path) == [HEADER, {"kind": "last words"}]


def test_what_was_sent_does_not_wait(journal: Journal) -> None:
    for number in range(3):
        journal.append({"number": number})
    ends = [offset for _, offset in entries(journal.path, 0)]
    assert num_waiting(journal.path) == 4
    Progress("id", offset=ends[1]).note(journal.path)
    assert num_waiting(journal.path) == 2
    assert [entry["number"] for entry, _ in entries(journal.path, ends[1])] == [1, 2]


def test_files_are_copies(journal: Journal, tmp_path: Path) -> None:
    (tmp_path / "one.txt").write_text("1")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/one.txt").write_text("1")
    kept = [journal.keep(tmp_path / name) for name in ("one.txt", "one.txt", "folder")]
    (tmp_path / "one.txt").write_text("2")
    (tmp_path / "folder/one.txt").unlink()
    assert len(set(kept)) == 3
    assert [Path(name).name for name in kept] == ["one.txt", "one.txt", "folder"]
    assert (files(journal.path) / kept[0]).read_text() == "1"
    assert (files(journal.path) / kept[2] / "one.txt").read_text() == "1"


def test_a_journal_is_locked_while_it_is_written(journal: Journal) -> None:
    with pytest.raises(InUse), taken(journal.path):
        pass
    journal.close()
    with taken(journal.path), pytest.raises(InUse), taken(journal.path):
        pass


def test_a_closed_journal_is_free_though_a_worker_that_was_forked_lives_on(journal: Journal) -> None:
    child = subprocess.Popen(["cat"], stdin=subprocess.PIPE, pass_fds=[journal._file.fileno()])
    assert is_held(journal.path)
    journal.close()
    assert not is_held(journal.path)
    child.communicate()


def test_to_ask_who_holds_a_journal_disturbs_nobody_who_asks(journal: Journal) -> None:
    journal.close()
    with journal.path.open("rb") as asking:
        fcntl.flock(asking, fcntl.LOCK_SH)  # as another process does it at this moment
        assert not is_held(journal.path)
    journal.path.unlink()
    assert not is_held(journal.path)


def test_who_follows_an_outbox_sends_alone(tmp_path: Path) -> None:
    outbox = tmp_path / "outbox"
    with sending(outbox, alone=False) as first, sending(outbox, alone=False) as second:
        assert first
        assert second
        assert not is_followed(outbox)
    with sending(outbox, alone=True) as follows, sending(outbox, alone=False) as sends:
        assert follows
        assert not sends
        assert is_followed(outbox)
    assert not is_followed(outbox)
    assert list(outbox.iterdir()) == []  # nothing that would have to be cleared away


@pytest.mark.parametrize(
    ("error", "line"),
    [(ValueError("\n first \nsecond"), "first"), (ValueError("a" * 300), "a" * 120), (ValueError(), "ValueError")],
)
def test_of_an_exception_one_line_is_told(error: Exception, line: str) -> None:
    assert one_line(error).strip() == line


def test_a_journal_that_goes_while_somebody_waits_for_it_is_gone(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal.close()

    def removed_first(*_: Any) -> None:
        journal.path.unlink()  # as another process does it between our opening and our locking

    monkeypatch.setattr("srlab.tracking.journal.fcntl.flock", removed_first)
    with pytest.raises(Gone), taken(journal.path):
        pass
    with pytest.raises(Gone), taken(journal.path):
        pass


def test_journals_of_a_run_are_found_by_its_key_and_by_its_id(tmp_path: Path) -> None:
    first, other, second = (Journal(tmp_path, {"name": "x/y", "key": key}) for key in ("local-1", "local-2", "abc"))
    Progress("abc").note(first.path)
    Progress("def").note(other.path)
    assert concerning(tmp_path, "abc") == [first.path, second.path]
    assert concerning(tmp_path, "local-1") == [first.path]
    assert concerning(tmp_path, "unknown") == []


def test_nothing_stays_of_a_journal_that_is_removed(journal: Journal, tmp_path: Path) -> None:
    journal.place("image.npy")
    Progress("id").note(journal.path)
    remove(journal.path)
    assert list(tmp_path.iterdir()) == []


def test_what_a_kill_left_of_a_removed_journal_is_swept(journal: Journal, tmp_path: Path) -> None:
    other = Journal(tmp_path, HEADER)
    for one in (journal, other):
        one.place("image.npy")
        Progress("id").note(one.path)
    journal.path.unlink()
    sweep(tmp_path)
    assert {path.stem for path in tmp_path.iterdir()} == {other.path.stem}
    assert len(list(tmp_path.iterdir())) == 3
