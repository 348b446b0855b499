"""What the audit finds in tables with one thing wrong, in sound ones, and in the paper's."""

from dataclasses import replace
from importlib.resources import as_file, files

import pytest

from srlab.report.audit import CHECKS, audit, figure_report, paper_remarks, table_report
from srlab.report.claims import Claim, claim, read_claims
from srlab.report.literature import published


def table(**methods: dict[str, str]) -> list[Claim]:
    """Claims from {method: {set: "PSNR/SSIM"}}."""
    return [
        claim(name, method, metric, printed)
        for method, sets in methods.items()
        for name, cell in sets.items()
        for metric, printed in zip(("psnr", "ssim"), cell.split("/"), strict=True)
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


@pytest.fixture
def paper() -> list[Claim]:
    with as_file(files("srlab.report").joinpath("an2022_table2.csv")) as path:
        return read_claims(path)


def test_a_sound_table_gets_one_remark_its_protocol() -> None:
    (remark,) = audit(table(**SOUND), 4)
    assert remark.kind == "protocol"
    assert "fits x4, MATLAB bicubic both ways; studio-range luma" in remark.text


PROTOCOLS = {  # measured by others: MATLAB, PIL-style full-range luma, RGB, and OpenCV's resize on Set5
    "27.11": "full-range luma",
    "26.70": "RGB",
    "27.69": "OpenCV INTER_CUBIC both ways",
    "28.00": "Antialiasing false",
}


@pytest.mark.parametrize("psnr", PROTOCOLS)
def test_a_bicubic_figure_of_another_protocol_is_told_apart(psnr: str) -> None:
    (text,) = texts("protocol", [claim("Set5", "bicubic", "psnr", psnr)])
    assert text.startswith("the bicubic row fits")
    assert PROTOCOLS[psnr] in text


def test_ledigs_bicubic_row_fits_daalas_ssim() -> None:
    rows = [row for row in published() if (row.method, row.ssim_kind) == ("bicubic", "daala")]
    claims = [claim(row.set, "bicubic", metric, row.printed(metric)) for row in rows for metric in ("psnr", "ssim")]
    (text,) = texts("protocol", claims)
    assert "the bicubic row fits x4, MATLAB bicubic both ways; studio-range luma" in text
    assert "SSIM in the manner of daala" in text


def test_a_row_of_another_scale_is_recognized_as_such() -> None:
    (text,) = texts("protocol", table(bicubic={"Set5": "30.39/0.8682", "BSD100": "27.21/0.7385"}))
    assert "fits none of the" in text
    assert "It fits another scale: x3, MATLAB bicubic both ways; studio-range luma" in text


def test_a_set_without_readings_is_left_out_and_named() -> None:
    (text,) = texts("protocol", table(bicubic={"Set5": "28.42/0.8104", "Urban100": "23.14/0.6577"}))
    assert text.startswith("the bicubic row fits x4, MATLAB bicubic both ways; studio-range luma")
    assert text.endswith("Urban100 is left out: there are no readings of it.")


def test_a_row_of_such_sets_alone_is_not_compared() -> None:
    claims = table(bicubic={"Urban100": "23.14/0.6577"})
    assert texts("protocol", claims) == ["the bicubic row is not compared: there are no x4 readings of Urban100."]
    assert figure_report(claims, 4).endswith("Nearest protocols measured:\n  none on file\n")


def test_the_figures_of_another_set_are_named() -> None:
    (text,) = texts("other set", changed("vdsr", "Set14", "27.29/0.7251"))
    assert text == ("figures on Set14 are those published of BSD100: PSNR 27.29 and SSIM 0.7251 of vdsr (CARN table).")


def test_one_psnr_of_another_set_may_be_chance() -> None:
    (text,) = texts("other set", [claim("Set14", "vdsr", "psnr", "27.29")])
    assert text.endswith("PSNR 27.29 of vdsr (CARN table) (one PSNR alone may be chance).")


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


@pytest.mark.parametrize(("method", "protocol"), [("rlfn", "modern"), ("imdn", "modern"), ("vdsr", "classic")])
def test_a_quoted_network_names_its_era(method: str, protocol: str) -> None:
    (text,) = texts("era", as_published(method))
    assert text.startswith(f"{method}: published under `{protocol}` (")


def test_a_classic_network_under_the_classic_bicubic_row_is_as_it_should_be() -> None:
    (text,) = texts("era", as_published("bicubic", "vdsr"))
    assert text.endswith("The bicubic row is that of `classic`.")


def test_the_classic_bicubic_row_beside_a_modern_network_makes_gains_too_large() -> None:
    (text,) = texts("era", as_published("bicubic", "rlfn"))
    assert "The bicubic row is that of `classic`. Measured like rlfn, bicubic reads" in text
    assert "28.43 dB on Set5 (+0.01), 26.09 dB on Set14 (+0.09) and 25.96 dB on BSD100 (+0.00)" in text


MODERN = {"Set5": "28.43/0.8111", "Set14": "26.09/0.7048", "BSD100": "25.96/0.6681"}


def test_the_modern_bicubic_row_is_told_from_the_classic_one() -> None:
    (text,) = texts("protocol", table(bicubic=MODERN))
    assert "grey images turned into RGB first; border of `scale` px ignored (`modern`)" in text
    (text,) = texts("era", [*table(bicubic=MODERN), *as_published("rlfn")])
    assert text.endswith("The bicubic row is that of `modern`.")


def test_a_repeated_figure_is_named() -> None:
    (text,) = texts("repetition", changed("srcnn", "Set14", "27.31/0.8571"))
    assert text == "SSIM on Set14 repeats that on Set5, digit for digit: srcnn 0.8571."


def test_one_equal_figure_is_no_equality_but_two_are() -> None:
    assert texts("equality", changed("srcnn", "Set5", "30.48/0.8571")) == []
    (text,) = texts("equality", changed("srcnn", "Set5", "30.48/0.8628"))
    assert text == "equals CARN table: PSNR of srcnn on Set5; SSIM of srcnn on Set5."


def test_exchanged_digits_are_seen_beside_equal_figures() -> None:
    (text,) = texts("exchanged digits", changed("srcnn", "Set5", "30.48/0.8268"))
    assert "SSIM of srcnn on Set5 is 0.8268" in text
    assert "has 0.8628" in text


def test_a_known_misprint_is_seen() -> None:
    (text,) = texts("misprint", changed("vdsr", "BSD100", "27.29/0.0726"))
    assert text.endswith("equals a known misprint (RCAN README table) of 0.7251.")


def test_an_ssim_above_the_state_of_the_art_at_a_lower_psnr_is_seen() -> None:
    (text,) = texts("high SSIM", changed("srcnn", "Set14", "27.31/0.8627"))
    assert "exceeds every published x4 figure there" in text


def test_a_gan_with_the_psnr_of_a_regression_is_seen() -> None:
    (text,) = texts("adversarial", changed("srgan", "Set5", "31.90/0.8850"))
    assert text.startswith("the PSNR of srgan (31.90 on Set5) lies above every adversarially trained model")
    assert texts("adversarial", changed("srgan", "Set5", "29.40/0.8472")) == []


def test_an_order_against_the_literatures_is_seen() -> None:
    claims = table(espcn={"Set5": "30.70/0.8700"}, srgan={"Set5": "30.80/0.8710"})
    (text,) = texts("order", claims)
    assert text == (
        "srgan against espcn in PSNR has the opposite sign in Ledig 2017, Table 2: +0.10 dB on Set5 (-1.36 dB there)."
    )


def test_psnr_and_ssim_that_disagree_are_seen() -> None:
    (text,) = texts("PSNR and SSIM", changed("srcnn", "Set5", "30.21/0.8000"))
    assert "srcnn has the higher PSNR (30.21 against 28.42 dB) and the lower SSIM" in text


def test_a_gain_that_no_publication_has_is_seen() -> None:
    (text,) = texts("gain", changed("srcnn", "Set5", "29.00/0.8571"))
    assert "srcnn +0.58 dB on Set5 (published +1.65 to +2.06)" in text


def test_every_check_has_spoken_in_these_tests() -> None:
    """The paper's table, and the era, the misprint and the disagreement above: no check that cannot speak."""
    with as_file(files("srlab.report").joinpath("an2022_table2.csv")) as path:
        spoken = {remark.kind for remark in audit(read_claims(path), 4)}
    assert set(CHECKS) - spoken == {"era", "misprint", "PSNR and SSIM"}


def test_the_papers_bicubic_row_fits_no_x4_protocol(paper: list[Claim]) -> None:
    (text,) = texts("protocol", paper)
    assert text.startswith("the bicubic row fits none of the")


def test_the_papers_psnrs_of_srcnn_and_espcn_equal_ledigs(paper: list[Claim]) -> None:
    (text,) = texts("equality", paper)
    assert text.startswith("equals Ledig 2017, Table 2: PSNR of srcnn on Set5, Set14 and BSD100; PSNR of espcn on Set5")


def test_the_papers_repeated_and_exchanged_ssims_are_found(paper: list[Claim]) -> None:
    assert texts("repetition", paper) == [
        "SSIM on Set14 repeats that on Set5, digit for digit: srcnn 0.8627 and espcn 0.8784."
    ]
    (text,) = texts("exchanged digits", paper)
    assert "SSIM of srcnn on BSD100 is 0.7219" in text
    assert "has 0.7291" in text


def test_the_papers_srgan_is_out_of_order(paper: list[Claim]) -> None:
    assert "30.95 on Set5, 27.78 on Set14 and 27.12 on BSD100" in texts("adversarial", paper)[0]
    assert any("srgan against espcn" in text and "-1.36 dB there" in text for text in texts("order", paper))


def test_the_reports_remarks_are_the_papers(paper: list[Claim]) -> None:
    assert len(paper_remarks()) == len(audit(paper, 4))
    assert all("\n" not in remark for remark in paper_remarks())


def test_a_table_without_remarks_says_so() -> None:
    assert table_report("t", table(own={"Set5": "30.00/0.8500"}), 4).endswith("Nothing to remark.\n")


def test_a_method_is_shown_beside_its_nearest_published_figures() -> None:
    text = figure_report(table(srresnet={"Set5": "32.10/0.8930"}), 4)
    assert text.index("32.05 dB / 0.9019 (daala): SRResNet") > text.index("Nearest published figures")
