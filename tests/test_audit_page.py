"""docs/audit.md shows what `srlab audit` prints. To write it again: `python tests/test_audit_page.py` from the root."""

import contextlib
import io
import re
import shlex
from pathlib import Path

import pytest

from srlab.cli import main
from srlab.report.protocols import Variant, readings

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/audit.md"
BLOCK = re.compile(r"```console\n\$ srlab ([^\n]+)\n.*?```", re.DOTALL)


def rendered(page: str) -> str:
    """`page` with the output of every command in it renewed."""

    def block(match: re.Match[str]) -> str:
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            main(shlex.split(match[1]))
        return f"```console\n$ srlab {match[1]}\n{output.getvalue()}```"

    return BLOCK.sub(block, page)


def test_the_page_shows_what_the_command_prints(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    page = PAGE.read_text(encoding="utf-8")
    assert rendered(page) == page


@pytest.mark.parametrize(("protocol", "colour"), [("classic", "studio"), ("modern", "studio-float")])
@pytest.mark.parametrize("scale", (2, 3, 4))
def test_the_pages_bicubic_rows_are_those_measured(scale: int, protocol: str, colour: str) -> None:
    variant = Variant("matlab", colour, border=True, luma_first=False)
    found = {one.set: one for one in readings() if (one.scale, one.variant) == (scale, variant)}
    cells = [f"{found[name].psnr:.2f} / {found[name].ssim['gauss']:.4f}" for name in ("Set5", "Set14", "BSD100")]
    assert f"| x{scale}, `{protocol}` | {' | '.join(cells)} |" in PAGE.read_text(encoding="utf-8")


if __name__ == "__main__":
    PAGE.write_text(rendered(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
