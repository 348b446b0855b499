"""The choice as a whole: what is kept, in which order, what is said about the rest."""

import csv
import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data
from standard_sets import mirror

from srlab.datasets.selection import Selected, Selection, best_of, keep_all, write_selection
from srlab.datasets.selection_criteria import DUPLICATE, VERDICTS, Criteria, Weights
from srlab.datasets.sources import Folder, Source
from srlab.errors import SrlabError
from srlab.files import read_json

OPEN = Criteria(16, 0, -999, 1, 1, 0, 0, 6)  # drops nothing but duplicates
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


class Pool(Source):
    """The source of these files."""

    wanted = None

    def __init__(self, files: Files) -> None:
        self.files = lambda: files


def choose(files: Files, num: int, criteria: Criteria = OPEN, seed: int = 0, n_jobs: int = 1) -> Selection:
    return best_of(Pool(files), num, criteria, WEIGHTS, seed, n_jobs)


def test_the_number_of_processes_does_not_matter(pool: Files) -> None:
    one, two = (choose(pool, 5, n_jobs=n_jobs) for n_jobs in (1, 2))
    assert one.chosen == two.chosen
    np.testing.assert_array_equal(one.candidates.measures, two.candidates.measures)


def equal_candidates(folder: Path) -> Files:
    picture(0).save(folder / "same.png")
    return [(f"copy{index}", folder / "same.png") for index in range(8)]


def test_ties_are_broken_by_the_seed_and_not_by_the_order(tmp_path: Path) -> None:
    files, both = equal_candidates(tmp_path), Criteria(16, 0, -999, 1, 1, 0, 0, duplicate_bits=-1)
    assert chosen(choose(files, 3, both, seed=1)) == chosen(choose(files[::-1], 3, both, seed=1))
    assert len({tuple(chosen(choose(files, 3, both, seed=seed))) for seed in range(5)}) > 1


def test_another_coding_and_another_size_are_duplicates_and_the_better_one_stays(pool: Files, tmp_path: Path) -> None:
    photo = Image.fromarray(data.chelsea())
    photo.save(tmp_path / "cat.png")
    photo.save(tmp_path / "cat_q30.jpg", quality=30)
    photo.resize((225, 150)).save(tmp_path / "cat_half.png")
    family = [(name, tmp_path / name) for name in ("cat_half.png", "cat_q30.jpg", "cat.png")]
    selection = choose([*family, *pool], 15)
    names = [name for name, _ in selection.candidates.files]
    assert selection.candidates.counts()["near-duplicate"] == 2
    assert set(chosen(selection)) == {names[selection.candidates.scores[:3].argmax()], *names[3:]}


def test_unreadable_candidates_are_counted_and_the_first_ten_named(
    pool: Files, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "broken.png").write_bytes(b"no image")
    missing = [(f"m{index}", tmp_path / f"m{index}.png") for index in range(24)]
    selection = choose([("broken", tmp_path / "broken.png"), *pool, *missing], 3)
    counts = selection.candidates.counts()
    assert (counts["unreadable"], selection.fails["unreadable"]) == (25, 25)
    assert sum(counts.values()) == len(pool) + 25
    named = ["broken.png", *(f"m{index}.png" for index in range(9))]
    assert "note: of 37 candidates were passed over: unreadable 25\n" in capsys.readouterr().out
    assert [line.split()[0] for line in selection.unreadable] == [str(tmp_path / name) for name in named]


def test_a_pool_of_which_nothing_is_good_enough_is_refused(pool: Files) -> None:
    with pytest.raises(SrlabError, match=r"none of \d+ candidates meets the criteria \(.*\d+\): loosen"):
        choose(pool, 3, Criteria(4000, 0, -999, 1, 1, 0, 0, 6))


def test_an_empty_pool_and_a_number_below_one_are_refused(pool: Files) -> None:
    with pytest.raises(SrlabError, match="no candidates"):
        choose([], 3)
    with pytest.raises(SrlabError, match="num_images is 0"):
        choose(pool, 0)


def test_two_chosen_of_one_name_are_refused(pool: Files) -> None:
    with pytest.raises(SrlabError, match="two candidates are named a"):
        choose([("a", pool[0][1]), ("a", pool[1][1])], 2)


# --- what is written and read


def test_the_written_choice_is_what_the_next_stage_reads(pool: Files, tmp_path: Path) -> None:
    source, out = Folder(str(tmp_path), None), tmp_path / "out"
    selection = best_of(source, 5, OPEN, WEIGHTS, 0, 1)
    write_selection(selection, source, out)
    selected = Selected(source, str(out / "selection.json"))
    assert selected.files() == [selection.candidates[place] for place in selection.chosen]
    assert selected.wanted == 5


def test_a_whole_set_passes_through_unchanged(pool: Files, tmp_path: Path) -> None:
    source, out = Folder(str(tmp_path), 7), tmp_path / "out"
    write_selection(keep_all(source), source, out)
    selected = Selected(source, str(out / "selection.json"))
    assert (selected.files(), selected.wanted, str(selected)) == (source.files(), 7, str(source))


def test_a_chosen_picture_that_has_gone_is_named(pool: Files, tmp_path: Path) -> None:
    source, out = Folder(str(tmp_path), None), tmp_path / "out"
    write_selection(best_of(source, 12, OPEN, WEIGHTS, 0, 1), source, out)
    (tmp_path / "p05.png").unlink()
    with pytest.raises(SrlabError, match="chose p05, which"):
        Selected(source, str(out / "selection.json")).files()


def test_equal_selections_are_equal_bytes_without_a_path_of_this_machine(pool: Files, tmp_path: Path) -> None:
    for out in ("a", "b"):
        write_selection(choose(pool, 4), Folder(str(tmp_path), None), tmp_path / out)
    for file in ("selection.json", "candidates.csv.gz"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
    record = read_json(tmp_path / "a" / "selection.json")
    assert (record["wanted"], record["got"], record["candidates"]) == (4, 4, 12)
    assert str(tmp_path) not in json.dumps(record)


def test_the_list_of_candidates_has_all_with_score_and_verdict(pool: Files, tmp_path: Path) -> None:
    selection = choose(pool, 4)
    write_selection(selection, Pool(pool), tmp_path / "out")
    with gzip.open(tmp_path / "out" / "candidates.csv.gz", "rt") as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == [name for name, _ in pool]
    assert [row["verdict"] for row in rows] == [VERDICTS[verdict] for verdict in selection.candidates.verdicts]
    scores = [float(row["score"]) for row in rows]
    np.testing.assert_allclose(scores, selection.candidates.scores, atol=1e-6)  # six decimals
    assert [int(row["hash"], 16) for row in rows] == selection.candidates.measures["hash"].tolist()


@pytest.mark.data
def test_the_sample_of_imagenet_has_no_duplicates() -> None:
    sample = Folder(str(mirror("imagenet_sample")), 60)
    assert best_of(sample, 60, OPEN, WEIGHTS, 0).candidates.counts()[VERDICTS[DUPLICATE]] == 0
