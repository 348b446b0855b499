"""Stage augment@D: split the images, then list every image and operation to train on in data/augmented/."""

from pathlib import Path

from omegaconf import DictConfig

from srlab.stage import output_folder, stage


@stage("augment")
def main(cfg: DictConfig) -> None:
    from hydra.utils import instantiate

    from srlab.files import read_json, write_json

    index = instantiate(cfg.index, manifest=read_json(Path(cfg.images) / "manifest.json"))
    write_json(output_folder() / "augmented" / cfg.role / cfg.name / "index.json", index)


if __name__ == "__main__":
    main()
