"""What figures say about themselves: the protocol they fit, and where they contradict each other or the literature.

Every remark states what equals or contradicts what. None says how it came about.
"""

import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from importlib.resources import as_file, files

from srlab.report import checks, fit
from srlab.report.checks import published_of
from srlab.report.claims import Claim, read_claims
from srlab.report.literature import PAPER_SCALE

Check = Callable[[Sequence[Claim], int], Iterator[str]]
CHECKS: dict[str, Check] = {
    "protocol": fit.protocol,
    "era": fit.era,
    "gain": checks.gains,
    "equality": checks.equal,
    "other set": checks.displaced,
    "repetition": checks.repeated,
    "exchanged digits": checks.exchanged,
    "misprint": checks.misprinted,
    "high SSIM": checks.too_similar,
    "adversarial": checks.adversarial,
    "order": checks.order,
    "PSNR and SSIM": checks.metrics_disagree,
}
NEAREST = 3  # protocols or published figures that are listed beside a single figure


@dataclass(frozen=True)
class Remark:
    """`kind` is one of CHECKS' names; `text` one paragraph."""

    kind: str
    text: str


def audit(claims: Sequence[Claim], scale: int) -> list[Remark]:
    """All remarks on a table of claims at `scale`, in the order of CHECKS; none if nothing is to be said."""
    return [Remark(kind, text) for kind, check in CHECKS.items() for text in check(claims, scale)]


def table_report(name: str, claims: Sequence[Claim], scale: int) -> str:
    """The remarks on the table `name` as plain text, numbered, 100 columns wide."""
    methods, sets = ({getattr(claim, key): None for claim in claims} for key in ("label", "set"))
    lines = [f"{name}: x{scale}, {', '.join(methods)} on {', '.join(sets)}, {len(claims)} figures", ""]
    remarks = audit(claims, scale)
    for number, remark in enumerate(remarks, 1):
        lines.append(_wrapped(f"{number}. ", f"[{remark.kind}] {remark.text}"))
    if not remarks:
        lines.append("Nothing to remark.")
    return "\n".join(lines) + "\n"


def figure_report(claims: Sequence[Claim], scale: int) -> str:
    """One method's figures on one set as plain text: remarks, and the nearest protocols or published figures."""
    first = claims[0]
    figures = " and ".join(f"{checks.NAMES[claim.metric]} {claim.printed}" for claim in claims)
    lines = [f"{first.label} on {first.set} at x{scale}: {figures}", ""]
    for remark in audit(claims, scale):
        lines.append(_wrapped("", f"[{remark.kind}] {remark.text}"))
    if first.method in ("bicubic", "nearest"):
        near = [f"{found}: off by {found.off_text}" for found in fit.fits(claims, scale)[:NEAREST]]
        heading, listed = "Nearest protocols measured:", [_wrapped("  - ", text) for text in near]
    else:
        heading, listed = f"Nearest published figures of {first.label}:", _published_near(first, scale)
    return "\n".join([*lines, "", heading, *(listed or ["  none on file"])]) + "\n"


def paper_remarks() -> list[str]:
    """The remarks on Table 2 of An, Dai and An 2022, one line each, for the report."""
    with as_file(files("srlab.report").joinpath("an2022_table2.csv")) as path:
        return [
            f"The paper's Table 2, {remark.kind}: {remark.text}" for remark in audit(read_claims(path), PAPER_SCALE)
        ]


def _published_near(claim: Claim, scale: int) -> list[str]:
    rows = [row for row in published_of(claim, scale) if row.printed(claim.metric)]
    rows.sort(key=lambda row: abs(Decimal(row.printed(claim.metric)) - claim.value))
    lines = []
    for row in rows[:NEAREST]:
        kind = f" ({row.ssim_kind})" if row.ssim_kind else ""
        ssim = f" / {row.ssim}{kind}" if row.ssim else ""
        lines.append(_wrapped("  - ", f"{row.psnr} dB{ssim}: {row.label}, trained on {row.training} ({row.source})"))
    return lines


def _wrapped(mark: str, text: str) -> str:
    return textwrap.fill(text, 100, initial_indent=mark, subsequent_indent=" " * len(mark), break_on_hyphens=False)
