"""Stage augment@D: split the images, then list every image and operation to train on in data/augmented/."""

from pathlib import Path

from omegaconf import DictConfig

from srlab.stage import output_folder, stage


@stage("augment")
def main(cfg: DictConfig) -> None:
    from hydra.utils import instantiate

    from srlab.datasets.augmented import write_augmented
    from srlab.files import read_json

    images = Path(cfg.images)
    index = instantiate(cfg.index, manifest=read_json(images / "manifest.json"))
    write_augmented(output_folder() / "augmented" / cfg.role / cfg.name, images, index, cfg.scale, cfg.materialize)


if __name__ == "__main__":
    main()
