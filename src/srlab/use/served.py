"""A trained network as `mlflow.pyfunc.load_model` and `mlflow models serve` have it."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE

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
        """Whole numbers (B, h, w, 3) of 0 to 255 to uint8 (B, h*scale, w*scale, 3), RGB; MlflowException on others."""
        pixels = np.asarray(images)
        lr = torch.from_numpy(_checked(pixels).astype(np.uint8)).permute(0, 3, 1, 2) / 255
        return to_uint8(self.network.upscale(lr, self.network.scale)).permute(0, 2, 3, 1).numpy()


def _checked(pixels: np.ndarray) -> np.ndarray:
    found = f"{pixels.dtype} {pixels.shape}"
    if pixels.ndim == 4 and pixels.shape[3] == 3 and pixels.size > 0 and np.issubdtype(pixels.dtype, np.integer):
        least, most = pixels.min(), pixels.max()
        if least >= 0 and most <= 255:
            return pixels
        found += f" of {least} to {most}"
    line = f"images are RGB, whole numbers of 0 to 255, (number, height, width, 3), not {found}: convert them"
    error = MlflowException(line, INVALID_PARAMETER_VALUE)
    error.json_kwargs = {"message": line}  # a server writes all pixels before the message itself
    raise error


def _load_pyfunc(folder: str) -> Enlarger:
    """The network that `folder`/network.json describes, with the weights beside it; MLflow calls it by this name."""
    network = build(read_json(Path(folder, "network.json")))
    return Enlarger(load_network(network, Path(folder, "network.safetensors")))
