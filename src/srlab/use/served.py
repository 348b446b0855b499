"""A trained network as `mlflow.pyfunc.load_model` and `mlflow models serve` have it."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from srlab.files import read_json
from srlab.images.resample import to_uint8
from srlab.models.base.network import Network
from srlab.models.base.weights import load_network
from srlab.use.pretrained import build


class Enlarger:
    """What MLflow calls a Python model."""

    def __init__(self, network: Network) -> None:
        self.network = network

    def predict(self, images: Any) -> np.ndarray:
        """uint8 (B, h, w, 3) to uint8 (B, h*scale, w*scale, 3), RGB."""
        lr = torch.from_numpy(np.array(images, dtype=np.uint8)).permute(0, 3, 1, 2) / 255
        return to_uint8(self.network.upscale(lr, self.network.scale)).permute(0, 2, 3, 1).numpy()


def _load_pyfunc(folder: str) -> Enlarger:
    """The network that `folder`/network.json describes, with the weights beside it; MLflow calls it by this name."""
    network = build(read_json(Path(folder, "network.json")))
    return Enlarger(load_network(network, Path(folder, "network.safetensors")))
