"""What a new network, method, data set, metric or loss takes: a file, its yaml, a line; shown by adding one of each."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from workspace import Workspace

pytestmark = pytest.mark.pipeline

NETWORK = {
    "src/srlab/models/plain.py": '''\
"""Two convolutions."""

from torch import Tensor, nn

from srlab.models.base.network import Network


class Plain(Network):
    """Luma (B, 1, h, w) to (B, 1, h*scale, w*scale)."""

    def __init__(self, scale: int, width: int) -> None:
        super().__init__(scale, channels=1)
        self.first, self.last = nn.Conv2d(1, width, 3, padding=1), nn.Conv2d(width, scale**2, 3, padding=1)

    def forward(self, lr: Tensor) -> Tensor:
        return nn.functional.pixel_shuffle(self.last(self.first(lr).relu()), self.scale)
''',
    "conf/model/plain.yaml": """\
defaults: [/base/network@_here_, _self_]

name: plain
branch: Deep learning / Convolutional networks
kind_label: Plain
net:
  _target_: srlab.models.plain.Plain
  scale: ${scale}
  width: ${..settings.width}
""",
}
LINE_OF_NETWORK = (
    "  plain_8: {net: plain, width: 8, train_on: photos, loss: cubic, optimizer: adam, lr: 0.001, schedule: cosine, "
    "recipe: plain, max_epochs: 1, patience: 1, batch_size: 4, patch_size: 32, patches_per_epoch: 8}\n"
)
RECONSTRUCTION = {
    "src/srlab/classical/soft.py": '''\
"""Back-projection by half steps."""

from collections.abc import Sequence

from torch import Tensor

from srlab.classical.observation import Frame
from srlab.classical.reconstruction import Reconstruction, first_guess
from srlab.images.resample import imresize


class Soft(Reconstruction):
    def reconstruct(self, frames: Sequence[Frame]) -> Tensor:
        x = first_guess(frames)
        for _ in range(self.iterations):
            x = x + 0.5 * imresize(frames[0].lr - frames[0].operator.forward(x), scale=frames[0].operator.scale)
        return x
''',
    "conf/model/soft.yaml": """\
defaults: [/base/reconstruction@_here_, _self_]

name: soft
kind_label: Soft
method:
  _target_: srlab.classical.soft.Soft
  label: ${model.label}
  degradation: ${model.degradation}
  iterations: ${model.settings.iterations}
""",
}
LINE_OF_RECONSTRUCTION = "  soft: {method: soft, iterations: 2}\n"
EXAMPLES = {
    "src/srlab/examples/nearest_atom.py": '''\
"""The detail of the nearest atom."""

from torch import Tensor

from srlab.examples.upscaler import PatchUpscaler


class NearestAtom(PatchUpscaler):
    def __init__(self, label: str, scale: int, dictionary: str) -> None:
        super().__init__(label, scale, dictionary, {"atoms", "details"})

    def estimate(self, features: Tensor) -> Tensor:
        return self.details[(features @ self.atoms.T).argmax(1)]
''',
    "conf/model/nearest_atom.yaml": """\
defaults: [/base/line@_here_, _self_]

name: nearest_atom
kind_label: Nearest atom
settings: ${examples.${model.name}}
branch: Example-based learning / Sparse representation
method:
  _target_: srlab.examples.nearest_atom.NearestAtom
  label: ${model.label}
  scale: ${scale}
  dictionary: models/${model.name}/dictionary.safetensors
learner:
  _target_: srlab.examples.training.SparseDictionary
  atoms: ${model.settings.atoms}
  sparsity: ${model.settings.sparsity}
  iterations: ${model.settings.iterations}
  signals: ${model.settings.signals}
  seed: ${model.seed}
""",
}
LINE_OF_EXAMPLES = (
    "  nearest_atom: {method: nearest_atom, train_on: photos, atoms: 16, sparsity: 2, iterations: 1, signals: 500}\n"
)
METRIC = {
    "src/srlab/evaluation/metrics/mae.py": '''\
"""Mean absolute error on luma."""

from torch import Tensor

from srlab.evaluation.metrics.metric import Metric, inner


def mae(sr: Tensor, hr: Tensor, border: int) -> Tensor:
    sr, hr = inner(sr, hr, border, minimum=1)
    return (sr - hr).abs().mean((1, 2, 3)) * 255


MAE = Metric("mae", "MAE", "levels", 2, higher_is_better=False, planes="luma", measure=mae)
''',
}
LOSS = {
    "src/srlab/training/cubic.py": '''\
"""The mean cube of the error."""

from torch import Tensor

from srlab.models.base.network import Network


class Cubic:
    def __call__(self, net: Network, lr: Tensor, hr: Tensor, epoch: int) -> Tensor:
        return (net(lr).float() - hr).abs().pow(3).mean()
''',
}
EDITS = (  # (file, after what, line): the one line that each takes in a file that is there
    ("params.yaml", "models:\n", LINE_OF_NETWORK),
    ("params.yaml", "classical:\n", LINE_OF_RECONSTRUCTION),
    ("params.yaml", "examples:\n", LINE_OF_EXAMPLES),
    ("params.yaml", "datasets:\n", "  mine: {role: test, source: mine, selection: none, num_images: 1, num_val: 0}\n"),
    ("src/srlab/evaluation/metrics/catalogue.py", "import PSNR\n", "from srlab.evaluation.metrics.mae import MAE\n"),
    ("src/srlab/evaluation/metrics/catalogue.py", '    "psnr": PSNR,\n', '    "mae": MAE,\n'),
    ("conf/train.yaml", "loss_makers:", "  cubic: {_target_: srlab.training.cubic.Cubic}\n"),
)
DATASET = {
    "conf/dataset/mine.yaml": """\
source:
  _target_: srlab.datasets.sources.Folder
  path: pictures
  num_images: ${datasets.${name}.num_images}
""",
}


@pytest.fixture(scope="module")
def grown(smoke: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A copy of the clone with one more of each, after `dvc repro` of their rows."""
    workspace = smoke.copy(tmp_path_factory.mktemp("grown") / "srlab")
    for files in (NETWORK, RECONSTRUCTION, EXAMPLES, METRIC, LOSS, DATASET):
        for name, text in files.items():
            (workspace.root / name).write_text(text)
    for name, after, line in EDITS:
        before, found, rest = (workspace.root / name).read_text().partition(after)
        assert found, (name, after)
        heading, _, rest = rest.partition("\n") if not after.endswith("\n") else ("", "", rest)
        (workspace.root / name).write_text(before + found + (f"{heading}\n" if heading else "") + line + rest)
    pictures = workspace.root / "pictures"
    pictures.mkdir()
    pixels = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(pictures / "a.png")
    workspace.run("dvc", "repro", "evaluate@plain_8", "evaluate_classical@soft", "evaluate_examples@nearest_atom")
    return workspace


@pytest.mark.parametrize("row", ["plain_8", "soft", "nearest_atom"])
def test_each_has_its_row_on_the_new_set_by_the_new_metric(grown: Workspace, row: str) -> None:
    scores = grown.read_json(f"reports/metrics/{row}.json")["protocols"]["modern"]["datasets"]
    assert list(scores) == ["mine", "heldout"]
    assert all(one["mae"] > 0 for one in scores.values())


def test_none_takes_more_than_three_touches(grown: Workspace) -> None:
    lines = grown.run("git", "status", "--porcelain").splitlines()
    changed = {line[3:].strip() for line in lines} - {"dvc.lock", "pictures/"}
    changed = {name for name in changed if not name.startswith("reports/")}
    own = {name for files in (NETWORK, RECONSTRUCTION, EXAMPLES, METRIC, LOSS, DATASET) for name in files}
    assert changed == own | {name for name, _, _ in EDITS}
    assert all(len(files) + 1 <= 3 for files in (NETWORK, RECONSTRUCTION, EXAMPLES, METRIC, LOSS, DATASET))


def test_a_new_network_trains_no_other(smoke: Workspace, tmp_path: Path) -> None:
    workspace = smoke.copy(tmp_path / "srlab")
    for name, text in NETWORK.items():
        (workspace.root / name).write_text(text)
    params = workspace.params()
    workspace.set_param("models.plain_8", params["models"]["espcn"] | {"net": "plain", "width": 8})
    assert {stage for stage in workspace.status() if stage.startswith("train")} == {"train@plain_8"}
