"""The whole way of a row, proven with weights that we did not train: fetch, LR, packing, the canary, evaluation."""

from pathlib import Path

import pytest
import torch
from eras import CLASSIC, MODERN
from standard_sets import mirror

from srlab.datasets.augmentation import build_index
from srlab.datasets.sources import Folder, fetch_images
from srlab.degradation.imaging import Bicubic
from srlab.degradation.packing import pack
from srlab.degradation.pairs import PairStore
from srlab.evaluation.benchmark import evaluate
from srlab.evaluation.canary import check
from srlab.files import read_json
from srlab.use.external import External
from srlab.use.formats import python_class

MODELS = Path(__file__).parents[1] / "support"  # rlfn.py


@pytest.mark.data
def test_rlfn_has_its_published_figures_on_set5(tmp_path: Path) -> None:
    """Kong et al. 2022, table 1: 32.24 / 0.8952. (Set14 and BSD100, by hand: docs/external.md.)"""
    weights = mirror("weights/published/rlfn_x4.pth")
    if not weights.exists():
        pytest.skip(f"{weights} is not there: get model_zoo/rlfn_x4.pth of bytedance/RLFN")
    fetch_images(Folder(str(mirror("Set5")), None), tmp_path / "images", 16)
    index = build_index(read_json(tmp_path / "images/manifest.json"), "test", 0, 1, seed=0)
    pack(tmp_path / "images", index, Bicubic(4), tmp_path / "pairs", 16)
    stores = {"Set5": PairStore(tmp_path / "pairs")}
    assert check(stores, 4, [MODERN, CLASSIC]).unchecked == {}
    arguments = {"scale": 4, "num_features": 52, "attention_features": 16}
    net = python_class(str(MODELS), str(weights), "rlfn.RLFN", arguments, None)
    method = External("rlfn", "RLFN", 4, net, "rgb", 255, 0, 0, 0)
    found = evaluate("rlfn", method, stores, 4, [MODERN, CLASSIC], tmp_path / "s", 0, torch.device("cpu"))["protocols"]
    scores = {name: one["datasets"]["Set5"] for name, one in found.items()}
    assert scores["modern"]["psnr"] == pytest.approx(32.24, abs=0.005)  # dB: half a unit of the last printed digit
    assert scores["modern"]["ssim"] == pytest.approx(0.8952, abs=0.0003)  # theirs comes from another program's windows
    # What the wrong era costs: measured by others, who rounded the luma of the same outputs.
    assert scores["classic"]["psnr"] == pytest.approx(32.2164, abs=0.005)
    assert scores["classic"]["ssim"] == pytest.approx(0.8941, abs=0.0003)
