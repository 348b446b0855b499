"""Stage fetch_weights@G: bring the weights that a GAN's content loss needs to data/weights/ (none for MSE)."""

from omegaconf import DictConfig

from srlab.stage import output_folder, stage


@stage("fetch_weights")
def main(cfg: DictConfig) -> None:
    from hydra.utils import instantiate

    weights = instantiate(cfg.model.content.weights)
    weights.fetch(output_folder() / "weights" / cfg.model.name)


if __name__ == "__main__":
    main()
