"""The pages of docs/methods: one for every method, its figures those of measured.csv and literature.csv."""

from pathlib import Path

import pytest
import yaml

from srlab.errors import SrlabError
from srlab.files import write_json
from srlab.report.literature import published
from srlab.report.method_pages import block, fill, fill_pages, measured_of, read_measured

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs/methods"
PARAMS = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
METHODS = [name for family in ("classical", "examples", "models", "gans") for name in PARAMS[family]] + ["srgan_half"]
APLUS = {
    "method": "aplus",
    "label": "A+",
    "scale": 4,
    "protocols": {
        "classic": {"datasets": {"Set5": {"psnr": 30.234, "ssim": 0.85512}, "holiday": {"psnr": 20, "ssim": 0.5}}}
    },
}


def test_every_method_has_a_page_of_one_screen_with_the_figures_on_file_and_a_line_in_the_list() -> None:
    assert {page.stem for page in PAGES.glob("*.md")} == {*METHODS, "README"}
    measured, listed = read_measured(PAGES), (PAGES / "README.md").read_text()
    for method in METHODS:
        text = (PAGES / f"{method}.md").read_text()
        assert f"<!-- figures:{method} -->" in text
        assert text == fill(text, measured, published()), method
        assert len(text.splitlines()) <= 60, method  # a screen
        assert f"({method}.md)" in listed


def test_ours_stands_above_the_published_figures() -> None:
    lines = block("aplus", measured_of(APLUS, "aplus"), published()).splitlines()
    assert lines[0].count("PSNR (dB) / SSIM") == 3
    assert lines[2:] == [
        "| srlab: A+ (classic) | 30.23 / 0.8551 |  |  |",
        "| A+ (trained on T91; classic) | 30.28 / 0.8603 | 27.32 / 0.7491 | 26.82 / 0.7087 |",
    ]


def test_a_figure_of_another_kind_of_ssim_says_so() -> None:
    nearest = {**APLUS, "method": "nearest", "label": "Nearest"}
    assert "| Nearest (trained on none; other; another kind of SSIM) | 26.26 / 0.7552 | 24.64 / 0.7100 |" in block(
        "nearest", measured_of(nearest, "nearest"), published()
    )


def test_without_a_published_figure_or_ours_it_says_so() -> None:
    assert "No figure under this protocol was found in print." in block("aplus", measured_of(APLUS, "aplus"), [])
    assert "| srlab: not measured yet |  |  |  |" in block("aplus", [], published())


def test_a_run_renews_its_methods_and_keeps_the_others(tmp_path: Path) -> None:
    pages, metrics = tmp_path / "pages", tmp_path / "metrics"
    pages.mkdir()
    for name in ("aplus", "bicubic"):
        (pages / f"{name}.md").write_text(f"# {name}\n\n<!-- figures:{name} -->\nold\n<!-- /figures -->\n")
        write_json(metrics / f"{name}.json", {**APLUS, "method": name, "label": name})
    fill_pages(metrics, pages)
    (metrics / "aplus.json").unlink()
    datasets = {"Set5": {"psnr": 28.42, "ssim": 0.8104}}
    better = {**APLUS, "method": "bicubic", "protocols": {"classic": {"datasets": datasets}}}
    write_json(metrics / "bicubic.json", better)
    fill_pages(metrics, pages)
    assert [(row.method, row.psnr) for row in read_measured(pages)] == [("aplus", "30.23"), ("bicubic", "28.42")]
    assert "30.23 / 0.8551" in (pages / "aplus.md").read_text()
    assert "old" not in (pages / "bicubic.md").read_text()


def test_released_weights_stand_on_the_page_of_their_kind_before_other_recipes(tmp_path: Path) -> None:
    (tmp_path / "espcn.md").write_text("<!-- figures:espcn -->\n<!-- /figures -->\n")
    labels = {"espcn_paper": "ESPCN (pretrained, another recipe)", "espcn_released": "ESPCN (pretrained)"}
    for name, label in labels.items():
        write_json(tmp_path / f"metrics/{name}.json", {**APLUS, "method": name, "kind": "espcn", "label": label})
    fill_pages(tmp_path / "metrics", tmp_path)
    assert (tmp_path / "espcn.md").read_text().splitlines()[3:5] == [
        "| srlab: ESPCN (pretrained) (classic) | 30.23 / 0.8551 |  |  |",
        "| srlab: ESPCN (pretrained, another recipe) (classic) | 30.23 / 0.8551 |  |  |",
    ]


def test_a_page_without_a_block_is_refused() -> None:
    with pytest.raises(SrlabError, match="block"):
        fill("# A page\n", [], [])
