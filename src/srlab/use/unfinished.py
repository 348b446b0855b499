"""`python -m srlab.use.unfinished FOLDER [--last]`: what a stopped training has so far, as if it had ended.

That is its best epoch, or the last one: the best of a GAN with MSE content is the one nearest to its generator's
beginning. FOLDER is where pipelines/train.py would have written, as models/NAME. The checkpoint stays, to be resumed.
"""

import argparse
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

WHERE = ("average.network.", "generator.", "net.")  # the kept network in a module's state, in this order


def keep(folder: Path, root: Path | None = None, last: bool = False) -> int:
    """Write `folder`/best.safetensors, history.csv and run.json from the newest checkpoint; how many epochs it had.

    Args:
        folder: with the .hydra/config.yaml of the training, which names the network.
        root: the folder that holds work/; None: that of the config.
        last: what is trained now in place of the best epoch; of a checkpoint within an epoch, some steps more.

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
        checkpoint = torch.load(found[-1], map_location="cpu", weights_only=True)
        states, state = checkpoint["callbacks"], checkpoint["state_dict"]
    except (*DAMAGE, KeyError) as error:
        raise SrlabError(f"{found[-1]} is damaged ({error}): run the same command again, it resumes") from error
    best, history = (next(states[key] for key in states if key.startswith(one.__name__)) for one in (Best, History))
    if not best["weights"]:
        raise SrlabError(f"{found[-1]} is of the first epoch: run the same command again, it resumes")
    settings: Any = OmegaConf.to_container(cfg.model.method.net, resolve=True)
    network = build(settings)
    where = next(one for one in WHERE if all(one + name in state for name in best["weights"]))
    now = {name: state[where + name] for name in best["weights"]}
    network.load_state_dict(now if last else best["weights"])
    epoch = len(history["rows"]) - 1 if last else best["epoch"]
    facts = {"method": cfg.model.name, "epoch": str(epoch), "scale": str(cfg.data.scale), "network": settings}
    save_network(folder / "best.safetensors", network, facts | {"unfinished": True})
    write_history(folder / "history.csv", history["rows"])
    write_json(folder / "run.json", read_json(found[-1].with_name("run.json")))
    return len(history["rows"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--last", action="store_true", help="epoch in place of the best")
    options = parser.parse_args()
    try:
        epochs = keep(options.folder, last=options.last)
    except SrlabError as error:
        sys.exit(f"error: {error}")
    which = "last" if options.last else "best"
    print(f"{options.folder}/best.safetensors: the {which} of {epochs} epochs of an unfinished training")


if __name__ == "__main__":
    main()
