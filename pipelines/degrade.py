"""Stage degrade@D: make the LR images and pack HR and LR into memory-mapped arrays in data/pairs/."""

from pathlib import Path

from omegaconf import DictConfig

from srlab.stage import output_folder, stage


@stage("degrade")
def main(cfg: DictConfig) -> None:
    from hydra.utils import instantiate

    from srlab.degradation.packing import pack
    from srlab.files import read_made

    images, degradation = Path(cfg.images), instantiate(cfg.degradation)
    index = read_made(images / "index.json")
    pack(images, index, degradation, output_folder() / "pairs" / cfg.role / cfg.name, cfg.minimum_side)


if __name__ == "__main__":
    main()
