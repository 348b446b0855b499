"""params.yaml is checked before anything is computed: every problem in one line that names key and cure."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from srlab.errors import SrlabError
from srlab.evaluation.known import known_scales
from srlab.profile import changed
from srlab.settings import KNOWN_SCALES, check_file, problems

ROOT = Path(__file__).parents[1]
CONF = ROOT / "conf"
QUICK: dict[str, Any] = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
PROFILES = {path.stem: path for path in (CONF / "profile").glob("*.yaml")}

Edit = Callable[[dict[str, Any]], Any]


def edited(edit: Edit) -> list[str]:
    params = copy.deepcopy(QUICK)
    edit(params)
    return list(problems(params, CONF))


def put(key: str, value: Any) -> Edit:
    def edit(params: dict[str, Any]) -> None:
        *path, last = key.split(".")
        for name in path:
            params = params[name]
        params[last] = value

    return edit


def test_scales_are_those_at_which_the_metrics_can_be_checked() -> None:
    assert set(known_scales()) == KNOWN_SCALES


@pytest.mark.parametrize("profile", [None, *PROFILES])
def test_every_profile_is_in_order(profile: str | None) -> None:
    base = (ROOT / "params.yaml").read_text(encoding="utf-8")
    text = changed(base, PROFILES[profile].read_text(encoding="utf-8")) if profile else base
    assert list(problems(yaml.safe_load(text), CONF)) == []


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("models.espcn.batch_size", 0, "models.espcn.batch_size is 0: use a whole number at least 1"),
        ("models.espcn.batch_size", 4.0, "models.espcn.batch_size is 4.0: write a whole number"),
        ("models.espcn.patch_size", 50, "models.espcn.patch_size is 50: use a multiple of the scale, 4"),
        ("scale", 6, "scale is 6, at which no figure is known to check the metrics with: use 2, 3, 4 or 8"),
        ("models.espcn.lr", "fast", "models.espcn.lr is 'fast': write a number"),
        ("models.espcn.lr", -1, "models.espcn.lr is -1: use a number at least 1e-12"),
        ("models.espcn.lr", float("nan"), "models.espcn.lr is nan: write a number"),
        ("models.espcn.icnr", "ja", "models.espcn.icnr is 'ja': write true or false"),
        ("models.espcn.seed", -1, "models.espcn.seed is -1: use a whole number from 0 to 4.29497e+09"),
        ("num_threads", 1000, "num_threads is 1000: use a whole number from 0 to 256"),
        ("schedules.plateau.factor", 1.5, "schedules.plateau.factor is 1.5: use a number from 1e-06 to 0.999999"),
        ("datasets.photos.num_images", "4", "datasets.photos.num_images is '4': write a whole number"),
        ("datasets.photos.source", "fotos", "datasets.photos.source is 'fotos': choose one of bsd100, "),
        ("datasets.photos.selection", "quality", "datasets.photos has no num_candidates, which its source or its "),
        ("datasets.photos.pfad", "x", "datasets.photos has pfad, which nothing reads"),
        ("models.espcn.net", "espcm", "models.espcn.net is 'espcm': choose one of drcn, espcn, fsrcnn, "),
        ("models.espcn.train_on", "heldout", "models.espcn.train_on is 'heldout': choose one of photos"),
        ("models.espcn.schedule", "cosinus", "models.espcn.schedule is 'cosinus': choose one of cosine, plateau, "),
        ("models.espcn.num_block", 3, "models.espcn has num_block, which espcn does not read"),
        ("models.espcn.optimizer", "sgd", "models.espcn has no momentum, weight_decay, which espcn reads: add it"),
        ("gans.srgan.generator", "srresnet_2", "gans.srgan.generator is 'srresnet_2': choose one of drcn, espcn, "),
        ("gans.srgan.net", "espcn", "gans.srgan.net is 'espcn': choose one of srresnet"),
        ("pretrained.srgan_half.gan", "gan", "pretrained.srgan_half.gan is 'gan': choose one of srgan"),
        ("report.figure_set", "photos", "report.figure_set is 'photos': choose one of None, heldout"),
        ("run_on", "tpu", "run_on is 'tpu': choose one of cpu_bf16, ddp, default, gpu"),
        ("models.bicubic", {"net": "espcn"}, "models.bicubic: classical has a line of that name: rename one of them"),
        ("models.2019", {"net": "espcn"}, "models.2019: a name has letters, digits, _ and -, and begins with a letter"),
        ("datasets.bsd100+", {"role": "test"}, "datasets.bsd100+: a name has letters, digits, _ and -, and begins"),
        ("modles", {}, "params.yaml has modles, which nothing reads: take it out, or correct its name"),
    ],
)  # fmt: skip
def test_a_problem_is_one_line_with_key_and_cure(key: str, value: Any, words: str) -> None:
    assert any(line.startswith(words) for line in edited(put(key, value))), edited(put(key, value))


@pytest.mark.parametrize(("empty", "lines"), [
    ({}, []),
    (None, ["gans is None, which DVC refuses: an empty map is written `gans: {}`"]),  # the last line was taken out
])  # fmt: skip
def test_a_map_without_lines_is_written_as_one(empty: dict[str, Any] | None, lines: list[str]) -> None:
    def without_gans(params: dict[str, Any]) -> None:
        params["gans"] = empty
        del params["pretrained"]["srgan_half"]

    assert edited(without_gans) == lines


@pytest.mark.parametrize("families", [("classical",), ("examples", "models", "gans")])
def test_what_the_report_compares_with_is_asked_for(families: tuple[str, ...]) -> None:
    def without(params: dict[str, Any]) -> None:
        params |= {key: {} for key in families} | {"pretrained": {}}

    (line,) = edited(without)
    assert line.startswith(f"{' and '.join(families)} have no line: keep one")


def test_a_missing_key_is_named() -> None:
    (line,) = edited(lambda params: params.pop("recipes"))
    assert line.startswith("params.yaml has no recipes: put it back")


def test_all_problems_are_found_at_once() -> None:
    def edit(params: dict[str, Any]) -> None:
        put("scale", 1)(params)
        put("models.espcn.lr", 0)(params)

    assert len(edited(edit)) == 2


def test_an_entry_of_a_known_kind_needs_no_other_edit() -> None:
    """Two kernels of SRCNN, and two seeds of ESPCN with a label each, stand in one table."""

    def edit(params: dict[str, Any]) -> None:
        models = params["models"]
        models["srcnn_955"] = models["srcnn"] | {"kernels": "9-5-5", "label": "SRCNN 9-5-5"}
        models["espcn_s2"] = models["espcn"] | {"seed": 2}

    assert edited(edit) == []


def test_a_file_that_is_no_map_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for text, words in (("a: [", "is no YAML"), ("[]", "is no map of settings"), (None, "no params.yaml in")):
        if text is not None:
            Path("params.yaml").write_text(text, encoding="utf-8")
        else:
            Path("params.yaml").unlink()
        with pytest.raises(SrlabError, match=words):
            check_file()


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2), st.sampled_from(["photos", "espcn", "srgan"]),
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_random_edits_end_in_order_or_in_lines(data: st.DataObject) -> None:
    """Never a traceback: types, ranges, names, missing and extra keys, at any depth."""
    params = copy.deepcopy(QUICK)
    for _ in range(data.draw(st.integers(1, 3))):
        node: Any = params
        while True:
            key = data.draw(st.sampled_from(sorted(node, key=str)))
            if not (isinstance(node[key], dict) and node[key] and data.draw(st.booleans())):
                break
            node = node[key]
        action = data.draw(st.sampled_from(["set", "remove", "add"]))
        if action == "set":
            node[key] = data.draw(VALUES)
        elif action == "remove":
            del node[key]
        else:
            node[data.draw(st.one_of(st.text(max_size=8), st.integers(), st.booleans(), st.none()))] = data.draw(VALUES)
        if not params:
            break
    for line in problems(params, CONF):
        assert line.strip()
        assert ": " in line
        assert "\n" not in line
