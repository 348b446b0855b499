"""srlab: image super-resolution methods compared under one exact protocol.

In Python: `srlab.load`, `srlab.imresize` and `srlab.metrics` (docs/python.md), which are imported when they are used.
"""

from importlib import import_module
from typing import Any

_LAZY = {"load": "srlab.use.load", "imresize": "srlab.images.resample"}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    if name == "metrics":
        return import_module("srlab.metrics")
    raise AttributeError(f"module 'srlab' has no attribute {name!r}")
