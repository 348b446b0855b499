"""The command `srlab`: `srlab audit` explains somebody's PSNRs and SSIMs."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from srlab.errors import SrlabError
from srlab.report.audit import figure_report, table_report
from srlab.report.claims import claim, read_claims

DESCRIPTION = """\
Say which protocol a figure or a table of figures fits (luma range, colour, border, resampler, kind of SSIM) and where
it contradicts itself or the literature. Give a CSV or Markdown file, or one method's figures on one set.
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run `srlab <arguments>` (None: those of the command line); exit code 1 and one line on what the user can mend."""
    parser = argparse.ArgumentParser(prog="srlab", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    audit = commands.add_parser("audit", help="explain a figure or a table of figures", description=DESCRIPTION)
    audit.add_argument("table", nargs="?", type=Path, help="CSV or Markdown file")
    audit.add_argument("--set", help="Set5, Set14, BSD100 or Urban100")
    audit.add_argument("--method", help="bicubic, nearest, srcnn, ...")
    audit.add_argument("--psnr", help="in dB, as printed")
    audit.add_argument("--ssim", help="as printed")
    audit.add_argument("--scale", type=int, default=4, help="default: 4")
    options = parser.parse_args(arguments)
    try:
        print(_audit(options), end="")
    except SrlabError as error:
        sys.exit(f"error: {error}")


def _audit(options: argparse.Namespace) -> str:
    figure = (options.set, options.method, options.psnr, options.ssim)
    if options.table is not None:
        if any(figure):
            raise SrlabError("give either a table or --set, --method, --psnr and --ssim")
        return table_report(str(options.table), read_claims(options.table), options.scale)
    if not (options.set and options.method and (options.psnr or options.ssim)):
        raise SrlabError("name a table, or --set, --method and at least one of --psnr and --ssim")
    metrics = {"psnr": options.psnr, "ssim": options.ssim}
    claims = [claim(options.set, options.method, metric, printed) for metric, printed in metrics.items() if printed]
    return figure_report(claims, options.scale)


if __name__ == "__main__":
    main()
