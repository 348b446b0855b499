"""The choice as a whole: what is kept, in which order, what is said about the rest."""

import csv
import gzip
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from skimage import data

from srlab.datasets.selection import ROUND, Selected, Selection, best_of, keep_all, select, write_selection
from srlab.datasets.selection_criteria import DUPLICATE, VERDICTS, Criteria, Weights
from srlab.datasets.sources import Folder
from srlab.errors import SrlabError

OPEN = Criteria(16, 0, -999, 1, 1, 0, 0, 6)  # drops nothing but twins
WEIGHTS = Weights(1, 1, 0, 1, 1, 2)
Files = list[tuple[str, Path]]


def picture(seed: int, side: int = 48) -> Image.Image:
    """Coloured blobs: pictures whose hashes are far apart."""
    blobs = np.random.default_rng(seed).integers(0, 256, (6, 6, 3)).astype(np.uint8)
    return Image.fromarray(blobs).resize((side, side), Image.Resampling.BICUBIC)


@pytest.fixture
def pool(tmp_path: Path) -> Files:
    for seed in range(12):
        picture(seed).save(tmp_path / f"p{seed:02}.png")
    return Folder(str(tmp_path), None).files()


def chosen(selection: Selection) -> list[str]:
    return [selection.candidates[place][0] for place in selection.chosen]


def column(selection: Selection, key: str) -> list[Any]:
    """One measure, the score or the verdict of every candidate in the order of the pool."""
    return [row[key] for row in selection.candidates.table()]


def choose(files: Files, num: int, criteria: Criteria = OPEN, seed: int = 0, n_jobs: int = 1) -> Selection:
    return select(files, num, criteria, WEIGHTS, seed, n_jobs)


def test_the_chosen_have_the_highest_scores_best_first(pool: Files) -> None:
    selection = choose(pool, 4)
    scores = column(selection, "score")
    assert [scores[place] for place in selection.chosen] == sorted(scores, reverse=True)[:4]


def test_the_order_of_the_pool_does_not_matter(pool: Files) -> None:
    assert chosen(choose(pool[::-1], 5)) == chosen(choose(pool, 5))


def test_the_number_of_processes_does_not_matter(pool: Files) -> None:
    assert list(choose(pool, 5, n_jobs=2).candidates.table()) == list(choose(pool, 5).candidates.table())


def equal_candidates(folder: Path) -> Files:
    picture(0).save(folder / "same.png")
    return [(f"copy{index}", folder / "same.png") for index in range(8)]


def test_ties_are_broken_by_the_seed_and_not_by_the_order(tmp_path: Path) -> None:
    files, both = equal_candidates(tmp_path), Criteria(16, 0, -999, 1, 1, 0, 0, duplicate_bits=-1)
    assert chosen(choose(files, 3, both, seed=1)) == chosen(choose(files[::-1], 3, both, seed=1))
    assert len({tuple(chosen(choose(files, 3, both, seed=seed))) for seed in range(5)}) > 1


def test_another_coding_and_another_size_are_twins_and_the_better_one_stays(pool: Files, tmp_path: Path) -> None:
    photo = Image.fromarray(data.chelsea())
    photo.save(tmp_path / "cat.png")
    photo.save(tmp_path / "cat_q30.jpg", quality=30)
    photo.resize((225, 150)).save(tmp_path / "cat_half.png")
    family = [(name, tmp_path / name) for name in ("cat_half.png", "cat_q30.jpg", "cat.png")]
    selection = choose([*family, *pool], 15)
    names = column(selection, "name")
    best = max(range(3), key=column(selection, "score").__getitem__)
    assert selection.counts()["near-duplicate"] == 2
    assert set(chosen(selection)) == {names[best], *names[3:]}


def test_no_two_of_the_chosen_have_near_hashes(pool: Files) -> None:
    selection = choose(pool, 12)
    hashes = [column(selection, "hash")[place] for place in selection.chosen]
    assert min((a ^ b).bit_count() for i, a in enumerate(hashes) for b in hashes[:i]) > OPEN.duplicate_bits


def test_unreadable_candidates_are_counted_and_named(pool: Files, tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"no image")
    (tmp_path / "empty.png").touch()
    selection = choose([("broken", tmp_path / "broken.png"), *pool, ("empty", tmp_path / "empty.png")], 3)
    assert selection.counts()["unreadable"] == 2
    assert [line.split()[0] for line in selection.unreadable] == [
        str(tmp_path / n) for n in ("broken.png", "empty.png")
    ]


def test_of_many_unreadable_candidates_ten_are_named(pool: Files, tmp_path: Path) -> None:
    missing = [(f"m{index}", tmp_path / f"m{index}.png") for index in range(25)]
    selection = choose([*missing, *pool], 1)
    assert (selection.counts()["unreadable"], len(selection.unreadable)) == (25, 10)


def test_the_verdicts_add_up_to_the_pool(pool: Files) -> None:
    assert sum(choose(pool, 4, Criteria(16, 0, -999, 1, 1, 60, 0, 6)).counts().values()) == len(pool)


def test_too_few_are_said_and_counted(pool: Files, capsys: pytest.CaptureFixture[str]) -> None:
    selection = choose(pool, 99)
    assert (selection.wanted, len(selection.chosen)) == (99, 12)
    assert "99 pictures were wanted, only 12 of 12" in capsys.readouterr().out


def test_a_pool_of_which_nothing_is_good_enough_is_refused(pool: Files) -> None:
    with pytest.raises(SrlabError, match=r"none of \d+ candidates meets the criteria \(.*\d+\): loosen"):
        choose(pool, 3, Criteria(4000, 0, -999, 1, 1, 0, 0, 6))


def test_an_empty_pool_is_refused() -> None:
    with pytest.raises(SrlabError, match="no candidates"):
        choose([], 3)


def test_a_number_below_one_is_refused(pool: Files) -> None:
    with pytest.raises(SrlabError, match="num_images is 0"):
        choose(pool, 0)


def test_two_chosen_of_one_name_are_refused(pool: Files) -> None:
    with pytest.raises(SrlabError, match="two candidates are named a"):
        choose([("a", pool[0][1]), ("a", pool[1][1])], 2)


def test_a_stream_is_read_a_round_at_a_time(pool: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each round is measured before the next is listed: the list of a large pool is never held."""
    listed, measured_when = [], []
    monkeypatch.setattr("srlab.datasets.selection._row", lambda path: measured_when.append(len(listed)) or "unreadable")

    def stream() -> Iterator[tuple[str, Path]]:
        for index in range(2 * ROUND + 1):
            listed.append(index)
            yield f"c{index}", pool[0][1]

    with pytest.raises(SrlabError, match="unreadable"):  # each of them
        select(stream(), 1, OPEN, WEIGHTS, 0, 1)
    assert sorted(set(measured_when)) == [ROUND, 2 * ROUND, 2 * ROUND + 1]


def test_a_path_of_any_bytes_comes_back(tmp_path: Path) -> None:
    odd = Path(os.fsdecode(bytes(tmp_path) + b"/line\nand \xff.png"))
    picture(0).save(odd)
    assert choose([(odd.stem, odd)], 1).candidates[0] == (odd.stem, odd)


# --- what is written and read


def test_the_written_choice_is_what_the_next_stage_reads(pool: Files, tmp_path: Path) -> None:
    source, out = Folder(str(tmp_path), None), tmp_path / "out"
    selection = best_of(source, 5, OPEN, WEIGHTS, 0, 1)
    write_selection(selection, str(source), out)
    selected = Selected(source, str(out / "selection.json"))
    assert selected.files() == [selection.candidates[place] for place in selection.chosen]
    assert selected.wanted == 5


def test_a_whole_set_passes_through_unchanged(pool: Files, tmp_path: Path) -> None:
    source, out = Folder(str(tmp_path), 7), tmp_path / "out"
    write_selection(keep_all(source), str(source), out)
    selected = Selected(source, str(out / "selection.json"))
    assert (selected.files(), selected.wanted, str(selected)) == (source.files(), 7, str(source))


def test_a_chosen_picture_that_has_gone_is_named(pool: Files, tmp_path: Path) -> None:
    source, out = Folder(str(tmp_path), None), tmp_path / "out"
    write_selection(best_of(source, 12, OPEN, WEIGHTS, 0, 1), str(source), out)
    (tmp_path / "p05.png").unlink()
    with pytest.raises(SrlabError, match="chose p05, which"):
        Selected(source, str(out / "selection.json")).files()


def test_equal_selections_are_equal_bytes(pool: Files, tmp_path: Path) -> None:
    for out in ("a", "b"):
        write_selection(choose(pool, 4), "Pool", tmp_path / out)
    for file in ("selection.json", "candidates.csv.gz"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_the_list_of_candidates_has_all_with_score_and_verdict(pool: Files, tmp_path: Path) -> None:
    selection = choose(pool, 4)
    write_selection(selection, "Pool", tmp_path / "out")
    with gzip.open(tmp_path / "out" / "candidates.csv.gz", "rt") as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == [name for name, _ in pool]
    assert [row["verdict"] for row in rows] == [VERDICTS[verdict] for verdict in column(selection, "verdict")]
    scores = [float(row["score"]) for row in rows]
    np.testing.assert_allclose(scores, column(selection, "score"), atol=1e-6)  # six decimals


def test_the_record_holds_no_path_of_this_machine(pool: Files, tmp_path: Path) -> None:
    write_selection(choose(pool, 99), "Pool", tmp_path / "out")
    record = json.loads((tmp_path / "out" / "selection.json").read_text())
    assert (record["wanted"], record["got"], record["candidates"]) == (99, 12, 12)
    assert str(tmp_path) not in json.dumps(record)


@pytest.mark.data
def test_the_sample_of_imagenet_has_no_twins() -> None:
    root = os.environ.get("SRLAB_DATASETS")
    if not root:
        pytest.skip("SRLAB_DATASETS is not set")
    files = Folder(str(Path(root, "imagenet_sample")), 60).files()
    assert select(files, 60, OPEN, WEIGHTS, 0).counts()[VERDICTS[DUPLICATE]] == 0
