"""Which protocol a row of interpolation figures fits, and what two protocols in one table do to its gains."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from srlab.report.checks import joined, quoted
from srlab.report.claims import Claim
from srlab.report.literature import PROTOCOLS
from srlab.report.protocols import SSIM_LABELS, Reading, Variant, readings

# Within which two interpolations of one kind agree over programs and rounding (MATLAB and Pillow: 0.003 dB)
TOLERANCE = {"psnr": 0.03, "ssim": 0.003}
ERAS = ("classic", "modern")
# Bicubic as the tables of each era have it
USUAL = [Variant("matlab", colour, border=True, luma_first=False) for colour in ("studio", "studio-float")]


@dataclass(frozen=True)
class Fit:
    """How far a method's claims lie from one protocol.

    `readings` are those of the protocol, by set; `off` has the largest difference by metric, in dB and in SSIM, for the
    metrics that are claimed.
    """

    readings: Mapping[str, Reading]
    ssim_kind: str
    off: Mapping[str, float]

    @property
    def one(self) -> Reading:
        """Any of the readings: they have scale and variant in common."""
        return next(iter(self.readings.values()))

    @property
    def distance(self) -> float:
        """At most 1: it fits."""
        return max(off / TOLERANCE[metric] for metric, off in self.off.items())

    @property
    def off_text(self) -> str:
        """The differences in words."""
        texts = {"psnr": "{:.2f} dB", "ssim": "{:.4f} in SSIM"}
        return " and ".join(text.format(self.off[metric]) for metric, text in texts.items() if metric in self.off)

    def __str__(self) -> str:
        scored = f"; {SSIM_LABELS[self.ssim_kind]}" if self.ssim_kind else ""
        return f"x{self.one.scale}, {self.one.variant}{scored}"


def fits(claims: Sequence[Claim], scale: int | None) -> list[Fit]:
    """Every protocol measured on all sets of one interpolation's claims, nearest first; `scale` None: at all scales.

    Claims on sets without readings are left out; no fits where none remain.
    """
    unknown = unmeasured(claims)
    claims = [claim for claim in claims if claim.set not in unknown]
    if not claims:
        return []
    groups: dict[tuple[int, Variant], dict[str, Reading]] = defaultdict(dict)
    for reading in readings():
        if reading.method == claims[0].method and scale in (None, reading.scale):
            groups[reading.scale, reading.variant][reading.set] = reading
    kinds = tuple(SSIM_LABELS) if any(claim.metric == "ssim" for claim in claims) else ("",)
    needed = {claim.set for claim in claims}
    found = [
        Fit(by_set, kind, _off(claims, by_set, kind))
        for by_set in groups.values()
        if needed <= by_set.keys()
        for kind in kinds
        if not kind or all(kind in reading.ssim for reading in by_set.values())
    ]
    return sorted(found, key=lambda fit: fit.distance)


def _off(claims: Sequence[Claim], by_set: Mapping[str, Reading], kind: str) -> dict[str, float]:
    off: dict[str, float] = {}
    for claim in claims:
        reading = by_set[claim.set]
        measured = reading.psnr if claim.metric == "psnr" else reading.ssim[kind]
        off[claim.metric] = max(off.get(claim.metric, 0.0), abs(float(claim.value) - measured))
    return off


def unmeasured(claims: Sequence[Claim]) -> list[str]:
    """The sets of `claims` that no protocol was measured on."""
    measured = {reading.set for reading in readings()}
    return list(dict.fromkeys(claim.set for claim in claims if claim.set not in measured))


def protocol(claims: Sequence[Claim], scale: int) -> Iterator[str]:
    """A few sentences on each row of interpolation figures: what it fits or comes nearest to, and on which sets."""
    for method in ("bicubic", "nearest"):
        own = [claim for claim in claims if claim.method == method]
        ranked, left_out = fits(own, scale), unmeasured(own)
        if ranked:
            note = f" {', '.join(left_out)} is left out: there are no readings of it." if left_out else ""
            yield f"the {method} row {_nearest(own, ranked, scale)}{note}"
        elif own:
            yield f"the {method} row is not compared: there are no x{scale} readings of {', '.join(left_out)}."


def _nearest(own: Sequence[Claim], ranked: Sequence[Fit], scale: int) -> str:
    best, more = ranked[0], sum(fit.distance <= 1 for fit in ranked) - 1
    distance = f"off by up to {best.off_text}"
    if best.distance <= 1:
        others = f"; {more} more fit as well" if more else ""
        return f"fits {best} ({distance}{others})."
    text = f"fits none of the {len(ranked)} x{scale} protocols measured; the nearest is {best} ({distance})."
    elsewhere = fits(own, None)[0]
    if elsewhere.distance < best.distance / 2:
        verb = "fits" if elsewhere.distance <= 1 else "is nearer to"
        text += f" It {verb} another scale: {elsewhere} (off by up to {elsewhere.off_text})."
    return text


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
    bicubic = [claim for claim in claims if claim.method == "bicubic" and claim.metric == "psnr"]
    nearest = [fit for fit in fits(bicubic, scale) if fit.one.variant in USUAL]
    if len(nearest) == 2 and nearest[0].distance <= min(1, nearest[1].distance / 2):
        here, there = nearest[0].one.variant.protocol, nearest[1].one.variant.protocol
        text += f" The bicubic row is that of `{here}`."
        if there in named:
            text += f" Measured like {named[there]}, bicubic reads {_beside(bicubic, nearest[1])}: gains over the row "
            text += "are too large by as much."
    yield text


def _beside(claims: Sequence[Claim], fit: Fit) -> str:
    """PSNRs under the protocol of `fit`, set by set, and how far they lie above the claimed ones."""
    pairs = [(fit.readings[claim.set].psnr, claim) for claim in claims if claim.set in fit.readings]
    return joined([f"{psnr:.2f} dB on {claim.set} ({psnr - float(claim.value):+.2f})" for psnr, claim in pairs])
