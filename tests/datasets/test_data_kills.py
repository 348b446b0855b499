"""Two processes that unpack, fetch and degrade the same set are killed at any moment; the next run is whole."""

import multiprocessing
import random
import signal
import tarfile
import time
from contextlib import suppress
from pathlib import Path

import pytest
from stores import images_folder, originals

from srlab.datasets.archives import unpack
from srlab.datasets.augmentation import build_index
from srlab.datasets.sources import Folder, fetch_images
from srlab.degradation.imaging import Bicubic
from srlab.degradation.packing import pack
from srlab.degradation.pairs import PairStore
from srlab.errors import SrlabError
from srlab.files import read_json

FORK = multiprocessing.get_context("fork")  # this process has imported torch, and computed nothing with it
KILLS = 5  # of two processes each; 40 of them by hand left as little


def chain(archive: Path, out: Path) -> None:
    """What the first two stages do."""
    unpack(archive, "*.png", out / "unpacked")
    fetch_images(Folder(str(out / "unpacked"), None), out / "images", 16)
    pack(
        out / "images",
        build_index(read_json(out / "images/manifest.json"), "test", 0, 1, 0),
        Bicubic(2),
        out / "x",
        16,
        1,
    )


def endless(archive: Path, out: Path) -> None:
    while True:
        with suppress(SrlabError, FileNotFoundError):  # the other one replaces what this one reads
            chain(archive, out)
            (out / "ran").touch()


@pytest.mark.filterwarnings("ignore")
def test_what_two_killed_processes_leave_is_whole_or_not_there(tmp_path: Path) -> None:
    images_folder(tmp_path, originals())
    with tarfile.open(tmp_path / "set.tar", "w") as archive:
        archive.add(tmp_path / "in", "in")
    draw, out = random.Random(0), tmp_path / "out"
    out.mkdir()
    for _ in range(KILLS):
        processes = [FORK.Process(target=endless, args=(tmp_path / "set.tar", out)) for _ in range(2)]
        for process in processes:
            process.start()
        while not (out / "ran").exists() and all(process.is_alive() for process in processes):
            time.sleep(0.01)
        time.sleep(draw.uniform(0, 0.3))
        for process in processes:
            process.kill()
            process.join()
            assert process.exitcode == -signal.SIGKILL
        (out / "ran").unlink()
        if (out / "unpacked").exists():
            assert len(list((out / "unpacked").rglob("*.png"))) == len(originals())
        if (out / "images").exists():
            assert len(list((out / "images").iterdir())) == len(originals()) + 1
        if (out / "x").exists():
            assert PairStore(out / "x").test == sorted(originals())
    chain(tmp_path / "set.tar", out)
    assert sorted(path.name for path in out.iterdir()) == ["images", "unpacked", "x"]
    assert PairStore(out / "x").test == sorted(originals())
