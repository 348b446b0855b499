"""What an example-based method has learned: named tensors in a file as those of networks, with its "scale"."""

from pathlib import Path

from torch import Tensor

from srlab.errors import SrlabError
from srlab.models.base.weights import CURE, load_tensors, read_metadata


def load_dictionary(path: Path, scale: int, names: set[str]) -> dict[str, Tensor]:
    """The tensors called `names` of the file; SrlabError if it is missing, damaged or not for this method and scale."""
    made_for, tensors = read_metadata(path).get("scale"), load_tensors(path)
    if tensors.keys() != names:
        found = ", ".join(sorted(tensors))
        raise SrlabError(f"{path} holds what another method learned ({found}): {CURE}")
    if made_for != str(scale):
        raise SrlabError(f"{path} was learned for x{made_for}, this run wants x{scale}: {CURE}")
    return tensors
