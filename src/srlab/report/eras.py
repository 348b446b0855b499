"""Which of the literature's two protocols a table's figures were measured under, and what a mixture of both does."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from srlab.evaluation.variants import Variant
from srlab.report.checks import joined, quoted
from srlab.report.claims import Claim
from srlab.report.fit import Fit, fits
from srlab.report.literature import PROTOCOLS
from srlab.report.protocols import readings

ERAS = ("classic", "modern")
# Bicubic as the tables of each have it
USUAL = [Variant("matlab", colour, border=True, luma_first=False) for colour in ("studio", "studio-float")]


def era(claims: Sequence[Claim], scale: int) -> Iterator[str]:
    """The protocol of every row that quotes published figures, and how a bicubic row of the other one misleads."""
    labels: dict[str, dict[str, None]] = defaultdict(dict)
    for cells in quoted(claims, scale).values():
        for claim, row in cells:
            labels[row.protocol][claim.label] = None
    named = {name: joined(list(labels[name])) for name in ERAS if name in labels}
    if not named:
        return
    text = "; ".join(f"{who}: published under `{name}` ({PROTOCOLS[name]})" for name, who in named.items()) + "."
    own = [claim for claim in claims if claim.method == "bicubic" and claim.metric == "psnr"]
    nearest = _bicubic(own, scale)
    if len(nearest) == 2 and nearest[0].distance <= min(1, nearest[1].distance / 2):
        here, there = (fit.reading.variant.protocol for fit in nearest)
        text += f" The bicubic row is that of `{here}`."
        if there in named:
            text += f" Measured like {named[there]}, bicubic reads {_beside(own, nearest[1])}: gains over the row are "
            text += "too large by as much."
    yield text


def _bicubic(claims: Sequence[Claim], scale: int) -> list[Fit]:
    """How MATLAB's bicubic under each of USUAL fits bicubic's PSNRs, nearest first; none without claims to compare."""
    return [fit for fit in fits(claims, scale) if fit.reading.variant in USUAL]


def _beside(claims: Sequence[Claim], fit: Fit) -> str:
    """Bicubic's PSNRs under the protocol of `fit`, set by set, and how far they lie above the claimed ones."""
    there = (fit.reading.scale, fit.reading.variant)
    measured = {one.set: one.psnr for one in readings() if (one.scale, one.variant) == there}
    return joined(
        [
            f"{measured[claim.set]:.2f} dB on {claim.set} ({measured[claim.set] - float(claim.value):+.2f})"
            for claim in claims
            if claim.set in measured
        ]
    )
