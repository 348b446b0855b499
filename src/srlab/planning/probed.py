"""What a probe of a training is asked, and what it answers. Without torch, which `srlab plan` itself does not need."""

from dataclasses import dataclass
from typing import Any

TRAINING, PROBED = "training.json", "probed.json"  # in the folder that the probe is given


@dataclass(frozen=True)
class Training:
    """What is probed: the nodes of conf/train.yaml that a training is made of, as plain dicts, and how many steps."""

    name: str
    seed: int
    num_threads: int
    scale: int
    patience: int
    data: dict[str, Any]
    module: dict[str, Any]
    trainer: dict[str, Any]
    num_steps: int


@dataclass(frozen=True)
class Probed:
    """What was seen."""

    num_parameters: list[int]  # that learn, of each trained network: one, or generator and discriminator
    multiply_adds: int  # of one enlargement to 1280x720 by the network that is kept
    device: str  # its name, of a CPU with the number of threads
    num_devices: int
    precision: str
    peak_bytes: int | None  # of the whole process, None where the system does not tell; on a GPU of tensors
    idle_bytes: int | None  # of it, what Python and its libraries took before anything was built; None on a GPU
    num_steps: int  # measured; fewer than asked for where they are slow
    step_seconds: float  # per optimizer step, feeding included
    image_side: int  # of the validation images, px
    image_seconds: float  # per validation image
    remarks: list[str]  # which stand-ins were used for missing inputs
