"""A download is whole or an error, whatever the line does: cut, resumed, without ranges, changed, not there."""

import gzip
import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from loopback import Page, Site, serving

from srlab.datasets.downloads import SourceUnavailable, cache_folder, download

MIB = 1 << 20
BODY = np.random.default_rng(0).bytes(3 * MIB + 17)


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setattr("srlab.datasets.downloads.time.sleep", lambda seconds: None)
    with serving() as site:
        yield site


def test_a_compressed_file_stays_compressed_whatever_the_server_calls_it(site: Site, tmp_path: Path) -> None:
    packed = gzip.compress(BODY)
    assert download(site.put("/a.tgz", Page(packed, encoding="x-gzip")), tmp_path, None).read_bytes() == packed


def test_a_cut_download_is_resumed_where_it_stopped(site: Site, tmp_path: Path) -> None:
    url = site.put("/a.tar", Page(BODY, cuts=[MIB + 5, MIB + 5]))
    assert download(url, tmp_path, None, attempts=1).read_bytes() == BODY  # a cut is no failure while bytes come
    assert [wanted for _, wanted in site.asked] == [None, f"bytes={MIB + 5}-", f"bytes={2 * MIB + 10}-"]


def test_a_later_run_resumes_it_too(site: Site, tmp_path: Path) -> None:
    url = site.put("/a.tar", Page(BODY, cuts=[2 * MIB], statuses=[200, 404]))
    with pytest.raises(SourceUnavailable):
        download(url, tmp_path, None)
    site.asked.clear()
    assert download(url, tmp_path, None).read_bytes() == BODY
    assert site.asked == [("/a.tar", f"bytes={2 * MIB}-")]


def test_a_server_that_gives_short_ranges_is_asked_for_the_next(site: Site, tmp_path: Path) -> None:
    url = site.put("/a.tar", Page(BODY, cuts=[MIB], longest_range=MIB))
    assert download(url, tmp_path, None).read_bytes() == BODY


def test_without_ranges_a_cut_download_begins_again(site: Site, tmp_path: Path) -> None:
    url = site.put("/a.tar", Page(BODY, ranges=False, cuts=[2 * MIB]))
    assert download(url, tmp_path, None).read_bytes() == BODY
    assert [wanted for _, wanted in site.asked] == [None, None]


def test_a_line_that_is_always_cut_ends_with_the_bytes_that_came(site: Site, tmp_path: Path) -> None:
    url = site.put("/a.tar", Page(BODY, ranges=False, cuts=[10] * 9))
    with pytest.raises(SourceUnavailable, match=r"10 bytes.*\(3 tries in a row\)"):
        download(url, tmp_path, None, attempts=3)
    assert len(site.asked) == 3


@pytest.mark.parametrize("now", [Page(BODY, tag='"b"'), Page(b"short")], ids=["changed", "shorter"])
def test_a_file_that_changes_meanwhile_is_not_glued_together(site: Site, tmp_path: Path, now: Page) -> None:
    url = site.put("/a.tar", Page(b"old" * MIB, cuts=[MIB + 1], statuses=[200, 404]))
    with pytest.raises(SourceUnavailable):
        download(url, tmp_path, None)
    site.put("/a.tar", now)
    assert download(url, tmp_path, None).read_bytes() == now.body


def test_a_404_is_asked_for_once(site: Site, tmp_path: Path) -> None:
    with pytest.raises(SourceUnavailable, match="the server answers 404"):
        download(f"{site.address}/none.zip", tmp_path, None)
    assert len(site.asked) == 1


def test_a_busy_server_is_asked_again(site: Site, tmp_path: Path) -> None:
    url = site.put("/a.tar", Page(b"content", statuses=[503, 429]))
    assert download(url, tmp_path, None).read_bytes() == b"content"


def test_a_server_that_is_not_there_is_an_error_in_one_line(tmp_path: Path, site: Site) -> None:
    with serving() as other:
        gone = other.address
    with pytest.raises(SourceUnavailable, match="refused") as caught:
        download(f"{gone}/a.tar", tmp_path, None, attempts=1)
    assert "\n" not in str(caught.value)


def test_a_file_that_was_damaged_in_the_cache_is_downloaded_again(site: Site, tmp_path: Path) -> None:
    url, checksum = site.put("/a.tar", Page(b"content")), f"sha256:{hashlib.sha256(b'content').hexdigest()}"
    download(url, tmp_path, checksum).write_bytes(b"c0ntent")
    assert download(url, tmp_path, checksum).read_bytes() == b"content"


@pytest.mark.parametrize("checksum", [
    "md5:9a0364b9e99bb480dd25e1f0284c8555",  # `printf content | md5sum`
    "sha256:ED7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73",  # `printf content | sha256sum`
])  # fmt: skip
def test_wrong_bytes_do_not_pass_their_checksum_and_are_not_kept(site: Site, tmp_path: Path, checksum: str) -> None:
    url = site.put("/a.tar", Page(b"c0ntent"))
    with pytest.raises(SourceUnavailable, match="its checksum is "):
        download(url, tmp_path, checksum)
    site.put("/a.tar", Page(b"content"))
    assert download(url, tmp_path, checksum).read_bytes() == b"content"


def test_what_is_there_is_not_asked_for(site: Site, tmp_path: Path) -> None:
    url = site.put("/a.tar", Page(b"content"))
    assert download(url, tmp_path, None) == download(url, tmp_path, None)
    assert len(site.asked) == 1


def test_equal_names_of_two_homes_are_two_files(site: Site, tmp_path: Path) -> None:
    first = download(site.put("/one/data.zip", Page(b"1")), tmp_path, None)
    assert download(site.put("/two/data.zip", Page(b"2")), tmp_path, None) != first


def test_the_cache_is_where_the_variable_says_or_in_the_home_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SRLAB_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("SRLAB_CACHE")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "srlab"
