"""Published numbers that the report shows beside ours."""

import csv
from importlib.resources import files

REMARKS = (
    "The paper does not state its evaluation protocol. Under the usual one, bicubic x4 gives 28.42 dB on Set5, "
    "26.00 dB on Set14 and 25.96 dB on BSD100, below the paper's own bicubic row.",
    "The paper's Set14 SSIMs of SRCNN and ESPCN repeat its Set5 values; Ledig et al. (2017, Table 2), whose PSNRs of "
    "these two methods are identical to the paper's, give 0.7861 and 0.8004.",
)


def paper_table() -> dict[str, dict[str, dict[str, float]]]:
    """{set: {method: {"psnr": dB, "ssim": 0 to 1}}}, methods bicubic, srcnn, espcn, srgan at x4.

    Source: An, Dai and An 2022, Table 2, as printed.
    """
    text = files("srlab.report").joinpath("an2022_table2.csv").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    table: dict[str, dict[str, dict[str, float]]] = {}
    for row in csv.DictReader(lines):
        set_name, metric = row.pop("set"), row.pop("metric")
        for method, value in row.items():
            table.setdefault(set_name, {}).setdefault(method, {})[metric] = float(value)
    return table
