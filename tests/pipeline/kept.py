"""What the clone holds: a method or two of every stage, one of each kind that is none of the repository's.

Those show what a new network, method, data set, metric or loss takes: a file, its yaml and a line, three touches each.
"""

from typing import Any

KEPT = {  # of profile `smoke`, and of LINES
    "datasets": ["photos", "heldout", "mine"],
    "classical": ["soft", "bicubic", "ibp"],
    "examples": ["nearest_atom"],
    "models": ["plain_8", "espcn", "srresnet"],
    "gans": ["srgan"],
    "pretrained": ["srgan_half"],
}
EPOCHS = 6  # of ESPCN: enough that a kill finds it in the middle
LOWER_RATE = 0.0003  # of ESPCN; the profile has 0.001
FILES = {
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
    "src/srlab/evaluation/metrics/mae.py": '''\
"""Mean absolute error on luma."""

from torch import Tensor

from srlab.evaluation.metrics.metric import Metric, inner


def mae(sr: Tensor, hr: Tensor, border: int) -> Tensor:
    sr, hr = inner(sr, hr, border, minimum=1)
    return (sr - hr).abs().mean((1, 2, 3)) * 255


MAE = Metric("mae", "MAE", "levels", 2, higher_is_better=False, planes="luma", measure=mae)
''',
    "src/srlab/training/cubic.py": '''\
"""The mean cube of the error."""

from torch import Tensor

from srlab.models.base.network import Network


class Cubic:
    def __call__(self, net: Network, lr: Tensor, hr: Tensor, epoch: int) -> Tensor:
        return (net(lr).float() - hr).abs().pow(3).mean()
''',
    "conf/dataset/mine.yaml": """\
source:
  _target_: srlab.datasets.sources.Folder
  path: pictures
  num_images: ${datasets.${name}.num_images}
""",
}
EDITS = (  # (file, old, old and new)
    (
        "src/srlab/evaluation/metrics/catalogue.py",
        '"psnr": PSNR,',
        '"psnr": PSNR,\n    "mae": MAE,',
    ),
    (
        "src/srlab/evaluation/metrics/catalogue.py",
        "import PSNR\n",
        "import PSNR\nfrom srlab.evaluation.metrics.mae import MAE\n",
    ),
    (
        "conf/train.yaml",
        "\n  own: {_target_:",
        "\n  cubic: {_target_: srlab.training.cubic.Cubic}\n  own: {_target_:",
    ),
)
LINES: dict[str, dict[str, Any]] = {  # of params.yaml
    "datasets": {"mine": {"role": "test", "source": "mine", "selection": "none", "num_images": 1, "num_val": 0}},
    "classical": {"soft": {"method": "soft", "iterations": 2}},
    "examples": {
        "nearest_atom": {
            "method": "nearest_atom", "train_on": "photos", "atoms": 16, "sparsity": 2, "iterations": 1, "signals": 500,
        },
    },
    "models": {
        "plain_8": {
            "net": "plain", "width": 8, "train_on": "photos", "loss": "cubic", "optimizer": "adam", "lr": 0.001,
            "schedule": "cosine", "recipe": "plain", "max_epochs": 1, "patience": 1, "batch_size": 4, "patch_size": 32,
            "patches_per_epoch": 8,
        },
    },
}  # fmt: skip
