"""The Markdown page and the flat rows."""

import copy

import pytest

from srlab.errors import SrlabError
from srlab.report.literature import paper_table, published
from srlab.report.table import rows, summary


def result(method: str, psnr: float, ssim: float, sets: tuple[str, ...] = ("Set5",), **changes) -> dict:
    images = {"baby": {"psnr": psnr, "ssim": ssim}, "bird": {"psnr": psnr, "ssim": ssim}}
    datasets = {name: {"psnr": psnr, "ssim": ssim, "images": copy.deepcopy(images)} for name in sets}
    return {"method": method, "label": method.upper(), "scale": 4, "protocol": "ours", "datasets": datasets, **changes}


COSTS = {
    "bicubic": {
        "num_parameters": 0,
        "multiply_adds": None,
        "ms_per_megapixel": 4.126,
        "peak_bytes": None,
        "remark": "",
        "device": "a CPU, 1 thread",
        "libraries": "torch 2.13.0, numpy 2.5.0",
    },
    "srcnn": {
        "num_parameters": 57281,
        "multiply_adds": 52_713_676_800,
        "ms_per_megapixel": 1234.5,
        "peak_bytes": 81_920_000,
        "remark": "",
        "device": "a CPU, 1 thread",
        "libraries": "torch 2.13.0, numpy 2.5.0",
    },
}
BICUBIC, SRCNN = result("bicubic", 28.4189, 0.81024), result("srcnn", 30.0749, 0.8)


def cells(page: str, first: str, second: str) -> list[str]:
    """The cells of the one table line that starts with `first` and `second`."""
    (line,) = [line for line in page.splitlines() if line.startswith(f"| {first} | {second} |")]
    return [cell.strip() for cell in line.strip("|").split("|")][2:]


def ours(page: str) -> list[list[str]]:
    """The first table, heading and methods, cell by cell."""
    lines = [line for line in page.split("\n\n")[1].splitlines() if "---" not in line]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def test_psnr_has_two_decimals_ssim_four_and_the_best_is_bold() -> None:
    assert ours(summary([BICUBIC, SRCNN], paper_table(), [])) == [
        ["Method", "Set5 (2 images): PSNR (dB)", "Set5 (2 images): SSIM"],
        ["BICUBIC", "28.42", "**0.8102**"],
        ["SRCNN", "**30.07**", "0.8000"],
    ]


def test_figures_that_print_alike_are_all_bold() -> None:
    page = summary([result("a", 28.4211, 0.5), result("b", 28.4189, 0.4)], paper_table(), [])
    assert [line[1] for line in ours(page)[1:]] == ["**28.42**", "**28.42**"]


def test_methods_keep_the_given_order() -> None:
    assert [line[0] for line in ours(summary([SRCNN, BICUBIC], paper_table(), []))] == ["Method", "SRCNN", "BICUBIC"]


def test_costs_are_columns_and_what_is_not_known_is_a_dash() -> None:
    page = summary([BICUBIC, SRCNN], paper_table(), [], costs=COSTS)
    assert [line[3:] for line in ours(page)] == [
        ["Parameters", "Multiply-adds (G)", "ms / MPix", "Peak memory (MB)"],
        ["–", "–", "4.13", "–"],
        ["57,281", "52.7", "1,230", "81.9"],
    ]
    assert page.count("Measured on a CPU, 1 thread (torch 2.13.0, numpy 2.5.0) with an output of") == 1


def test_a_time_that_others_disturbed_is_no_figure() -> None:
    disturbed = COSTS | {"srcnn": COSTS["srcnn"] | {"ms_per_megapixel": None, "remark": "machine busy"}}
    page = summary([BICUBIC, SRCNN], paper_table(), [], costs=disturbed)
    assert [line[5] for line in ours(page)] == ["ms / MPix", "4.13", "machine busy"]


def test_a_set_is_called_by_its_title() -> None:
    page = summary([BICUBIC], paper_table(), [], titles={"Set5": "Set5 mod4 (2 of 5 images)"})
    assert ours(page)[0][1] == "Set5 mod4 (2 of 5 images): PSNR (dB)"


def test_the_papers_figure_stands_beside_ours_with_the_difference() -> None:
    page = summary([BICUBIC, SRCNN], paper_table(), [])
    assert cells(page, "Set5", "BICUBIC") == ["29.26", "28.42", "-0.84", "0.8594", "0.8102", "-0.0492"]
    assert cells(page, "Set5", "SRCNN") == ["30.07", "30.07", "+0.00", "0.8627", "0.8000", "-0.0627"]


def test_a_method_of_the_paper_that_did_not_run_is_named_as_such() -> None:
    assert cells(summary([BICUBIC], paper_table(), []), "Set5", "SRGAN") == [
        "30.95", "not run", "", "0.8836", "not run", "",
    ]  # fmt: skip


def test_sets_that_only_one_side_has_are_not_put_beside_each_other() -> None:
    page = summary([result("bicubic", 28, 0.8, ("Set5", "photos"))], paper_table(), [])
    beside = page.split("## The paper's own figures beside ours")[1]
    assert "photos" not in beside
    assert "Set14" not in beside


def test_without_a_shared_set_the_papers_table_stands_alone() -> None:
    page = summary([result("bicubic", 28, 0.8, ("photos",))], paper_table(), [])
    assert "Set5, Set14 and BSD100 were not evaluated in this profile; the paper reports:" in page
    assert cells(page, "Set14", "SSIM") == ["0.7648", "0.8627", "0.8784", "**0.8792**"]


def test_published_figures_stand_in_a_section_of_their_own_beside_ours() -> None:
    page = summary([BICUBIC, SRCNN], paper_table(), [], published())
    section = page.split("## Published figures beside ours")[1]
    training = "ImageNet, 395k images"
    (line,) = [line for line in section.splitlines() if line.startswith(f"| Set5 | SRCNN 9-5-5 | {training} |")]
    assert [cell.strip() for cell in line.strip("|").split("|")][4:] == [
        "Gaussian",
        "30.48",
        "30.07",
        "0.8628",
        "0.8000",
    ]
    assert "LapSRN" not in section


@pytest.mark.parametrize("changes", [{"scale": 2}, {"method": "own"}])
def test_published_figures_of_another_scale_or_method_are_left_out(changes: dict) -> None:
    assert "Published figures" not in summary([{**BICUBIC, **changes}], paper_table(), [], published())


def test_notes_protocol_and_scale_are_stated() -> None:
    page = summary([BICUBIC], paper_table(), ["trained on 30 images", "of 3000 wanted"])
    assert "- trained on 30 images\n- of 3000 wanted\n" in page
    assert page.endswith("Protocol (x4): ours.\n")


def test_a_pipe_in_a_label_does_not_break_the_table() -> None:
    page = summary([{**BICUBIC, "label": "a|b"}], paper_table(), [])
    assert r"| a\|b | **28.42** |" in page


def test_every_table_line_has_as_many_cells_as_its_heading() -> None:
    page = summary([BICUBIC, SRCNN], paper_table(), ["note"], published(), COSTS)
    blocks = [block.splitlines() for block in page.split("\n\n") if block.startswith("|")]
    assert len(blocks) == 3
    for block in blocks:
        assert {line.count("|") for line in block} == {block[0].count("|")}


def test_rows_are_flat_and_unrounded() -> None:
    assert rows([BICUBIC, SRCNN], COSTS) == [
        {"method": "bicubic", "set": "Set5", "psnr": 28.4189, "ssim": 0.81024, **COSTS["bicubic"]},
        {"method": "srcnn", "set": "Set5", "psnr": 30.0749, "ssim": 0.8, **COSTS["srcnn"]},
    ]


MISSING_IMAGE = result("srcnn", 30, 0.8)
del MISSING_IMAGE["datasets"]["Set5"]["images"]["bird"]
MIXED = {
    "scale": (result("srcnn", 30, 0.8, scale=2), "bicubic and srcnn were evaluated with different scales"),
    "protocol": (result("srcnn", 30, 0.8, protocol="RGB"), "different protocols"),
    "sets": (result("srcnn", 30, 0.8, ("Set5", "Set14")), "different sets"),
    "images": (MISSING_IMAGE, "different images of Set5"),
    "twice": (result("bicubic", 30, 0.8), "listed twice"),
}


BUILDERS = {"rows": lambda found: rows(found, COSTS), "summary": lambda found: summary(found, paper_table(), [])}


@pytest.mark.parametrize("build", BUILDERS.values(), ids=BUILDERS)
@pytest.mark.parametrize(("other", "message"), MIXED.values(), ids=MIXED)
def test_what_cannot_be_compared_is_refused(build, other: dict, message: str) -> None:
    with pytest.raises(SrlabError, match=message):
        build([BICUBIC, other])


def test_nothing_to_tabulate_is_refused() -> None:
    with pytest.raises(SrlabError, match="no evaluation"):
        summary([], paper_table(), [])
