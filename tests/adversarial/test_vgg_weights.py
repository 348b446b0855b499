"""The weights of the content loss: from where the user says, else from the mirror, else from one checked download."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from loopback import Page, Site, serving

from srlab.adversarial import vgg_weights
from srlab.adversarial.vgg import TORCHVISION_SHA256
from srlab.adversarial.vgg_weights import described, vgg19_file
from srlab.errors import SrlabError

BODY = b"the weights" * 10_000
DIGITS = hashlib.sha256(BODY).hexdigest()[:8]


@pytest.fixture(autouse=True)
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No file and no mirror named, and a cache of its own."""
    monkeypatch.delenv("SRLAB_VGG19", raising=False)
    monkeypatch.delenv("SRLAB_DATASETS", raising=False)
    monkeypatch.setenv("SRLAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("srlab.datasets.downloads.time.sleep", lambda seconds: None)


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as site:
        yield site


def offered(site: Site, monkeypatch: pytest.MonkeyPatch, page: Page, digits: str = DIGITS) -> None:
    """`page` at torchvision's place, under a name that promises a sha256 which begins with `digits`."""
    monkeypatch.setattr(vgg_weights, "HOME", site.put(f"/models/vgg19-{digits}.pth", page))


def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mirror/weights").mkdir(parents=True)
    (tmp_path / "mirror/weights/vgg19_conv.npz").write_bytes(b"mirrored")
    monkeypatch.setenv("SRLAB_DATASETS", str(tmp_path / "mirror"))


@pytest.mark.parametrize(("name", "convention"), [("mine.npz", "caffe"), ("mine.pth", "torchvision")])
def test_the_convention_and_the_digest_of_the_weights_are_told(name: str, convention: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(BODY)
    assert described(tmp_path / name) == f"{convention}, sha256 {hashlib.sha256(BODY).hexdigest()}"


def test_the_file_that_is_named_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mirror(tmp_path, monkeypatch)
    (tmp_path / "mine.npz").write_bytes(b"mine")
    monkeypatch.setenv("SRLAB_VGG19", str(tmp_path / "mine.npz"))
    assert vgg19_file() == tmp_path / "mine.npz"


@pytest.mark.parametrize("with_mirror", [False, True])
def test_without_either_torchvisions_file_is_downloaded_once(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, with_mirror: bool
) -> None:
    offered(site, monkeypatch, Page(BODY))
    if with_mirror:  # of images alone
        monkeypatch.setenv("SRLAB_DATASETS", str(tmp_path))
    for _ in range(2):
        file = vgg19_file()
        assert (file.read_bytes(), file.suffix) == (BODY, ".pth")
    assert len(site.asked) == 1


def test_a_cut_download_resumes(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    offered(site, monkeypatch, Page(BODY, cuts=[1000]))
    assert vgg19_file().read_bytes() == BODY
    assert [wanted for _, wanted in site.asked] == [None, "bytes=1000-"]


def test_another_file_under_that_name_is_refused_and_forgotten(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offered(site, monkeypatch, Page(b"a login page"))
    with pytest.raises(SrlabError, match=rf"gives none \(what came has sha256 \w{{8}}..., not {DIGITS}...\)"):
        vgg19_file()
    offered(site, monkeypatch, Page(BODY))
    assert vgg19_file().read_bytes() == BODY


def test_a_failed_download_is_one_line_that_names_the_ways(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offered(site, monkeypatch, Page(BODY, statuses=[403]))
    with pytest.raises(
        SrlabError, match=r"^a VGG content .*403 .*SRLAB_VGG19 .*SRLAB_DATASETS.* to mse in params.yaml$"
    ):
        vgg19_file()


def test_the_digits_of_the_name_are_those_that_the_reader_asks_for() -> None:
    assert vgg_weights.HOME.endswith(f"/vgg19-{TORCHVISION_SHA256}.pth")
