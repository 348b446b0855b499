"""The commands of `srlab` for figures: audit, and the test by eye."""

import argparse
from pathlib import Path
from typing import Any

from srlab.errors import SrlabError

AUDITING = """\
Say which protocol a figure or a table of figures fits (luma range, colour, border, resampler, kind of SSIM) and where
it contradicts itself or the literature. Give a CSV or Markdown file, or one method's figures on one set.
"""

COMPARING = """\
Write one HTML file in which a person says, pair by pair, which of two crops looks better. The crops are of the images
that the evaluation kept, where two methods differ most; nobody sees which methods they are of. The page saves the
answers as answers.json, which `srlab blind score` reads.
"""

SCORING = """\
Score methods by the answers of one or more persons: log odds of being preferred to the mean of all methods, 0, with
95 % intervals (Bradley-Terry model, maximum likelihood with Firth's penalty, Fisher information). Answers count as
independent, though those of one person are not quite: intervals are rather too narrow.
"""


def add_commands(commands: Any) -> None:
    """What `srlab audit` and `srlab blind` accept."""
    audit = commands.add_parser("audit", help="explain a figure or a table of figures", description=AUDITING)
    audit.add_argument("table", nargs="?", type=Path, help="CSV or Markdown file")
    audit.add_argument("--set", help="Set5, Set14, BSD100 or Urban100")
    audit.add_argument("--method", help="bicubic, nearest, srcnn, ...")
    audit.add_argument("--psnr", help="in dB, as printed")
    audit.add_argument("--ssim", help="as printed")
    audit.add_argument("--scale", type=int, default=4, help="default: 4")
    audit.set_defaults(run=_audit)
    blind = commands.add_parser("blind", help="compare methods by eye, names hidden", description=COMPARING)
    blind.add_argument("--methods", nargs="+", default=[], metavar="NAME", help="default: all that were evaluated")
    blind.add_argument("--samples", type=Path, default=Path("reports/samples"), help="default: reports/samples")
    blind.add_argument("--pairs", type=int, default=40, help="that are shown; default: 40")
    blind.add_argument("--seed", type=int, default=0, help="of their order; default: 0")
    blind.add_argument("-o", "--output", type=Path, default=Path("blind.html"), help="default: blind.html")
    blind.set_defaults(run=_blind)
    of_blind = blind.add_subparsers(metavar="score FILE...")
    answers = of_blind.add_parser("score", help="Bradley-Terry scores of the answers", description=SCORING)
    answers.add_argument("files", nargs="+", type=Path, metavar="FILE", help="answers.json of a person")
    answers.set_defaults(run=_blind_scores)


def _audit(options: argparse.Namespace) -> None:
    from srlab.report.audit import figure_report, table_report
    from srlab.report.claims import claim, read_claims

    figure = (options.set, options.method, options.psnr, options.ssim)
    if options.table is not None:
        if any(figure):
            raise SrlabError("give either a table or --set, --method, --psnr and --ssim")
        report = table_report(str(options.table), read_claims(options.table), options.scale)
    elif options.set and options.method and (options.psnr or options.ssim):
        metrics = {"psnr": options.psnr, "ssim": options.ssim}
        claims = [claim(options.set, options.method, metric, printed) for metric, printed in metrics.items() if printed]
        report = figure_report(claims, options.scale)
    else:
        raise SrlabError("name a table, or --set, --method and at least one of --psnr and --ssim")
    print(report, end="")


def _blind(options: argparse.Namespace) -> None:
    from srlab.report.blind import write_test

    num = write_test(options.samples, options.methods, options.pairs, options.seed, options.output)
    print(f"{options.output}: {options.pairs} pairs from {num} images; then srlab blind score answers.json")


def _blind_scores(options: argparse.Namespace) -> None:
    from srlab.report.blind import read_answers, scored

    answers = [answer for file in options.files for answer in read_answers(file)]
    print(f"{'method':24} {'preferred':>12}  {'score':>6}  95 % interval")
    for one in scored(answers):
        print(one)
