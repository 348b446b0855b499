"""Draw docs/methods/convergence.png again: `python benchmarks/make_convergence.py` (two minutes).

How far the objectives of MAP-TV and MAP-Huber are above their minimum after each iteration, for one and for several
frames of a photo, with the numbers of params.yaml. The minimum is that of a run many times as long.
"""

from collections.abc import Iterator
from pathlib import Path

import matplotlib as mpl
import numpy as np
import torch
import yaml
from skimage.data import astronaut
from torch import Tensor

from srlab.classical.burst import Burst
from srlab.classical.map_huber import HuberProblem
from srlab.classical.map_tv import TVProblem
from srlab.classical.observation import Frame
from srlab.classical.reconstruction import LUMA_VARIANCE, first_guess
from srlab.files import replacing
from srlab.images.colour import luma

mpl.use("Agg")
from matplotlib import pyplot as plt

ROOT = Path(__file__).parents[1]
PHOTO = np.ascontiguousarray(astronaut()[:192, 128:320])
SHOWN, LONG = 200, 5000  # iterations


def frames(numbers: dict, scale: int, seed: int) -> list[Frame]:
    """The burst's luma in float64, as close to the minimum rounding would show."""
    shots = Burst(scale, seed, **numbers)("astronaut", PHOTO)
    return [Frame(luma(shot.lr.double()), shot.operator, LUMA_VARIANCE * shot.variance) for shot in shots]


def excess(problem: TVProblem | HuberProblem, iterates: Iterator[Tensor]) -> list[float]:
    """objective / minimum - 1 after each of the SHOWN first iterations."""
    values = [problem.objective(x).item() for x in iterates]
    return [value / values[-1] - 1 for value in values[:SHOWN]]


def main() -> None:
    """Write the figure, whole or not at all."""
    torch.set_num_threads(1)
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    tv, huber = params["reconstruction"]["map_tv"], params["reconstruction"]["map_huber"]
    shots = frames(params["frames"], params["scale"], params["seed"])
    figure, axes = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
    for count, style in ((1, "--"), (len(shots), "-")):
        used, ending = shots[:count], "" if count == 1 else "s"
        first = first_guess(used)
        total_variation = TVProblem(used, tv["weight"], tv["floor"])
        markov = HuberProblem(used, huber["weight"], huber["threshold"], huber["floor"])
        lines = {
            ("MAP-TV", "C0"): excess(total_variation, (x for x, _ in total_variation.solve(first, LONG))),
            ("MAP-Huber", "C1"): excess(markov, markov.solve(first, LONG)),
        }
        for (label, colour), line in lines.items():
            axes.semilogy(range(1, SHOWN + 1), line, style, color=colour, label=f"{label}, {count} frame{ending}")
    axes.set(xlabel="iteration", ylabel="objective / minimum - 1", xlim=(1, SHOWN))
    axes.grid(alpha=0.3)
    axes.legend()
    with replacing(ROOT / "docs/methods/convergence.png") as temporary:
        figure.savefig(temporary, format="png", dpi=100, metadata={"Software": None})


if __name__ == "__main__":
    main()
