"""The paper's table and the literature's, as printed."""

import re
from collections import defaultdict
from decimal import Decimal

from srlab.report.literature import PROTOCOLS, errata, paper_table, published


def test_columns_sum_to_what_the_printed_ones_do() -> None:
    """Control sums added by hand from the paper's page: a mistyped digit shows. SRGAN's cells are the bold ones."""
    table = paper_table()
    assert list(table) == ["Set5", "Set14", "BSD100"]
    sums = {m: [sum(table[s][m][key] for s in table) for key in ("psnr", "ssim")] for m in table["Set5"]}
    assert {method: (round(psnr, 2), round(ssim, 4)) for method, (psnr, ssim) in sums.items()} == {
        "bicubic": (82.13, 2.3287),
        "srcnn": (83.93, 2.4473),
        "espcn": (85.44, 2.5010),
        "srgan": (85.85, 2.5077),
    }
    for methods in table.values():
        for key in ("psnr", "ssim"):
            assert methods["srgan"][key] == max(scores[key] for scores in methods.values())


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


def test_daalas_ssims_and_ledigs_bicubic_are_of_no_common_protocol() -> None:
    assert {row.protocol for row in published() if row.ssim_kind == "daala"} == {"other"}
    assert {row.protocol for row in published() if row.method == "bicubic"} == {"classic", "other"}


def test_ledigs_rows_sum_to_what_his_table_does() -> None:
    """Control sums of Ledig et al. 2017, Table 2, added by hand: Set5, Set14 and BSD100 of five columns."""
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for row in published():
        if row.source.startswith("Ledig 2017, Table 2"):
            sums[row.label] += Decimal(row.psnr)
    printed = {"Nearest": "75.92", "SRResNet": "88.12", "SRGAN-VGG54": "80.58"}
    printed |= {f"{name}, as measured by Ledig 2017": psnr for name, psnr in (("SRCNN", "83.93"), ("ESPCN", "85.44"))}
    assert {label: str(sums[label]) for label in printed} == printed


def test_no_known_misprint_stands_in_the_literature() -> None:
    assert errata()
    for metric in ("psnr", "ssim"):
        assert not errata().keys() & {
            (row.method, row.scale, row.set, metric, row.printed(metric)) for row in published()
        }
