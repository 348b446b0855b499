"""Contradictions within a table of figures, and equalities with published ones: a generator of sentences per check."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from decimal import Decimal

from srlab.report.claims import Claim
from srlab.report.literature import Published, errata, published

CLEAR_DB = 0.3  # differences that no rounding, border or choice of checkpoint explains
NAMES = {"psnr": "PSNR", "ssim": "SSIM"}


def repeated(claims: Sequence[Claim], scale: int) -> Iterator[str]:
    groups: dict[tuple[str, str, str], list[Claim]] = defaultdict(list)
    for index, later in enumerate(claims):
        for earlier in claims[:index]:
            same = (earlier.method, earlier.metric, earlier.printed) == (later.method, later.metric, later.printed)
            if same and earlier.set != later.set:
                groups[later.metric, later.set, earlier.set].append(later)
    for (metric, here, there), cells in groups.items():
        figures = joined([f"{cell.label} {cell.printed}" for cell in cells])
        yield f"{NAMES[metric]} on {here} repeats that on {there}, digit for digit: {figures}."


def equal(claims: Sequence[Claim], scale: int) -> Iterator[str]:
    """Cells equal to one published row, where at least two of a method's are: one may be chance."""
    groups: dict[str, list[Claim]] = defaultdict(list)
    for rows in quoted(claims, scale).values():
        groups[rows[0][1].source.partition(";")[0]] += [claim for claim, _ in rows]
    for source, cells in groups.items():
        parts = []
        for metric, name in NAMES.items():
            for label in dict.fromkeys(cell.label for cell in cells):
                sets = [cell.set for cell in cells if (cell.metric, cell.label) == (metric, label)]
                if sets:
                    parts.append(f"{name} of {label} on {joined(sets)}")
        yield f"equals {source}: {'; '.join(parts)}."


def quoted(claims: Sequence[Claim], scale: int) -> dict[str, list[tuple[Claim, Published]]]:
    """The claims that `equal` names, each beside the published row that it equals, by the label of that row."""
    equal = {
        label: [(claim, row) for claim, row in rows if claim.printed == row.printed(claim.metric)]
        for label, rows in _by_label(claims, scale).items()
    }
    return {label: rows for label, rows in equal.items() if len(rows) >= 2}


def displaced(claims: Sequence[Claim], scale: int) -> Iterator[str]:
    """Cells equal to what is published of the same method on another set, and not on theirs, as if columns swapped."""
    groups: dict[tuple[str, str], dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for claim in claims:
        rows = [
            row
            for row in published()
            if (row.method, row.scale, row.printed(claim.metric)) == (claim.method, scale, claim.printed)
        ]
        if rows and claim.set not in {row.set for row in rows}:
            whose = f"{claim.label} ({rows[0].source.partition(';')[0]})"
            groups[claim.set, rows[0].set][whose].append(f"{NAMES[claim.metric]} {claim.printed}")
    for (here, there), cells in groups.items():
        figures = "; ".join(f"{joined(printed)} of {whose}" for whose, printed in cells.items())
        chance = " (one PSNR alone may be chance)" if "SSIM" not in figures and figures.count("PSNR") == 1 else ""
        yield f"figures on {here} are those published of {there}: {figures}{chance}."


def exchanged(claims: Sequence[Claim], scale: int) -> Iterator[str]:
    for rows in _by_label(claims, scale).values():
        if not any(claim.printed == row.printed(claim.metric) for claim, row in rows):
            continue  # only beside cells that do equal that row: any two figures of four digits may look alike
        for claim, row in rows:
            if _is_exchange(claim.printed, row.printed(claim.metric)):
                yield (
                    f"{NAMES[claim.metric]} of {claim.label} on {claim.set} is {claim.printed}; {row.source} has "
                    f"{row.printed(claim.metric)}, the same with two neighbouring digits exchanged."
                )


def _is_exchange(one: str, other: str) -> bool:
    swaps = (one[:i] + one[i + 1] + one[i] + one[i + 2 :] for i in range(len(one) - 1))
    return one != other and other in swaps


def misprinted(claims: Sequence[Claim], scale: int) -> Iterator[str]:
    for claim in claims:
        for slip in errata():
            place = (slip.method, slip.scale, slip.set, slip.metric, slip.printed)
            if place == (claim.method, scale, claim.set, claim.metric, claim.printed):
                yield (
                    f"{NAMES[claim.metric]} of {claim.label} on {claim.set}, {claim.printed}, equals a known misprint "
                    f"({slip.where}) of {slip.correct}."
                )


def too_similar(claims: Sequence[Claim], scale: int) -> Iterator[str]:
    """SSIM above every published one on that set although the PSNR is clearly below that one's."""
    psnrs = {(claim.set, claim.method): claim for claim in claims if claim.metric == "psnr"}
    groups: dict[Published, list[Claim]] = defaultdict(list)
    for claim in claims:
        rows = [row for row in published() if (row.scale, row.set) == (scale, claim.set) and row.ssim]
        psnr = psnrs.get((claim.set, claim.method))
        if claim.metric != "ssim" or not rows or psnr is None:
            continue
        top = max(rows, key=lambda row: Decimal(row.ssim))
        standard = max(rows, key=lambda row: (row.ssim_kind == "gauss", Decimal(row.ssim)))
        if claim.value > Decimal(top.ssim) and float(psnr.value) < float(standard.psnr) - CLEAR_DB:
            groups[top].append(claim)
    for top, cells in groups.items():
        figures = joined(
            [f"{cell.label} {cell.printed} at {psnrs[cell.set, cell.method].printed} dB" for cell in cells]
        )
        yield (
            f"SSIM on {top.set} exceeds every published x{scale} figure there (at most {top.ssim} at {top.psnr} dB, "
            f"{top.label}) at a lower PSNR: {figures}."
        )


def adversarial(claims: Sequence[Claim], scale: int) -> Iterator[str]:
    rows = [row for row in published() if row.kind == "gan" and row.scale == scale]
    for label in dict.fromkeys(claim.label for claim in claims if "gan" in claim.method):
        above, limits = [], []
        for claim in claims:
            psnrs = [row.psnr for row in rows if row.set == claim.set]
            if (claim.label, claim.metric) == (label, "psnr") and psnrs and claim.value > max(map(Decimal, psnrs)):
                above.append(f"{claim.printed} on {claim.set}")
                limits.append(max(psnrs, key=Decimal))
        if above:
            yield (
                f"the PSNR of {label} ({joined(above)}) lies above every adversarially trained model on file "
                f"(at most {joined(limits)}), SRGAN with an MSE content loss among them."
            )


def order(claims: Sequence[Claim], scale: int) -> Iterator[str]:
    """Two methods in the opposite order of one published table that has both, by PSNR."""
    values = {(claim.set, claim.method): claim for claim in claims if claim.metric == "psnr"}
    methods = list(dict.fromkeys(claim.method for claim in claims if claim.method not in ("bicubic", "nearest")))
    printed: dict[tuple[str, str, str], Published] = {}
    for row in published():  # the last row of a method in one source is its proper variant
        if row.scale == scale:
            printed[row.source.partition(";")[0].partition(" (and")[0], row.set, row.method] = row
    for left, right in ((one, two) for i, one in enumerate(methods) for two in methods[i + 1 :]):
        parts, sources = [], []
        for (source, name, method), row in printed.items():
            other = printed.get((source, name, right))
            if method != left or other is None or not {(name, left), (name, right)} <= set(values):
                continue
            ours = values[name, right].value - values[name, left].value
            theirs = Decimal(other.psnr) - Decimal(row.psnr)
            if ours * theirs < 0 and abs(theirs) > CLEAR_DB:
                parts.append(f"{ours:+} dB on {name} ({theirs:+} dB there)")
                sources.append(source)
        if parts:
            yield (
                f"{_label(claims, right)} against {_label(claims, left)} in PSNR has the opposite sign in "
                f"{joined(list(dict.fromkeys(sources)))}: {joined(parts)}."
            )


def metrics_disagree(claims: Sequence[Claim], scale: int) -> Iterator[str]:
    table = {(claim.set, claim.method, claim.metric): claim for claim in claims}
    for (name, method, metric), psnr in table.items():
        for other in dict.fromkeys(claim.method for claim in claims):
            keys = [(name, method, "ssim"), (name, other, "psnr"), (name, other, "ssim")]
            if metric == "psnr" and all(key in table for key in keys):
                ssim, other_psnr, other_ssim = (table[key] for key in keys)
                if float(psnr.value - other_psnr.value) > CLEAR_DB and ssim.value < other_ssim.value:
                    yield (
                        f"on {name} {psnr.label} has the higher PSNR ({psnr.printed} against {other_psnr.printed} dB) "
                        f"and the lower SSIM ({ssim.printed} against {other_ssim.printed}) than {other_psnr.label}."
                    )


def gains(claims: Sequence[Claim], scale: int) -> Iterator[str]:
    """PSNR gain over the table's own bicubic row, against the gains of the literature."""
    baseline = {claim.set: claim.value for claim in claims if (claim.method, claim.metric) == ("bicubic", "psnr")}
    standard = {
        row.set: Decimal(row.psnr)
        for row in published()
        if (row.method, row.protocol, row.scale) == ("bicubic", "classic", scale)
    }
    parts = []
    for claim in claims:
        rows = [row for row in published() if (row.method, row.set, row.scale) == (claim.method, claim.set, scale)]
        if claim.metric != "psnr" or claim.set not in baseline or claim.method == "bicubic" or not rows:
            continue
        theirs = [Decimal(row.psnr) - standard[claim.set] for row in rows if row.kind != "gan"]
        gain = claim.value - baseline[claim.set]
        if theirs and not float(min(theirs)) - CLEAR_DB <= float(gain) <= float(max(theirs)) + CLEAR_DB:
            parts.append(f"{claim.label} {gain:+} dB on {claim.set} (published {min(theirs):+} to {max(theirs):+})")
    if parts:
        yield f"gains over the table's own bicubic row are not the published ones: {'; '.join(parts)}."


def _by_label(claims: Sequence[Claim], scale: int) -> dict[str, list[tuple[Claim, Published]]]:
    """Learned methods' claims beside the published row of the same method, set and scale, by the label of that row."""
    pairs: dict[str, list[tuple[Claim, Published]]] = defaultdict(list)
    for row in published():
        for claim in claims:
            if (row.method, row.set, row.scale) == (claim.method, claim.set, scale) and row.kind != "interpolation":
                pairs[row.label].append((claim, row))
    return pairs


def _label(claims: Sequence[Claim], method: str) -> str:
    return next(claim.label for claim in claims if claim.method == method)


def joined(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
