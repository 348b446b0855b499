"""Tables of figures read from CSV and Markdown."""

from pathlib import Path

import pytest

from srlab.errors import SrlabError
from srlab.report.claims import Claim, claim, method_key, read_claims, set_name

WIDE = "# a comment\nset,metric,Bicubic,SRCNN\nSet5,psnr,28.42,30.48\nSet5,ssim,0.8104,\n"
LONG = "method,set,psnr,ssim\nBicubic,Set5,28.42,0.8104\nSRCNN,Set5,30.48,\n"
PAIRS = (
    "# Results\n\ntext | with a pipe\n\n| Method | Params | Set5 |\n|---|---:|---|\n| Bicubic | - | 28.42 / 0.8104 |\n"
)
PAIRS += "| **SRCNN** | 57K | **30.48** |\n"
MERGED = "|Set|Metric|Bicubic|SRCNN|\n|:-|-|-|-|\n|<b>Set5</b> (5 images)|PSNR (dB)|28.42|**30.48**|\n||SSIM|0.8104||\n"
TABLES = {"wide.csv": WIDE, "long.csv": LONG, "pairs.md": PAIRS, "merged.md": MERGED}


@pytest.mark.parametrize("name", TABLES)
def test_every_layout_gives_the_same_claims(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(TABLES[name])
    found = {(one.set, one.method, one.metric, one.printed) for one in read_claims(tmp_path / name)}
    assert found == {
        ("Set5", "bicubic", "psnr", "28.42"),
        ("Set5", "srcnn", "psnr", "30.48"),
        ("Set5", "bicubic", "ssim", "0.8104"),
    }


def test_digits_stay_as_printed(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("set,metric,A\nSet5,psnr,30.10\n")
    assert read_claims(tmp_path / "t.csv") == [Claim("Set5", "a", "A", "psnr", "30.10")]


def test_methods_and_sets_are_known_by_any_spelling() -> None:
    keys = {"SRCNN (ours)": "srcnn", "A+": "aplus", "SRGAN-VGG54": "srgan", "SelfExSR [12]": "selfexsr"}
    keys |= {"SelfEx": "selfexsr", "CSCN": "scn", "My Net 2": "mynet2"}
    assert {text: method_key(text) for text in keys} == keys
    assert {set_name(text) for text in ("BSD100", "b100", "BSDS 100", "bsd-100 (100 images)")} == {"BSD100"}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.csv", "a,b\n1,2\n", "holds no table"),
        ("t.md", "no table here\n", "holds no table"),
        ("t.csv", "", "holds no table"),
        ("t.csv", "set,metric,SRCNN\nSet5,psnr,n/a\n", "SRCNN on Set5: psnr 'n/a' is no number"),
        ("t.csv", "set,metric,SRCNN\nSet5,ssim,30.1\n", "out of range"),
    ],
)
def test_what_is_no_table_of_figures_is_refused(tmp_path: Path, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(SrlabError, match=message):
        read_claims(tmp_path / name)


def test_a_missing_file_and_an_unknown_set_are_named(tmp_path: Path) -> None:
    with pytest.raises(SrlabError, match=r"nowhere\.csv cannot be read"):
        read_claims(tmp_path / "nowhere.csv")
    with pytest.raises(SrlabError, match="set 'Manga' is unknown: use one of Set5"):
        claim("Manga", "bicubic", "psnr", "25.00")
