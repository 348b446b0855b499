"""The paper's table and the literature's, as printed."""

import re
from decimal import Decimal

from srlab.report.literature import PROTOCOLS, errata, paper_table, published


def test_the_table_is_complete() -> None:
    shape = {
        name: {method: set(scores) for method, scores in methods.items()} for name, methods in paper_table().items()
    }
    methods = {method: {"psnr", "ssim"} for method in ("bicubic", "srcnn", "espcn", "srgan")}
    assert shape == {"Set5": methods, "Set14": methods, "BSD100": methods}


def test_the_papers_bold_cells_are_the_row_maxima() -> None:
    for methods in paper_table().values():
        for metric in ("psnr", "ssim"):
            assert methods["srgan"][metric] == max(scores[metric] for scores in methods.values())


def test_columns_sum_to_what_the_printed_ones_do() -> None:
    """Control sums added by hand from the paper's page: a mistyped digit shows."""
    table = paper_table()
    sums = {m: round(sum(table[s][m]["psnr"] for s in table), 2) for m in table["Set5"]}
    assert sums == {"bicubic": 82.13, "srcnn": 83.93, "espcn": 85.44, "srgan": 85.85}
    sums = {m: round(sum(table[s][m]["ssim"] for s in table), 4) for m in table["Set5"]}
    assert sums == {"bicubic": 2.3287, "srcnn": 2.4473, "espcn": 2.5010, "srgan": 2.5077}


def test_every_published_figure_has_a_source_and_digits_as_printed() -> None:
    for row in published():
        assert row.source
        assert re.fullmatch(r"\d\d\.\d\d", row.psnr)
        assert re.fullmatch(r"(0\.\d{2,4})?", row.ssim)
        assert row.ssim_kind in ("gauss", "daala", "")
        assert row.protocol in PROTOCOLS


def test_nothing_is_published_twice() -> None:
    keys = [(row.label, row.training, row.scale, row.set) for row in published()]
    assert len(keys) == len(set(keys))


def test_networks_in_matlab_are_classic_and_those_in_pytorch_modern() -> None:
    for protocol, methods in {"classic": {"aplus", "vdsr", "drcn"}, "modern": {"rcan", "imdn", "rlfn"}}.items():
        found = {(row.method, row.set) for row in published() if row.protocol == protocol}
        assert found >= {(method, name) for method in methods for name in ("Set5", "BSD100")}


def test_daalas_ssims_are_of_no_common_protocol() -> None:
    assert {row.protocol for row in published() if row.ssim_kind == "daala"} == {"other"}


def test_no_table_has_a_modern_bicubic_row() -> None:
    assert {row.protocol for row in published() if row.method == "bicubic"} == {"classic", "other"}


def test_ledigs_rows_sum_to_what_his_table_does() -> None:
    """Control sums of Ledig et al. 2017, Table 2, added by hand: Set5, Set14 and BSD100 of five columns."""
    rows = [row for row in published() if row.source.startswith("Ledig 2017, Table 2")]
    psnrs = {row.label: Decimal(0) for row in rows}
    for row in rows:
        psnrs[row.label] += Decimal(row.psnr)
    labels = (
        "Nearest",
        "SRCNN, as measured by Ledig 2017",
        "ESPCN, as measured by Ledig 2017",
        "SRResNet",
        "SRGAN-VGG54",
    )
    assert [str(psnrs[label]) for label in labels] == ["75.92", "83.93", "85.44", "88.12", "80.58"]


def test_no_known_misprint_stands_in_the_literature() -> None:
    figures = {
        (row.method, row.scale, row.set, metric, row.printed(metric))
        for row in published()
        for metric in ("psnr", "ssim")
    }
    slips = {(slip.method, slip.scale, slip.set, slip.metric, slip.printed) for slip in errata()}
    assert not figures & slips
