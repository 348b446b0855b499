"""Hours from a probe, and how they are printed."""

import dataclasses
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from srlab.planning.forecast import Outlook, budget, duration, report
from srlab.planning.probed import Probed

PROBED = Probed(
    num_parameters=[1_549_462, 23_569_217],
    multiply_adds=127_800_000_000,
    device="Some CPU, 2 threads",
    num_devices=1,
    precision="32-true",
    peak_bytes=3_210_000_000,
    idle_bytes=400_000_000,
    num_steps=20,
    step_seconds=0.5,
    image_side=384,
    image_seconds=1.5,
    remarks=[],
)
# 24,000 patches by 16 are 1500 steps of 0.5 s: 750 s, and 20 images of 1.5 s: 780 s an epoch, 65 hours in 300 epochs
OUTLOOK = Outlook("srgan", 300, 24000, 16, 20, 20, PROBED, "gans.srgan")


def changed(outlook: Outlook = OUTLOOK, name: str = "srgan", **probed: object) -> Outlook:
    return dataclasses.replace(outlook, name=name, probed=dataclasses.replace(outlook.probed, **probed))


@pytest.mark.parametrize(
    ("num_devices", "hours"),
    [(1, 65), (3, 300 * 760.5 / 3600)],  # 3 devices have 7, 7 and 6 of the 20 validation images: 750 s + 10.5 s
)
def test_hours_are_those_of_steps_and_validation(num_devices: int, hours: float) -> None:
    one = changed(num_devices=num_devices)
    assert one.hours == pytest.approx(hours)
    assert one.patches_per_second == pytest.approx(32)


@pytest.mark.parametrize(
    ("outlooks", "failures", "expected"),
    [
        ([OUTLOOK], {}, "Title\nSome CPU, 2 threads, precision 32-true\n"),
        ([OUTLOOK], {}, "400 MB of it Python"),
        ([OUTLOOK, changed(name="second")], {}, "One after the other: at most 130 hours (5 days)."),
        ([OUTLOOK], {"drcn": "out of memory"}, "Alone, without drcn: at most 65 hours (3 days)."),
        ([OUTLOOK], {"drcn": "out of memory"}, "\ndrcn: out of memory\n"),
        ([changed(num_devices=2)], {}, "2 x Some CPU"),
        ([changed(num_steps=2, remarks=["generator untrained"])], {}, "  2 steps, generator untrained\n"),
        ([changed(num_steps=1)], {}, "  1 step\n"),
        ([changed(idle_bytes=None)], {}, "Memory: of the GPU, what tensors take"),
        ([changed(peak_bytes=None)], {}, "  –  "),
        # 28 steps
        (
            [dataclasses.replace(OUTLOOK, max_epochs=1, num_val=0, patches_per_epoch=448)],
            {},
            "at most < 0.01 hours (14 s)",
        ),
    ],
)
def test_the_report_says(outlooks: list[Outlook], failures: dict[str, str], expected: str) -> None:
    assert expected in report("Title", outlooks, failures)


def test_a_line_holds_what_was_seen_below_the_headings() -> None:
    other = changed(name="a_long_name", num_parameters=[8032], remarks=["generator untrained"])
    head, *lines = report("", [OUTLOOK, other], {}).splitlines()[3:6]
    cells = ["1,549,462 + 23,569,217", "128 G", "3,210 MB", "500", "32", "300 x 24,000", "65"]
    assert re.split(r" {2,}", lines[0]) == ["srgan", *cells]
    for heading in ("parameters", "memory", "ms/step", "patches/s", "hours"):
        end = head.index(heading) + len(heading)
        assert all(line[end - 1] != " " and line[end : end + 1] in (" ", "") for line in lines)
    assert lines[1].endswith("  generator untrained")


def test_a_budget_of_time_is_epochs_and_overrides() -> None:
    """780 s an epoch: 3 in 40 minutes, and none in 10."""
    assert "srgan  3 epochs: gans.srgan.max_epochs=3 gans.srgan.patience=3\n" in budget([OUTLOOK], 40)
    assert "srgan  an epoch takes 13 min: lower gans.srgan.patches_per_epoch\n" in budget([OUTLOOK], 10)


SECONDS = {"s": 1, "min": 60, "h": 3600, "days": 86400}


@given(st.floats(1.0, 1e9))
def test_a_duration_is_the_time_but_for_rounding(seconds: float) -> None:
    number, unit = duration(seconds / 3600).replace(",", "").split()
    # rounded by half a unit at most, in a unit of which there is at least one (but two days)
    assert abs(float(number) * SECONDS[unit] - seconds) <= 0.5 * SECONDS[unit] * (1 + 1e-9)
    assert float(number) >= (2 if unit == "days" else 1)
