"""`python -m srlab.use.unfinished FOLDER`: the best epoch so far of a training that was stopped, as if it had ended.

FOLDER is where pipelines/train.py would have written, as models/NAME. The checkpoint stays, so it can be resumed.
"""

import sys
from pathlib import Path
from typing import Any

import torch
from omegaconf import OmegaConf

from srlab.errors import SrlabError
from srlab.files import read_json, write_json
from srlab.models.base.weights import save_network
from srlab.training.checkpoints import DAMAGE, LAST, Best
from srlab.training.curves import write_history
from srlab.training.history import History
from srlab.use.pretrained import build


def keep_best(folder: Path, root: Path | None = None) -> int:
    """Write `folder`/best.safetensors, history.csv and run.json from the newest checkpoint; how many epochs it had.

    Args:
        folder: with the .hydra/config.yaml of the training, which names the network.
        root: the folder that holds work/; None: that of the config.

    Raises:
        SrlabError: there is no checkpoint, it is damaged, or no epoch had ended.
    """
    config = folder / ".hydra/config.yaml"
    if not config.is_file():
        raise SrlabError(f"{config} is missing: name the folder that the training was to write, as models/espcn")
    cfg: Any = OmegaConf.load(config)
    work = (root or Path(cfg.root)) / "work"
    found = sorted(work.glob(f"{cfg.model.name}-*/{LAST}"), key=lambda path: path.stat().st_mtime)
    if not found:
        raise SrlabError(f"no unfinished training of {cfg.model.name} is in {work}: run the same command again")
    try:
        states = torch.load(found[-1], map_location="cpu", weights_only=True)["callbacks"]
    except (*DAMAGE, KeyError) as error:
        raise SrlabError(f"{found[-1]} is damaged ({error}): run the same command again, it resumes") from error
    best, history = (next(states[key] for key in states if key.startswith(one.__name__)) for one in (Best, History))
    if not best["weights"]:
        raise SrlabError(f"{found[-1]} is of the first epoch: run the same command again, it resumes")
    settings: Any = OmegaConf.to_container(cfg.model.method.net, resolve=True)
    network = build(settings)
    network.load_state_dict(best["weights"])
    facts = {"method": cfg.model.name, "epoch": str(best["epoch"]), "scale": str(cfg.data.scale), "network": settings}
    save_network(folder / "best.safetensors", network, facts | {"unfinished": True})
    write_history(folder / "history.csv", history["rows"])
    write_json(folder / "run.json", read_json(found[-1].with_name("run.json")))
    return len(history["rows"])


def main() -> None:
    for folder in map(Path, sys.argv[1:]):
        try:
            epochs = keep_best(folder)
        except SrlabError as error:
            sys.exit(f"error: {error}")
        print(f"{folder}/best.safetensors: the best of {epochs} epochs of an unfinished training")


if __name__ == "__main__":
    main()
