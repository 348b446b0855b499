"""What the kinds of conf/ read of a line of params.yaml, found in their files: nobody keeps a list."""

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

OPTIONAL = {"seed", "label"}  # settings that any line of a method may have


def names_in(folder: Path) -> list[str]:
    """The names of the yamls in a folder of conf/."""
    return sorted(path.stem for path in folder.glob("*.yaml"))


@cache
def content_of(file: Path) -> Any:
    """What a yaml holds."""
    return yaml.load(file.read_text(encoding="utf-8"), getattr(yaml, "CSafeLoader", yaml.SafeLoader))


@cache
def settings_asked(file: Path, pattern: str) -> frozenset[str]:
    """What `pattern` finds in a yaml; nothing in one that is not there."""
    return frozenset(re.findall(pattern, file.read_text(encoding="utf-8"))) if file.exists() else frozenset()


@cache
def kinds(conf: Path, family: str) -> dict[str, set[str]]:
    """{kind: the settings it reads} of a family: of the files of conf/model which read a line of it."""
    found = {}
    for file in sorted((conf / "model").glob("*.yaml")):
        texts = [file.read_text(encoding="utf-8")]
        texts += [
            (conf / f"base/{base}.yaml").read_text(encoding="utf-8")
            for base in re.findall(r"/base/(\w+)@_here_", texts[0])
        ]
        if any(f"settings: ${{{family}." in text for text in texts):
            found[file.stem] = {key for text in texts for key in re.findall(r"\$\{(?:model|\.)\.settings\.(\w+)", text)}
    if family in ("models", "gans"):
        common = set(re.findall(r"\$\{model\.settings\.(\w+)\}", (conf / "train.yaml").read_text(encoding="utf-8")))
        found = {kind: keys | common - settings_of_optimizers(conf) | {"patience"} for kind, keys in found.items()}
    return {kind: keys - OPTIONAL for kind, keys in found.items()}


@cache
def settings_of_optimizers(conf: Path) -> set[str]:
    """Settings that belong to an optimizer, and that a line has only where it chooses that one."""
    makers = content_of(conf / "train.yaml")["optimizer_makers"].values()
    return {
        key for maker in makers for value in maker.values() for key in re.findall(r"model\.settings\.(\w+)", str(value))
    }


def settings_of_optimizer(conf: Path, line: Mapping[str, Any]) -> set[str]:
    maker = content_of(conf / "train.yaml")["optimizer_makers"].get(line.get("optimizer"), {})
    return {key for value in maker.values() for key in re.findall(r"model\.settings\.(\w+)", str(value))}


def settings_of_formats(conf: Path, kind: str, chosen: Any = None) -> set[str]:
    """Settings that the formats of a kind read, or only the `chosen` one."""
    formats = content_of(conf / f"model/{kind}.yaml").get("formats", {})
    picked = [formats[chosen]] if chosen in formats else [] if chosen else formats.values()
    return {key for one in picked for key in re.findall(r"model\.settings\.(\w+)", str(one))}
