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
    """What was seen.

    Attributes:
        num_parameters: learned numbers of each network that is trained: the network, or generator and discriminator.
        multiply_adds: of one enlargement to 1280x720 by the network that is kept.
        device: its name, of a CPU with the number of threads.
        peak_bytes: peak memory: on a CPU the resident set of the whole process, None where the system does not tell;
            on a GPU that of tensors.
        idle_bytes: the part of it that Python and its libraries took before anything was built; None on a GPU.
        num_steps: measured; fewer than asked for where they are slow.
        step_seconds: per optimizer step, feeding included.
        image_side: of the validation images, px.
        image_seconds: per validation image.
        remarks: which stand-ins were used for missing inputs.
    """

    num_parameters: list[int]
    multiply_adds: int
    device: str
    num_devices: int
    precision: str
    peak_bytes: int | None
    idle_bytes: int | None
    num_steps: int
    step_seconds: float
    image_side: int
    image_seconds: float
    remarks: list[str]
