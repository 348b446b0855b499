"""Stage fetch@D: bring the images of one data set to data/images/, each one checked."""

from omegaconf import DictConfig

from srlab.stage import output_folder, stage


@stage("fetch")
def main(cfg: DictConfig) -> None:
    from hydra.utils import instantiate

    from srlab.datasets.sources import fetch_images

    source = instantiate(cfg.source)
    fetch_images(source, output_folder() / "images" / cfg.role / cfg.name, cfg.minimum_side, instantiate(cfg.leaks))


if __name__ == "__main__":
    main()
