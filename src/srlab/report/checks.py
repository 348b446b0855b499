"""Contradictions within a table of figures, and equalities with published ones: a generator of sentences per check."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import combinations, permutations

from srlab.report.claims import Claim
from srlab.report.literature import Published, errata, published

CLEAR_DB = Decimal("0.3")  # differences that no rounding, border or choice of checkpoint explains
NAMES = {"psnr": "PSNR", "ssim": "SSIM"}
Cells = dict[tuple[str, str, str], Claim]  # by set, method and metric


def repeated(claims: Sequence[Claim], scale: int) -> Iterator[str]:
    """A figure that stands under two sets."""
    groups: dict[tuple[str, str, str], list[Claim]] = defaultdict(list)
    for earlier, later in combinations(claims, 2):
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
        groups[_paper(rows[0][1])] += [claim for claim, _ in rows]
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
        wanted = (claim.method, scale, claim.printed)
        rows = [row for row in published() if (row.method, row.scale, row.printed(claim.metric)) == wanted]
        if rows and claim.set not in {row.set for row in rows}:
            whose = f"{claim.label} ({_paper(rows[0])})"
            groups[claim.set, rows[0].set][whose].append(f"{NAMES[claim.metric]} {claim.printed}")
    for (here, there), cells in groups.items():
        figures = "; ".join(f"{joined(printed)} of {whose}" for whose, printed in cells.items())
        chance = " (one PSNR alone may be chance)" if "SSIM" not in figures and figures.count("PSNR") == 1 else ""
        yield f"figures on {here} are those published of {there}: {figures}{chance}."


def exchanged(claims: Sequence[Claim], scale: int) -> Iterator[str]:
    """A figure that equals the published one but for two neighbouring digits."""
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
    """A figure that equals a known misprint."""
    for claim in claims:
        where, correct = errata().get((claim.method, scale, claim.set, claim.metric, claim.printed), ("", ""))
        if correct:
            yield (
                f"{NAMES[claim.metric]} of {claim.label} on {claim.set}, {claim.printed}, equals a known misprint "
                f"({where}) of {correct}."
            )


def too_similar(claims: Sequence[Claim], scale: int) -> Iterator[str]:
    """SSIM above every published one on that set although the PSNR is clearly below that one's."""
    cells = _cells(claims)
    groups: dict[Published, list[str]] = defaultdict(list)
    for (name, method, metric), claim in cells.items():
        psnr = cells.get((name, method, "psnr"))
        rows = [row for row in published() if (row.scale, row.set) == (scale, name) and row.ssim]
        if metric == "ssim" and rows and psnr is not None:
            top = max(rows, key=lambda row: Decimal(row.ssim))
            standard = max(rows, key=lambda row: (row.ssim_kind == "gauss", Decimal(row.ssim)))
            if claim.value > Decimal(top.ssim) and psnr.value < Decimal(standard.psnr) - CLEAR_DB:
                groups[top].append(f"{claim.label} {claim.printed} at {psnr.printed} dB")
    for top, figures in groups.items():
        yield (
            f"SSIM on {top.set} exceeds every published x{scale} figure there (at most {top.ssim} at {top.psnr} dB, "
            f"{top.label}) at a lower PSNR: {joined(figures)}."
        )


def adversarial(claims: Sequence[Claim], scale: int) -> Iterator[str]:
    """PSNRs of a GAN above those of all adversarially trained models on file."""
    best: dict[str, str] = {}
    for row in published():
        if row.kind == "gan" and row.scale == scale:
            best[row.set] = max(best.get(row.set, row.psnr), row.psnr, key=Decimal)
    psnrs = [claim for claim in claims if "gan" in claim.method and claim.metric == "psnr" and claim.set in best]
    for label in dict.fromkeys(claim.label for claim in psnrs):
        above = [one for one in psnrs if one.label == label and one.value > Decimal(best[one.set])]
        if above:
            yield (
                f"the PSNR of {label} ({joined([f'{one.printed} on {one.set}' for one in above])}) lies above every "
                f"adversarially trained model on file (at most {joined([best[one.set] for one in above])}), SRGAN with "
                "an MSE content loss among them."
            )


def order(claims: Sequence[Claim], scale: int) -> Iterator[str]:
    """Two methods in the opposite order of one published table that has both, by PSNR."""
    cells = _cells(claims)
    labels = {claim.method: claim.label for claim in reversed(claims)}
    methods = [name for name in dict.fromkeys(claim.method for claim in claims) if name not in ("bicubic", "nearest")]
    printed: dict[tuple[str, str, str], Published] = {}
    for row in published():  # the last row of a method in one source is its proper variant
        if row.scale == scale:
            printed[_paper(row).partition(" (and")[0], row.set, row.method] = row
    for left, right in combinations(methods, 2):
        parts, sources = [], []
        for (source, name, method), row in printed.items():
            other = printed.get((source, name, right))
            pair = cells.get((name, left, "psnr")), cells.get((name, right, "psnr"))
            if method == left and other and pair[0] and pair[1]:
                ours, theirs = pair[1].value - pair[0].value, Decimal(other.psnr) - Decimal(row.psnr)
                if ours * theirs < 0 and abs(theirs) > CLEAR_DB:
                    parts.append(f"{ours:+} dB on {name} ({theirs:+} dB there)")
                    sources.append(source)
        if parts:
            yield (
                f"{labels[right]} against {labels[left]} in PSNR has the opposite sign in "
                f"{joined(list(dict.fromkeys(sources)))}: {joined(parts)}."
            )


def metrics_disagree(claims: Sequence[Claim], scale: int) -> Iterator[str]:
    """A method clearly ahead of another in PSNR, and behind it in SSIM."""
    cells = _cells(claims)
    methods = dict.fromkeys(claim.method for claim in claims)
    for name in dict.fromkeys(claim.set for claim in claims):
        for pair in permutations(methods, 2):
            keys = [(name, method, metric) for method in pair for metric in NAMES]
            if not cells.keys() >= set(keys):
                continue
            psnr, ssim, other_psnr, other_ssim = (cells[key] for key in keys)
            if psnr.value - other_psnr.value > CLEAR_DB and ssim.value < other_ssim.value:
                yield (
                    f"on {name} {psnr.label} has the higher PSNR ({psnr.printed} against {other_psnr.printed} dB) "
                    f"and the lower SSIM ({ssim.printed} against {other_ssim.printed}) than {other_psnr.label}."
                )


def gains(claims: Sequence[Claim], scale: int) -> Iterator[str]:
    """PSNR gain over the table's own bicubic row, against the gains of the literature."""
    cells = _cells(claims)
    standard = {
        row.set: Decimal(row.psnr)
        for row in published()
        if (row.method, row.protocol, row.scale) == ("bicubic", "classic", scale)
    }
    parts = []
    for (name, method, metric), claim in cells.items():
        bicubic = cells.get((name, "bicubic", "psnr"))
        rows = [row for row in published_of(claim, scale) if row.kind != "gan"]
        if metric == "psnr" and bicubic and method != "bicubic" and rows:
            theirs = [Decimal(row.psnr) - standard[name] for row in rows]
            gain = claim.value - bicubic.value
            if not min(theirs) - CLEAR_DB <= gain <= max(theirs) + CLEAR_DB:
                parts.append(f"{claim.label} {gain:+} dB on {name} (published {min(theirs):+} to {max(theirs):+})")
    if parts:
        yield f"gains over the table's own bicubic row are not the published ones: {'; '.join(parts)}."


def published_of(claim: Claim, scale: int) -> list[Published]:
    """What is published of the claim's method on its set."""
    return [row for row in published() if (row.method, row.set, row.scale) == (claim.method, claim.set, scale)]


def _by_label(claims: Sequence[Claim], scale: int) -> dict[str, list[tuple[Claim, Published]]]:
    """Learned methods' claims beside the published row of the same method, set and scale, by the label of that row."""
    pairs: dict[str, list[tuple[Claim, Published]]] = defaultdict(list)
    for row in published():
        for claim in claims:
            if (row.method, row.set, row.scale) == (claim.method, claim.set, scale) and row.kind != "interpolation":
                pairs[row.label].append((claim, row))
    return pairs


def _cells(claims: Sequence[Claim]) -> Cells:
    return {(claim.set, claim.method, claim.metric): claim for claim in claims}


def _paper(row: Published) -> str:
    """The source of a row without remarks."""
    return row.source.partition(";")[0]


def joined(parts: Sequence[str]) -> str:
    """Words in a row, as in "a, b and c"; at least one."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
