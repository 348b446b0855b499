"""`srlab release NAME`: trained weights as a file for Git, and a card that says all that is known of them."""

import hashlib
import json
import os
from copy import deepcopy
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from omegaconf import DictConfig, OmegaConf

from srlab.datasets.sources import Packaged
from srlab.degradation.reduction import reduce_bicubic
from srlab.errors import SrlabError
from srlab.evaluation.machine import processor
from srlab.evaluation.metrics.psnr import psnr
from srlab.files import read_json, write_json
from srlab.images.colour import luma
from srlab.images.files import read_image
from srlab.images.resample import to_uint8
from srlab.models.base.network import Network
from srlab.models.base.weights import load_network, read_metadata, save_network
from srlab.planning.configs import configs
from srlab.start import ROOT
from srlab.use.pretrained import FORMAT, VERSION, build, sha256

RELEASES = Path("pretrained")
HALF_COSTS = 0.005  # dB that float16 may change on any photo: half of the last digit that tables print
SIDE = 240  # px of the photos it is tried on; a multiple of every scale
LICENCES = {  # by `source`: what its providers say of the images
    "photos": "photos in wheels of scikit-image, scikit-learn and matplotlib: public domain, CC0 or CC BY",
    "imagenet": "ImageNet-1k: its terms of access allow non-commercial research and education",
    "t91": "T91: no licence is stated",
    "bsds200": "BSDS: for non-commercial research and education",
    "div2k": "DIV2K: for academic research only",
    "general100": "General100: no licence is stated",
}


@dataclass(frozen=True)
class Told:
    """What files cannot say; None is looked up, and stands in the card if nobody knows."""

    note: str = ""
    licence: str | None = None
    hardware: str | None = None
    hours: float | None = None
    commit: str | None = None


def release(
    name: str, overrides: list[str], trained: Path | None, data: Path | None, scores: Path | None, told: Told
) -> Path:
    """Write pretrained/NAME.safetensors and its card, pretrained/NAME.json; returns the path of the card.

    Args:
        name: line of `models` or `gans`.
        overrides: settings it was trained with where params.yaml has others, "models.srresnet.num_blocks=16"; only for
            a folder that does not hold them itself (.hydra/config.yaml).
        trained: folder that pipelines/train.py left, here or elsewhere; None: models/NAME.
        data: folder of the packed training images, or one that holds their index.json; None: that of the config.
        scores: metrics JSON of these weights; None: reports/metrics/NAME.json if dvc.lock says that it is of them.
        told: what only the user knows.

    Raises:
        SrlabError: a file is missing or is of another network, scale or model.
    """
    folder = trained or Path("models", name)
    weights = folder / "best.safetensors"
    for file in (weights, folder / "history.csv", folder / "run.json"):
        if not file.is_file():
            raise SrlabError(
                f"{file} is missing: release a trained line of `models` or `gans`, or give --from the whole folder "
                f"that pipelines/train.py left; `python -m srlab.use.unfinished {folder}` takes the best epoch of a "
                "training that was stopped"
            )
    facts = read_metadata(weights)
    if facts["method"] != name:
        raise SrlabError(f"{weights} holds the weights of {facts['method']}: `srlab release {facts['method']}`")
    cfg, source = _config(name, folder, overrides)
    settings = OmegaConf.to_container(cfg.model.method.net, resolve=True)
    assert isinstance(settings, dict)
    net = _loaded(build({str(key): value for key, value in settings.items()}), weights, name, source)
    if int(facts["scale"]) != net.scale:
        raise SrlabError(f"{weights} is for x{facts['scale']}, {source} says x{net.scale}: add scale={facts['scale']}")
    half, difference = _half(net)
    trained_with, history = _settings(cfg), (folder / "history.csv").read_text(encoding="utf-8").splitlines()[1:]
    epochs = int(facts["epoch"]) + 1
    line = trained_with["line"]
    card = {
        "format": FORMAT,
        "version": VERSION,
        "name": name,
        "label": cfg.model.method.label,
        "network": settings,
        "scale": net.scale,
        "num_parameters": sum(one.numel() for one in net.parameters()),
        "precision": "float32" if half is None else "float16",
        "float16_changes_db": difference,
        "training": {
            "from": "here" if trained is None else trained.resolve().name,
            "note": told.note,
            "run_id": read_json(folder / "run.json")["run_id"],
            "numbers_from": source,
            "numbers": trained_with,
            "params_sha256": hashlib.sha256(json.dumps(trained_with, sort_keys=True).encode()).hexdigest(),
            "data": _data(data or Path(cfg.data.folder), net.scale),
            "licence": told.licence or _licence(trained_with["dataset"]["source"]),
            "epochs": {"of_these_weights": epochs, "all": len(history)},
            "updates": epochs * ceil(line["patches_per_epoch"] / line["batch_size"]),
            "weights_sha256": sha256(weights),
            "hardware": told.hardware,
            "hours": told.hours,
            "commit": told.commit,
        },
        "scores": read_scores(scores) if scores else _known_scores(name, weights) if trained is None else None,
    }
    file = RELEASES / f"{name}.safetensors"
    save_network(file, half or net, facts)
    write_json(file.with_suffix(".json"), card | {"sha256": sha256(file)})
    return file.with_suffix(".json")


def _config(name: str, folder: Path, overrides: list[str]) -> tuple[DictConfig, str]:
    """The config of the training, and where it comes from."""
    own = folder / ".hydra/config.yaml"
    if not own.exists():
        return configs(None, [name], overrides)[1][name], "params.yaml"
    if overrides:
        raise SrlabError(f"{own} has the settings of this training: leave out {', '.join(overrides)}")
    cfg = OmegaConf.load(own)
    assert isinstance(cfg, DictConfig)
    return cfg, ".hydra/config.yaml"


def _loaded(net: Network, weights: Path, name: str, source: str) -> Network:
    try:
        return load_network(net, weights).eval()
    except SrlabError as error:
        raise SrlabError(
            f"{weights} does not fit the {name} of {source}: add the settings it was trained with, "
            f"as models.{name}.KEY=VALUE"
        ) from error


def _settings(cfg: DictConfig) -> dict[str, Any]:
    """What params.yaml said when this was trained, of what decides the weights."""
    line = cfg.model.settings
    found = {
        "seed": cfg.model.seed,
        "num_threads": cfg.num_threads,
        "train_on": line.train_on,
        # Git keeps the card: a folder is called by its name there, without the path on this machine.
        "dataset": {key: _name(one) if key == "path" else one for key, one in cfg.datasets[line.train_on].items()},
        "augment": cfg.augment,
        "degrade": cfg.degrade,
        "line": line,
        "schedule": cfg.schedules[line.schedule],
        "recipe": cfg.recipes[line.recipe],
        "losses": cfg.losses,
    }
    return {key: OmegaConf.to_container(node) if OmegaConf.is_config(node) else node for key, node in found.items()}


def _name(path: str) -> str:
    return Path(path).expanduser().resolve().name


def _data(folder: Path, scale: int) -> dict[str, Any]:
    index = folder / "index.json"
    if not index.is_file():
        raise SrlabError(
            f"{index} is missing: name the folder of the packed training images, or a copy of it, by --data"
        )
    content = read_json(index)
    if content["scale"] != scale:
        raise SrlabError(f"{index} is of images for x{content['scale']}, the weights are for x{scale}: correct --data")
    val = len(content["val"])
    return {
        "digest": content["digest"],
        "degradation": content["degradation"],
        "train_images": len(content["images"]) - val,
        "val_images": val,
    }


def _licence(source: str) -> str:
    if source not in LICENCES:
        raise SrlabError(f"nobody knows the licence of the training images (source: {source}): state it by --licence")
    return LICENCES[source]


def read_scores(path: Path) -> dict[str, Any]:
    """A metrics JSON without its single images: sets and scores, with the protocol they were taken under."""

    def without_images(node: Any) -> Any:
        return (
            {key: without_images(one) for key, one in node.items() if key != "images"}
            if isinstance(node, dict)
            else node
        )

    if not path.is_file():
        raise SrlabError(f"{path} is missing: correct --scores")
    return without_images({key: one for key, one in read_json(path).items() if "protocol" in key or key == "datasets"})


def _known_scores(name: str, weights: Path) -> dict[str, Any] | None:
    """Those of reports/metrics/NAME.json, if dvc.lock says that they were measured with these weights."""
    path, lock = Path("reports/metrics", f"{name}.json"), Path("dvc.lock")
    stages = (yaml.safe_load(lock.read_text(encoding="utf-8")) or {}).get("stages", {}) if lock.exists() else {}
    for stage in (stages.get(f"{kind}@{name}", {}) for kind in ("evaluate", "evaluate_gan")):
        known = {one["path"]: one.get("md5") for one in [*stage.get("deps", []), *stage.get("outs", [])]}
        files = (weights, path)
        if all(file.exists() and known.get(file.as_posix()) == _md5(file) for file in files):
            return read_scores(path)
    return None


def _md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


def _half(net: Network) -> tuple[Network | None, float]:
    """`net` with weights of float16, None if that changes PSNR too much; and by how many dB, at most over the photos.

    What is released is read into float32 again, so only the weights are rounded.
    """
    rounded = deepcopy(net).half()
    files = OmegaConf.load(ROOT / "conf/dataset/heldout.yaml").source.files
    changes = []
    for _, file in Packaged(files, None).files():
        hr = np.ascontiguousarray(read_image(file)[:SIDE, :SIDE])
        changes.append(abs(_psnr(net, hr) - _psnr(deepcopy(rounded).float(), hr)))
    is_whole = all(one.isfinite().all() for one in rounded.state_dict().values())
    return (rounded if is_whole and max(changes) <= HALF_COSTS else None), max(changes)


def _psnr(net: Network, hr: np.ndarray) -> float:
    """In dB on float luma, of the 8-bit output."""
    sr = to_uint8(net.upscale(_planes(reduce_bicubic(hr, net.scale)).float(), net.scale))
    return psnr(luma(sr.double() / 255), luma(_planes(hr)), net.scale).item()


def _planes(image: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].double() / 255


def seen_by_mlflow(folder: Path) -> dict[str, Any]:
    """ "hours" and "commit" of the training that left `folder`, if MLflow has its run; {} if it has not."""
    from srlab.tracking.questions import hours_of, tags_of  # imports mlflow, which takes seconds

    run = folder / "run.json"
    if not run.is_file():
        return {}
    run_id = read_json(run)["run_id"]
    uri = OmegaConf.load(ROOT / "conf/tracking/mlflow.yaml").uri
    try:
        tags = tags_of(uri, run_id)
        if tags is None or "mlflow.source.git.commit" not in tags:
            return {}
        edited = " (edited)" if tags["git.edited"] == "true" else ""
        commit = tags["mlflow.source.git.commit"] + edited
        return {"hours": hours_of(uri, run_id, "val/psnr"), "commit": commit}
    except SrlabError:
        return {}


def this_machine() -> str:
    """Its GPU, else its processor."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f"{processor()}, {os.cpu_count()} cores"
