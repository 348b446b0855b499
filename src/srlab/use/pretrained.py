"""Released weights: NAME.safetensors, and beside it NAME.json, the card that says what they are and how to build it."""

import hashlib
import json
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from srlab.errors import SrlabError
from srlab.files import anchored, read_json
from srlab.models.base.network import Network
from srlab.models.base.trained import Trained, with_remarks

FORMAT, VERSION = "srlab release", 1
NETWORKS = "srlab.models."  # where a card may take a class from: a card from elsewhere runs no other code


class Pretrained(Trained):
    """An Upscaler: the network of the file `weights`, NAME.safetensors, as NAME.json beside it describes it.

    Its label says so: "ESPCN (pretrained)"; `kind` is what was trained, a file of conf/model.

    SrlabError if a file is missing, damaged, or for another scale.
    """

    def __init__(self, weights: str, scale: int, label: str | None = None) -> None:
        path = anchored(weights)
        card = read_card(path)
        if card["scale"] != scale:
            raise SrlabError(
                f"{path} is for x{card['scale']}, this run wants x{scale}: take its line out of `pretrained`"
            )
        line = card.get("training", {}).get("numbers", {}).get("line", {})
        self.kind = line.get("method", card["network"]["_target_"].split(".")[-2])  # a GAN's is not its network's
        super().__init__(label or with_remarks(card["label"], first="pretrained"), build(card["network"]), str(path))


def read_card(path: Path) -> dict[str, Any]:
    """The card of the weights `path`, NAME.safetensors; SrlabError unless it describes exactly these bytes."""
    card = path.with_suffix(".json")
    for one in (card, path):
        if not one.is_file():
            raise SrlabError(f"{one} is missing: `srlab release` writes it; or correct `pretrained` in params.yaml")
    try:
        content = read_json(card)
        known = (content["format"], content["version"])
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError) as error:
        raise SrlabError(f"{card} is damaged, or no card of `srlab release`: {_cure(path)}") from error
    if known != (FORMAT, VERSION):
        raise SrlabError(f"{card} is a {known[0]!r} of version {known[1]}, this srlab reads {VERSION}: {_cure(path)}")
    if content["sha256"] != sha256(path):
        raise SrlabError(f"{path} is not the file that {card.name} describes (sha256): {_cure(path)}")
    return content


def build(settings: Mapping[str, Any]) -> Network:
    """The network, with first weights, of {"_target_": a class below `srlab.models`, arguments of its constructor}."""
    target, arguments = str(settings["_target_"]), {key: settings[key] for key in settings if key != "_target_"}
    module, _, name = target.rpartition(".")
    try:
        kind = getattr(import_module(module), name) if target.startswith(NETWORKS) else None
        if not (isinstance(kind, type) and issubclass(kind, Network)):
            raise SrlabError(f"{target} is no network of srlab: a card may name those of {NETWORKS}* alone")
        return kind(**arguments)
    except (ImportError, AttributeError, TypeError) as error:
        raise SrlabError(
            f"this srlab has no {target} with {arguments} ({error}): take the commit of the card"
        ) from error


def sha256(path: Path) -> str:
    """Of a file, in hex."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _cure(path: Path) -> str:
    return f"`git checkout {path.with_suffix('.*')}`, or release it again"
