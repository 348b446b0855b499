"""Which protocol a row of interpolation figures fits, out of those that were measured."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from srlab.evaluation.variants import SSIM_LABELS
from srlab.report.claims import Claim
from srlab.report.protocols import Reading, readings

# Within which two interpolations of one kind agree over programs and rounding (MATLAB and Pillow: 0.003 dB)
FIT = {"psnr": 0.03, "ssim": 0.003}


@dataclass(frozen=True)
class Fit:
    """How far a method's claims lie from one protocol: the largest differences in dB and in SSIM, and both in FITs."""

    reading: Reading
    ssim_kind: str
    psnr: float
    ssim: float

    @property
    def distance(self) -> float:
        """At most 1: it fits."""
        return max(self.psnr / FIT["psnr"], self.ssim / FIT["ssim"])

    def __str__(self) -> str:
        scored = f"; {SSIM_LABELS[self.ssim_kind]}" if self.ssim_kind else ""
        return f"x{self.reading.scale}, {self.reading.variant}{scored}"


def fits(claims: Sequence[Claim], scale: int | None) -> list[Fit]:
    """Every protocol measured on all sets of one interpolation's claims, nearest first; `scale` None: at all scales.

    Claims on sets without readings are left out; no fits where none remain.
    """
    sets = unmeasured(claims)
    claims = [claim for claim in claims if claim.set not in sets]
    if not claims:
        return []
    groups: dict[tuple, dict[str, Reading]] = defaultdict(dict)
    for reading in readings():
        if reading.method == claims[0].method and scale in (None, reading.scale):
            groups[reading.scale, reading.variant][reading.set] = reading
    kinds = tuple(SSIM_LABELS) if any(claim.metric == "ssim" for claim in claims) else ("",)
    needed = {claim.set for claim in claims}
    found = [
        _fit(claims, by_set, kind)
        for by_set in groups.values()
        if needed <= set(by_set)
        for kind in kinds
        if not kind or all(kind in reading.ssim for reading in by_set.values())
    ]
    return sorted(found, key=lambda fit: fit.distance)


def _fit(claims: Sequence[Claim], by_set: Mapping[str, Reading], kind: str) -> Fit:
    off = {"psnr": [0.0], "ssim": [0.0]}
    for claim in claims:
        reading = by_set[claim.set]
        value = reading.psnr if claim.metric == "psnr" else reading.ssim[kind]
        off[claim.metric].append(abs(float(claim.value) - value))
    return Fit(next(iter(by_set.values())), kind, max(off["psnr"]), max(off["ssim"]))


def unmeasured(claims: Sequence[Claim]) -> list[str]:
    """The sets of `claims` that no protocol was measured on."""
    measured = {reading.set for reading in readings()}
    return list(dict.fromkeys(claim.set for claim in claims if claim.set not in measured))


def protocol(claims: Sequence[Claim], scale: int) -> Iterator[str]:
    """A few sentences on each row of interpolation figures: what it fits or comes nearest to, and on which sets."""
    for method in ("bicubic", "nearest"):
        own = [claim for claim in claims if claim.method == method]
        ranked = fits(own, scale)
        if own and not ranked:
            sets = ", ".join(dict.fromkeys(claim.set for claim in own))
            yield f"the {method} row is not compared: there are no x{scale} readings of {sets}."
        if ranked:
            left_out = unmeasured(own)
            note = f" {', '.join(left_out)} is left out: there are no readings of it." if left_out else ""
            yield _nearest(method, own, ranked, scale) + note


def _nearest(method: str, own: Sequence[Claim], ranked: Sequence[Fit], scale: int) -> str:
    best, more = ranked[0], sum(fit.distance <= 1 for fit in ranked) - 1
    distance = f"off by up to {off(best, own)}"
    if best.distance <= 1:
        others = f"; {more} more fit as well" if more else ""
        return f"the {method} row fits {best} ({distance}{others})."
    text = f"the {method} row fits none of the {len(ranked)} x{scale} protocols measured; "
    text += f"the nearest is {best} ({distance})."
    elsewhere = fits(own, None)[0]
    if elsewhere.distance < best.distance / 2:
        verb = "fits" if elsewhere.distance <= 1 else "is nearer to"
        text += f" It {verb} another scale: {elsewhere} (off by up to {off(elsewhere, own)})."
    return text


def off(fit: Fit, claims: Sequence[Claim]) -> str:
    """The largest differences in words, of the metrics that `claims` have."""
    parts = {"psnr": f"{fit.psnr:.2f} dB", "ssim": f"{fit.ssim:.4f} in SSIM"}
    return " and ".join(text for metric, text in parts.items() if any(claim.metric == metric for claim in claims))
