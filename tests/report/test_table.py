"""The Markdown page and the flat rows."""

import copy

import pytest

from srlab.errors import SrlabError
from srlab.report.audit import paper_remarks
from srlab.report.literature import paper_table, published
from srlab.report.table import rows, summary


def result(
    method: str, psnr: float, ssim: float, sets: tuple[str, ...] = ("Set5",), words: str = "ours", scale: int = 4
) -> dict:
    """Scores under "classic", and 0.1 dB more under "modern"."""
    protocols = {}
    for protocol, value in (("classic", psnr), ("modern", psnr + 0.1)):
        images = {name: {"psnr": value, "ssim": ssim} for name in ("baby", "bird")}
        datasets = {name: {"psnr": value, "ssim": ssim, "images": copy.deepcopy(images)} for name in sets}
        protocols[protocol] = {"protocol": f"{protocol}: {words}", "datasets": datasets}
    return {"method": method, "label": method.upper(), "scale": scale, "protocols": protocols}


def page(metrics: list[dict], notes: tuple[str, ...] = (), protocol: str = "classic", **options) -> str:
    return summary(metrics, protocol, paper_table(), notes, **options)


MACHINE = {"remark": "", "device": "a CPU, 1 thread", "libraries": "torch 2.13.0, numpy 2.5.0"}
COSTS = {
    "bicubic": {"num_parameters": 0, "multiply_adds": None, "ms_per_megapixel": 4.126, "peak_bytes": None, **MACHINE},
    "srcnn": {
        "num_parameters": 57281,
        "multiply_adds": 52_713_676_800,
        "ms_per_megapixel": 1234.5,
        "peak_bytes": 81_920_000,
        **MACHINE,
    },
}
FIGURES = [("bicubic", 28.4189, 0.81024), ("srcnn", 30.0749, 0.8)]
BICUBIC, SRCNN = (result(*figures) for figures in FIGURES)


def cells(page: str, first: str, second: str) -> list[str]:
    """The cells of the one table line that starts with `first` and `second`."""
    (line,) = [line for line in page.splitlines() if line.startswith(f"| {first} | {second} |")]
    return [cell.strip() for cell in line.strip("|").split("|")][2:]


def ours(page: str) -> list[list[str]]:
    """The first table, heading and methods, cell by cell."""
    lines = [line for line in page.split("\n\n")[1].splitlines() if "---" not in line]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def test_psnr_has_two_decimals_ssim_four_and_the_best_is_bold() -> None:
    assert ours(page([SRCNN, BICUBIC])) == [
        ["Method", "Set5 (2 images): PSNR (dB)", "Set5 (2 images): SSIM"],
        ["SRCNN", "**30.07**", "0.8000"],
        ["BICUBIC", "28.42", "**0.8102**"],
    ]


def test_figures_that_print_alike_are_all_bold() -> None:
    text = page([result("a", 28.4211, 0.5), result("b", 28.4189, 0.4)])
    assert [line[1] for line in ours(text)[1:]] == ["**28.42**", "**28.42**"]


def test_the_first_table_is_of_the_protocol_asked_for_and_the_papers_figure_beside_ours_of_its_era() -> None:
    text = page([BICUBIC, SRCNN], protocol="modern")
    assert ours(text)[1][1] == "28.52"
    assert cells(text, "Set5", "BICUBIC")[:2] == ["29.26", "28.42"]


def test_an_unknown_protocol_is_refused_with_the_known_ones() -> None:
    with pytest.raises(SrlabError, match=r"set report\.protocol to one of classic, modern"):
        page([BICUBIC], protocol="rgb")


def test_sets_have_titles_and_those_without_known_figures_are_named_under_the_table() -> None:
    unchecked = {**BICUBIC, "unchecked": {"mine": "not a standard set"}}
    text = page([unchecked], titles={"Set5": "Set5 mod4 (2 of 5 images)"})
    assert ours(text)[0][1] == "Set5 mod4 (2 of 5 images): PSNR (dB)"
    assert "not compared with known figures on mine (not a standard set)." in text


def test_costs_are_columns_and_what_is_not_known_is_a_dash() -> None:
    text = page([BICUBIC, SRCNN], costs=COSTS)
    assert [line[3:] for line in ours(text)] == [
        ["Parameters", "Multiply-adds (G)", "ms / MPix", "Peak memory (MB)"],
        ["–", "–", "4.13", "–"],
        ["57,281", "52.7", "1,230", "81.9"],
    ]
    assert text.count("Measured on a CPU, 1 thread (torch 2.13.0, numpy 2.5.0) with an output of") == 1


def test_a_time_that_others_disturbed_is_marked() -> None:
    disturbed = COSTS | {"srcnn": COSTS["srcnn"] | {"remark": "machine busy"}}
    text = page([BICUBIC, SRCNN], costs=disturbed)
    assert [line[5] for line in ours(text)] == ["ms / MPix", "4.13", "1,230*"]


def test_the_papers_figure_stands_beside_ours_with_the_difference_on_shared_sets() -> None:
    photos = [result(method, psnr, ssim, ("Set5", "photos")) for method, psnr, ssim in FIGURES]
    text = page(photos)
    assert cells(text, "Set5", "BICUBIC") == ["29.26", "28.42", "-0.84", "0.8594", "0.8102", "-0.0492"]
    assert cells(text, "Set5", "SRCNN") == ["30.07", "30.07", "+0.00", "0.8627", "0.8000", "-0.0627"]
    assert cells(text, "Set5", "SRGAN") == ["30.95", "not run", "", "0.8836", "not run", ""]
    beside = text.split("## The paper's own figures beside ours")[1].split("##")[0]
    assert "photos" not in beside
    assert "Set14" not in beside


def test_the_first_entry_of_a_kind_stands_for_it_where_none_has_its_name() -> None:
    kinds = {"srgan_released": "srgan", "espcn_2": "espcn", "espcn": "espcn", "srgan_again": "srgan"}
    found = [{**result(name, 30.0 + i, 0.8), "kind": kind} for i, (name, kind) in enumerate(kinds.items())]
    text = page([*found, BICUBIC], published=published())
    papers, others = text.split("## Published figures beside ours")
    assert cells(papers, "Set5", "SRGAN_RELEASED")[1] == "30.00"
    assert cells(papers, "Set5", "ESPCN")[1] == "32.00"
    assert cells(others, "Set5", "ESPCN")[-3] == "32.00"


@pytest.mark.parametrize(("sets", "scale"), [(("photos",), 4), (("Set5",), 2)], ids=["own images", "another scale"])
def test_what_the_paper_did_not_measure_is_reported_without_its_figures(sets: tuple[str, ...], scale: int) -> None:
    assert "paper" not in page([result("bicubic", 28, 0.8, sets, scale=scale)], published=published())


def test_the_remarks_on_the_paper_come_with_its_figures() -> None:
    notes = page([BICUBIC], ("trained on 30 images",)).split("## Notes")[1]
    assert [line for line in notes.splitlines() if line.startswith("- The paper")] == [
        f"- {remark}" for remark in paper_remarks()
    ]


def test_published_figures_stand_in_a_section_of_their_own_beside_ours() -> None:
    text = page([BICUBIC, SRCNN], published=published())
    section = text.split("## Published figures beside ours")[1]
    training = "ImageNet, 395k images"
    (line,) = [line for line in section.splitlines() if line.startswith(f"| Set5 | SRCNN 9-5-5 | {training} |")]
    found = [cell.strip() for cell in line.strip("|").split("|")][4:]
    assert found == ["classic", "Gaussian", "30.48", "30.07", "0.8628", "0.8000"]
    assert "LapSRN" not in section


def test_a_variant_stands_beside_the_published_figures_of_that_variant_alone() -> None:
    kinds = {f"9-{i}-5": result(f"mine_{i}", 30.0 + i, 0.8) for i in (1, 5)}
    found = [{**one, "label": f"SRCNN {kernels} (mine)", "kind": "srcnn"} for kernels, one in kinds.items()]
    section = page(found, published=published()).split("## Published figures beside ours")[1]
    assert cells(section, "Set5", "SRCNN 9-1-5")[-4:-2] == ["30.08", "31.00"]
    assert cells(section, "Set5", "SRCNN 9-5-5")[-4:-2] == ["30.48", "35.00"]
    alone = page(found[:1], published=published()).split("## Published figures beside ours")[1]
    assert "SRCNN 9-1-5" in alone and "SRCNN 9-5-5" not in alone


@pytest.mark.parametrize("changes", [{"scale": 2}, {"method": "own"}])
def test_published_figures_of_another_scale_or_method_are_left_out(changes: dict) -> None:
    assert "Published figures" not in page([{**BICUBIC, **changes}], published=published())


def test_notes_protocol_and_scale_are_stated() -> None:
    text = page([BICUBIC], ("trained on 30 images", "of 3000 wanted"))
    assert "- trained on 30 images\n- of 3000 wanted\n" in text
    assert text.endswith("Protocols (x4; the first table is classic):\n\n- classic: ours\n- modern: ours\n")


def test_every_table_line_has_as_many_cells_as_its_heading_whatever_a_label_holds() -> None:
    text = page([BICUBIC, {**SRCNN, "label": "a|b"}], ("note",), published=published(), costs=COSTS)
    blocks = [block.splitlines() for block in text.split("\n\n") if block.startswith("|")]
    assert len(blocks) == 3
    for block in blocks:
        assert {line.replace(r"\|", "").count("|") for line in block} == {block[0].count("|")}


def test_rows_are_flat_and_unrounded() -> None:
    assert rows([BICUBIC, SRCNN], COSTS) == [
        {"method": method, "protocol": protocol, "set": "Set5", "psnr": psnr, "ssim": ssim, **COSTS[method]}
        for method, first, ssim in (("bicubic", 28.4189, 0.81024), ("srcnn", 30.0749, 0.8))
        for protocol, psnr in (("classic", first), ("modern", first + 0.1))
    ]


MISSING_IMAGE = result("srcnn", 30, 0.8)
for found in MISSING_IMAGE["protocols"].values():
    del found["datasets"]["Set5"]["images"]["bird"]
MIXED = {
    "scale": (result("srcnn", 30, 0.8, scale=2), "bicubic and srcnn were evaluated with different scales"),
    "protocol": (result("srcnn", 30, 0.8, words="RGB"), "different protocols"),
    "sets": (result("srcnn", 30, 0.8, ("Set5", "Set14")), "different sets"),
    "images": (MISSING_IMAGE, "different images of Set5"),
    "twice": (result("bicubic", 30, 0.8), "listed twice"),
}


@pytest.mark.parametrize(("other", "message"), MIXED.values(), ids=MIXED)
def test_what_cannot_be_compared_is_refused(other: dict, message: str) -> None:
    with pytest.raises(SrlabError, match=message):
        page([BICUBIC, other])
    with pytest.raises(SrlabError, match=message):
        rows([BICUBIC, other], COSTS)


def test_nothing_to_tabulate_is_refused() -> None:
    with pytest.raises(SrlabError, match="no evaluation"):
        page([])
