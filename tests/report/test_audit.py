"""What the audit finds in tables with one thing wrong, in sound ones, and in the paper's."""

from dataclasses import replace
from importlib.resources import as_file, files

import pytest

from srlab.report.audit import CHECKS, audit, figure_report, paper_remarks, table_report
from srlab.report.claims import Claim, claim, read_claims
from srlab.report.literature import published


def table(**methods: dict[str, str]) -> list[Claim]:
    """Claims from {method: {set: "PSNR/SSIM" or "PSNR"}}."""
    return [
        claim(name, method, metric, printed)
        for method, sets in methods.items()
        for name, cell in sets.items()
        for metric, printed in zip(("psnr", "ssim"), cell.split("/"), strict=False)
    ]


SOUND = {
    "bicubic": {"Set5": "28.42/0.8103", "Set14": "26.00/0.7021", "BSD100": "25.96/0.6674"},
    "srcnn": {"Set5": "30.21/0.8571", "Set14": "27.31/0.7464", "BSD100": "26.78/0.7071"},
    "srresnet": {"Set5": "32.03/0.8911", "Set14": "28.52/0.7792", "BSD100": "27.49/0.7341"},
}


def texts(kind: str, claims: list[Claim], scale: int = 4) -> list[str]:
    return [remark.text for remark in audit(claims, scale) if remark.kind == kind]


def changed(method: str, name: str, cell: str) -> list[Claim]:
    return table(**{**SOUND, method: {**SOUND.get(method, {}), name: cell}})


def test_a_sound_table_gets_one_remark_its_protocol() -> None:
    (remark,) = audit(table(**SOUND), 4)
    assert remark.kind == "protocol"
    assert "fits x4, MATLAB bicubic both ways; studio-range luma" in remark.text


PROTOCOLS = {  # measured by others: MATLAB, PIL-style full-range luma, RGB, and OpenCV's resize on Set5
    "full-range luma": {"Set5": "27.11"},
    "RGB": {"Set5": "26.70"},
    "OpenCV INTER_CUBIC both ways": {"Set5": "27.69"},
    "Antialiasing false": {"Set5": "28.00"},
    "SSIM in the manner of daala": {"Set5": "28.43/0.8211", "Set14": "25.99/0.7486", "BSD100": "25.94/0.6935"},  # Ledig
    "; Urban100 is left out: there are no readings of it.": {"Set5": "28.42/0.8104", "Urban100": "23.14/0.6577"},
}


def test_a_bicubic_row_is_told_the_protocol_that_it_fits() -> None:
    for words, sets in PROTOCOLS.items():
        (text,) = texts("protocol", table(bicubic=sets))
        assert text.startswith("the bicubic row fits x4, ")
        assert words.removeprefix("; ") in text


def test_a_row_of_another_scale_is_recognized_as_such() -> None:
    (text,) = texts("protocol", table(bicubic={"Set5": "30.39/0.8682", "BSD100": "27.21/0.7385"}))
    assert "fits none of the" in text
    assert "It fits another scale: x3, MATLAB bicubic both ways; studio-range luma" in text


def test_a_row_of_such_sets_alone_is_not_compared() -> None:
    claims = table(bicubic={"Urban100": "23.14/0.6577"})
    assert texts("protocol", claims) == ["the bicubic row is not compared: there are no x4 readings of Urban100."]
    assert figure_report(claims, 4).endswith("Nearest protocols measured:\n  none on file\n")


def test_swapped_columns_are_two_remarks() -> None:
    swapped = {"Set14": "BSD100", "BSD100": "Set14"}
    claims = [replace(one, set=swapped.get(one.set, one.set)) for one in as_published("bicubic", "vdsr", "rlfn")]
    assert [text.partition(": ")[0] for text in texts("other set", claims)] == [
        "figures on BSD100 are those published of Set14",
        "figures on Set14 are those published of BSD100",
    ]


def test_a_figure_published_of_its_own_set_is_not_of_another(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [row for row in published() if row.method == "vdsr" and row.set in ("Set5", "Set14")]
    monkeypatch.setattr("srlab.report.checks.published", lambda: [replace(row, psnr="28.01") for row in rows])
    assert texts("other set", [claim("Set5", "vdsr", "psnr", "28.01")]) == []


def as_published(*methods: str) -> list[Claim]:
    """All figures of `methods` in the literature, but for what Ledig measured: a table that quotes them."""
    rows = [row for row in published() if row.method in methods and row.protocol in ("classic", "modern")]
    return [claim(row.set, row.method, metric, row.printed(metric)) for row in rows for metric in ("psnr", "ssim")]


def test_a_classic_network_under_the_classic_bicubic_row_is_as_it_should_be() -> None:
    (text,) = texts("era", as_published("bicubic", "vdsr"))
    assert text.startswith("vdsr: published under `classic` (")
    assert text.endswith("The bicubic row is that of `classic`.")


def test_the_classic_bicubic_row_beside_a_modern_network_makes_gains_too_large() -> None:
    (text,) = texts("era", as_published("bicubic", "rlfn"))
    assert text.startswith("rlfn: published under `modern` (")
    assert "The bicubic row is that of `classic`. Measured like rlfn, bicubic reads" in text
    assert "28.43 dB on Set5 (+0.01), 26.09 dB on Set14 (+0.09) and 25.96 dB on BSD100 (+0.00)" in text


MODERN = {"Set5": "28.43/0.8111", "Set14": "26.09/0.7048", "BSD100": "25.96/0.6681"}


def test_the_modern_bicubic_row_is_told_from_the_classic_one() -> None:
    (text,) = texts("protocol", table(bicubic=MODERN))
    assert "grey images turned into RGB first; border of `scale` px ignored (`modern`)" in text
    (text,) = texts("era", [*table(bicubic=MODERN), *as_published("rlfn")])
    assert text.endswith("The bicubic row is that of `modern`.")


FOUND = [  # check, method, set and cell that a sound table has instead, and what is said of it
    (
        "repetition",
        "srcnn",
        "Set14",
        "27.31/0.8571",
        "on Set14 repeats that on Set5, digit for digit: srcnn 0.8571.",
    ),
    ("equality", "srcnn", "Set5", "30.48/0.8628", "equals CARN table: PSNR of srcnn on Set5; SSIM of srcnn on Set5."),
    ("exchanged digits", "srcnn", "Set5", "30.48/0.8268", "SSIM of srcnn on Set5 is 0.8268; "),
    ("misprint", "vdsr", "BSD100", "27.29/0.0726", "equals a known misprint (RCAN README table) of 0.7251."),
    ("high SSIM", "srcnn", "Set14", "27.31/0.8627", "exceeds every published x4 figure there"),
    (
        "adversarial",
        "srgan",
        "Set5",
        "31.90/0.8850",
        "the PSNR of srgan (31.90 on Set5) lies above every",
    ),
    ("PSNR and SSIM", "srcnn", "Set5", "30.21/0.8000", "higher PSNR (30.21 against 28.42 dB) and the lower SSIM (0.80"),
    ("gain", "srcnn", "Set5", "29.00/0.8571", "srcnn +0.58 dB on Set5 (published +1.65 to +2.06)"),
    ("other set", "vdsr", "Set14", "27.29/0.7251", "of BSD100: PSNR 27.29 and SSIM 0.7251 of vdsr (CARN table)."),
    (
        "other set",
        "vdsr",
        "Set14",
        "27.29",
        "PSNR 27.29 of vdsr (CARN table) (one PSNR alone may be chance).",
    ),
]


@pytest.mark.parametrize(("kind", "method", "name", "cell", "expected"), FOUND)
def test_one_cell_that_does_not_fit_is_found(kind: str, method: str, name: str, cell: str, expected: str) -> None:
    (text,) = texts(kind, changed(method, name, cell))
    assert expected in text


def test_one_equal_figure_is_no_equality_and_a_gan_below_the_others_is_none_above() -> None:
    assert texts("equality", changed("srcnn", "Set5", "30.48/0.8571")) == []
    assert texts("adversarial", changed("srgan", "Set5", "29.40/0.8472")) == []


def test_an_order_against_the_literatures_is_seen() -> None:
    claims = table(espcn={"Set5": "30.70/0.8700"}, srgan={"Set5": "30.80/0.8710"})
    assert texts("order", claims) == [
        "srgan against espcn in PSNR has the opposite sign in Ledig 2017, Table 2: +0.10 dB on Set5 (-1.36 dB there)."
    ]


def test_the_papers_table_is_remarked_on_by_every_check_but_three() -> None:
    """What is said is docs/audit.md's (`tests/test_audit_page.py`); the three speak in the tests above."""
    with as_file(files("srlab.report").joinpath("an2022_table2.csv")) as path:
        remarks = audit(read_claims(path), 4)
    assert set(CHECKS) - {remark.kind for remark in remarks} == {"era", "misprint", "PSNR and SSIM"}
    assert paper_remarks() == [f"The paper's Table 2, {remark.kind}: {remark.text}" for remark in remarks]


def test_a_table_without_remarks_says_so() -> None:
    assert table_report("t", table(own={"Set5": "30.00/0.8500"}), 4).endswith("Nothing to remark.\n")


def test_a_method_is_shown_beside_its_nearest_published_figures() -> None:
    text = figure_report(table(srresnet={"Set5": "32.10/0.8930"}), 4)
    assert text.index("32.05 dB / 0.9019 (daala): SRResNet") > text.index("Nearest published figures")
