"""The paper's table, as printed."""

from srlab.report.literature import paper_table


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
