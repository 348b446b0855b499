"""Stage compare_sets: refuse to train on what a test set of this run shows, and on images smaller than a patch."""

from pathlib import Path

from omegaconf import DictConfig

from srlab.stage import output_folder, stage


@stage("compare_sets")
def main(cfg: DictConfig) -> None:
    from srlab.datasets.leaks import compare_sets, write_comparison
    from srlab.datasets.patch_sizes import require_room
    from srlab.files import read_made

    families = {"models": cfg.models, "gans": cfg.gans}
    trainings = {f"{family}.{name}": line for family, lines in families.items() for name, line in lines.items()}
    require_room(trainings, Path(cfg.images), cfg.scale)
    manifests = {
        name: read_made(Path(cfg.images, one.role, name, "manifest.json")) for name, one in cfg.datasets.items()
    }
    write_comparison(compare_sets(cfg.datasets, manifests), output_folder() / "comparison")


if __name__ == "__main__":
    main()
