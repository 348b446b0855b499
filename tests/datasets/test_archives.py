"""Archives are unpacked whole and inside their folder or not at all; a set comes from the first home that has it."""

import io
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
from hydra.utils import instantiate
from hypothesis import given, settings
from hypothesis import strategies as st
from loopback import Page, Site, serving
from omegaconf import OmegaConf
from PIL import Image

from srlab.datasets.archives import Archive, Damaged, unpack
from srlab.datasets.downloads import SourceUnavailable
from srlab.datasets.folders import pictures
from srlab.datasets.verification import PixelCheck, write_digests
from srlab.errors import SrlabError

Content = Mapping[str, bytes]


def png(seed: int, suffix: str = "PNG") -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (20, 24, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, suffix)
    return file.getvalue()


PNGS = {f"set/HR/{name}.png": png(seed) for seed, name in enumerate(["baby", "bird", "head"])}


def zipped(content: Content) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name, data in content.items():
            bundle.writestr(name, data)
    return file.getvalue()


def tarred(content: Content, mode: str = "w") -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=mode) as bundle:  # pyright: ignore[reportCallIssue, reportArgumentType]
        for name, data in content.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            bundle.addfile(member, io.BytesIO(data))
    return file.getvalue()


def tar_gz(content: Content) -> bytes:
    return tarred(content, "w:gz")


FORMATS = {"zip": zipped, "tar": tarred, "tar.gz": tar_gz}


def saved(folder: Path, data: bytes) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "archive").write_bytes(data)
    return folder / "archive"


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


# --- unpack


@pytest.mark.parametrize("packed", FORMATS.values(), ids=FORMATS)
def test_the_images_that_fit_are_unpacked_byte_for_byte(packed: Callable[[Content], bytes], tmp_path: Path) -> None:
    archive = saved(tmp_path, packed({**PNGS, "set/LR/baby.png": b"x", "set/HR/._bird.png": b"x", "notes.txt": b"x"}))
    unpack(archive, "HR/*.png", tmp_path / "out")
    assert {name: (tmp_path / "out" / name).read_bytes() for name in names(tmp_path / "out")} == PNGS


@pytest.mark.parametrize("packed", FORMATS.values(), ids=FORMATS)
def test_nothing_is_written_outside_the_folder(packed: Callable[[Content], bytes], tmp_path: Path) -> None:
    evil = dict.fromkeys(["../evil.png", "set/../../evil.png", str(tmp_path / "evil.png")], png(9))
    unpack(saved(tmp_path / "in", packed({**PNGS, **evil})), "*.png", tmp_path / "in" / "out")
    assert all(name.startswith("in/") for name in names(tmp_path))
    assert {f"in/out/{name}" for name in PNGS} < set(names(tmp_path))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_in_a_tar_are_passed_over(kind: bytes, tmp_path: Path) -> None:
    archive = saved(tmp_path / "in", b"")
    with tarfile.open(archive, "w") as bundle:
        for name in ("baby.png", "set"):  # the second would lead the member behind it out
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, str(tmp_path)
            bundle.addfile(member)
        member = tarfile.TarInfo("set/a.png")
        member.size = 1
        bundle.addfile(member, io.BytesIO(b"x"))
    unpack(archive, "*.png", tmp_path / "in" / "out")
    assert names(tmp_path) == ["in/archive", "in/out/set/a.png"]


@pytest.mark.parametrize("packed", FORMATS.values(), ids=FORMATS)
@settings(max_examples=40, deadline=None)
@given(part=st.floats(0, 1))
def test_part_of_an_archive_never_gives_part_of_the_images(
    packed: Callable[[Content], bytes], part: float, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("part")
    whole = packed(PNGS)
    archive = saved(folder, whole[: int(part * len(whole))])
    try:
        unpack(archive, "*.png", folder / "out")
    except Damaged:
        assert names(folder) == ["archive"]
    else:  # only the padding at its end was cut off
        assert names(folder / "out") == sorted(PNGS)


@pytest.mark.parametrize(("content", "message"), [
    (b"<!DOCTYPE html><html>", r"no tar or zip.*<!DOCTYPE html>"),
    (b"Rar!\x1a\x07\x00" + bytes(99), "it is a RAR"),
])  # fmt: skip
def test_what_is_no_archive_is_said(content: bytes, message: str, tmp_path: Path) -> None:
    with pytest.raises(Damaged, match=message):
        unpack(saved(tmp_path, content), "*.png", tmp_path / "out")


def test_an_archive_without_fitting_images_is_no_home(tmp_path: Path) -> None:
    with pytest.raises(SourceUnavailable, match="no image that fits"):
        unpack(saved(tmp_path, zipped(PNGS)), "Set14/*.png", tmp_path / "out")


# --- Archive

CONFIGS = Path(__file__).parents[2] / "conf" / "dataset"
PUBLIC = [file for file in sorted(CONFIGS.glob("*.yaml")) if "archives.Archive" in file.read_text()]


@pytest.mark.parametrize("file", PUBLIC, ids=[file.stem for file in PUBLIC])
def test_every_public_set_of_the_project_can_be_made(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(CONFIGS.parents[1])  # where the digests are found
    line = {"name": file.stem, "datasets": {file.stem: {"num_images": 3}}}
    source = instantiate(OmegaConf.merge(OmegaConf.load(file), line).source)
    assert source.wanted == 3
    assert all(str(home["url"]).startswith("http") for home in source.homes)


def test_a_home_with_a_misspelt_key_is_refused() -> None:
    with pytest.raises(SrlabError, match="has the keys url, images, md5"):
        Archive("Three", [{"url": "http://x/a.zip", "images": "*", "md5": "0"}], None)


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Site]:
    monkeypatch.setattr("srlab.datasets.downloads.time.sleep", lambda seconds: None)
    monkeypatch.setenv("SRLAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("SRLAB_DATASETS", raising=False)
    with serving() as site:
        yield site


def home(url: str) -> dict[str, str | None]:
    return {"url": url, "images": "HR/*"}


@pytest.fixture
def check(tmp_path: Path) -> PixelCheck:
    """Of the three images in PNGS."""
    unpack(saved(tmp_path / "right", zipped(PNGS)), "*.png", tmp_path / "right" / "out")
    write_digests("Three", pictures(tmp_path / "right" / "out"), "made for a test", tmp_path / "three.json")
    return PixelCheck(str(tmp_path / "three.json"))


def test_the_mirror_comes_before_any_network(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unpack(saved(tmp_path, zipped(PNGS)), "*.png", tmp_path / "mirror" / "Three")
    monkeypatch.setenv("SRLAB_DATASETS", str(tmp_path / "mirror"))
    source = Archive("Three", [home(f"{site.address}/a.zip")], None)
    assert [name for name, _ in source.files()] == ["baby", "bird", "head"]
    assert site.asked == []


def test_a_home_without_the_right_pixels_is_followed_by_the_next_and_names_are_those_of_the_set(
    site: Site, check: PixelCheck
) -> None:
    gone = f"{site.address}/gone.zip"
    wrong = site.put("/a.zip", Page(zipped({**PNGS, "set/HR/bird.png": png(9)})))
    renamed = {f"x/HR/img_{i}_SRF.png": data for i, data in enumerate(PNGS.values())}
    source = Archive("Three", [home(gone), home(wrong), home(site.put("/b.zip", Page(zipped(renamed))))], None, check)
    files = source.files()
    assert [name for name, _ in files] == ["baby", "bird", "head"]
    assert [path.read_bytes() for _, path in files] == list(PNGS.values())


def test_what_was_unpacked_is_used_again_without_network(site: Site) -> None:
    source = Archive("Three", [home(site.put("/a.zip", Page(zipped(PNGS))))], None)
    first = source.files()
    site.asked.clear()
    assert source.files() == first
    assert site.asked == []


def test_half_an_archive_is_asked_for_again_by_the_next_run(site: Site) -> None:
    whole = tar_gz(PNGS)
    source = Archive("Three", [home(site.put("/a.tgz", Page(whole[:-40], says_length=False)))], None)
    with pytest.raises(SrlabError, match="the archive is damaged"):
        source.files()
    site.put("/a.tgz", Page(whole))
    assert len(source.files()) == 3


def test_when_all_fail_each_home_has_its_line_and_the_last_line_is_the_cure(site: Site, check: PixelCheck) -> None:
    wrong = site.put("/wrong.zip", Page(zipped({**PNGS, "set/HR/bird.png": png(9), "set/HR/baby.png": png(8)})))
    page = site.put("/page.zip", Page(b"<html>"))
    gone = f"{site.address}/gone.zip"
    source = Archive("Three", [home(url) for url in (wrong, page, gone)], None, check, by_hand="ask Ann")
    with pytest.raises(SrlabError) as caught:
        source.files()
    mirror, *homes, cure = str(caught.value).splitlines()
    assert "could not obtain Three: SRLAB_DATASETS names no folder" in mirror
    assert [url in line for url, line in zip((wrong, page, gone), homes, strict=True)] == [True] * 3
    for reason, line in zip(("pixels are others", "no tar or zip", "404"), homes, strict=True):
        assert reason in line
    assert "ask Ann" in cure
    assert "SRLAB_DATASETS" in cure


def test_a_full_disk_is_told_from_a_damaged_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(zipfile.ZipFile, "extractall", full)
    with pytest.raises(SourceUnavailable, match=r"No space left.*SRLAB_CACHE") as caught:
        unpack(saved(tmp_path, zipped(PNGS)), "*.png", tmp_path / "out")
    assert not isinstance(caught.value, Damaged)
