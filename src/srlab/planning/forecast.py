"""What a probe means for a whole training: hours, and the table that `srlab plan` prints."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from srlab.planning.probed import Probed

NONE = "–"  # a missing figure


@dataclass(frozen=True)
class Outlook:
    """A training's length in params.yaml, what a probe of it saw, and how many steps the probe was asked for."""

    name: str
    max_epochs: int
    patches_per_epoch: int
    batch_size: int  # over all devices
    num_val: int  # validation images
    num_steps: int
    probed: Probed
    line: str  # of params.yaml, as "models.espcn"

    @property
    def patches_per_second(self) -> float:
        """While it trains."""
        return self.batch_size / self.probed.step_seconds

    @property
    def epoch_seconds(self) -> float:
        """An epoch with its validation, whose images the devices share."""
        training = self.patches_per_epoch / self.patches_per_second
        return training + -(-self.num_val // self.probed.num_devices) * self.probed.image_seconds

    @property
    def hours(self) -> float:
        """All epochs."""
        return self.max_epochs * self.epoch_seconds / 3600

    def epochs_in(self, seconds: float) -> int:
        """How many whole ones fit; rounding makes none less."""
        return int(seconds / self.epoch_seconds + 1e-6)


def report(title: str, outlooks: Sequence[Outlook], failures: Mapping[str, str]) -> str:
    """`title`, the machine, a line per training, the sum, what the columns mean, and what failed, by name."""
    parts = [title]
    if outlooks:
        machine = _machine(outlooks[0].probed)
        parts += [machine, "", _table(outlooks), "", _total(outlooks, failures), *_notes(outlooks)]
    if failures:
        parts += ["", *(f"{name}: {reason}" for name, reason in failures.items())]
    return "\n".join(parts) + "\n"


def budget(outlooks: Sequence[Outlook], minutes: float) -> str:
    """How many epochs of each training fit into so many minutes, and the overrides that make it last as long."""
    lines = ["", f"In {minutes:g} minutes each, start-up and compilation not counted; the schedule ends with the time:"]
    width = max((len(one.name) for one in outlooks), default=0)
    for one in outlooks:
        num = one.epochs_in(60 * minutes)
        found = f"{num:,} epochs: {one.line}.max_epochs={num} {one.line}.patience={num}"
        short = f"an epoch takes {duration(one.epoch_seconds / 3600)}: lower {one.line}.patches_per_epoch"
        lines.append(f"{one.name.ljust(width)}  {found if num else short}")
    return "\n".join(lines) + "\n"


def duration(hours: float) -> str:
    """In the unit that a person would use: "40 s", "12 min", "9.5 h", "23 days"."""
    for below, per_hour, unit in ((1 / 60, 3600, "s"), (1, 60, "min"), (48, 1, "h")):
        if hours < below:
            return f"{hours * per_hour:.{1 if 1 <= hours < 10 else 0}f} {unit}"
    return f"{hours / 24:,.0f} days"


def _table(outlooks: Sequence[Outlook]) -> str:
    headings = ("", "parameters", "multiply-adds", "memory", "ms/step", "patches/s", "epochs x patches", "hours", "")
    lines = [headings, *(_cells(one) for one in outlooks)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(headings))]

    def aligned(cells: Sequence[str]) -> str:
        name, *figures, remark = cells
        right = [cell.rjust(width) for cell, width in zip(figures, widths[1:-1], strict=True)]
        return "  ".join([name.ljust(widths[0]), *right, remark]).rstrip()

    return "\n".join(aligned(line) for line in lines)


def _cells(one: Outlook) -> tuple[str, ...]:
    probed = one.probed
    few = [f"{probed.num_steps} step{'s' if probed.num_steps > 1 else ''}"] if probed.num_steps < one.num_steps else []
    return (
        one.name,
        " + ".join(f"{number:,}" for number in probed.num_parameters),
        f"{_short(probed.multiply_adds / 1e9)} G",
        NONE if probed.peak_bytes is None else f"{probed.peak_bytes / 1e6:,.0f} MB",
        _short(probed.step_seconds * 1e3),
        _short(one.patches_per_second),
        f"{one.max_epochs:,} x {one.patches_per_epoch:,}",
        _hours(one.hours),
        ", ".join([*few, *probed.remarks]),
    )


def _total(outlooks: Sequence[Outlook], failures: Mapping[str, str]) -> str:
    hours = sum(one.hours for one in outlooks)
    many = "One after the other" if len(outlooks) > 1 else "Alone"
    without = f", without {', '.join(failures)}" if failures else ""
    return f"{many}{without}: at most {_hours(hours)} hours ({duration(hours)})."


def _machine(probed: Probed) -> str:
    """Of one of them: all were probed by the same trainer on the same machine."""
    device = f"{probed.num_devices} x {probed.device}" if probed.num_devices > 1 else probed.device
    return f"{device}, precision {probed.precision}"


def _notes(outlooks: Sequence[Outlook]) -> list[str]:
    first, side = outlooks[0].probed, outlooks[0].probed.image_side
    if first.idle_bytes is not None:
        memory = f"of the whole process at its peak, {first.idle_bytes / 1e6:,.0f} MB of it Python and its libraries"
    else:
        memory = "of the GPU, what tensors take at the peak; CUDA's own and what the allocator keeps come on top"
    if first.num_devices > 1:
        memory += "; in each process"
    several = any(len(one.probed.num_parameters) > 1 for one in outlooks)
    return [
        *(["Parameters: generator + discriminator."] if several else []),
        "Multiply-adds: one enlargement to 1280x720.",
        f"Memory: {memory}.",
        f"Hours: all epochs, with validation on images of {side}x{side} px. A training that gets no better ends",
        "earlier, and one whose data set does not fit in memory may wait for the disk.",
    ]


def _hours(value: float) -> str:
    return "< 0.01" if value < 0.01 else _short(value)


def _short(value: float) -> str:
    """Three significant digits; whole numbers from 100 on."""
    rounded = float(f"{value:.3g}")
    return f"{value:,.0f}" if rounded >= 100 else f"{rounded:.3g}"
