"""Stage frames: several shifted, blurred, noisy LR frames of every test image, and what each method makes of them.

The methods know shift, blur and noise level of every frame: registration is not part of the comparison.
"""

from pathlib import Path

from omegaconf import DictConfig

from srlab.stage import output_folder, stage


@stage("frames")
def main(cfg: DictConfig) -> None:
    from srlab.training.threads import use_kernels, use_threads

    use_kernels(cfg.kernels)  # before torch is imported
    from hydra.utils import instantiate

    from srlab.classical.burst import Burst
    from srlab.evaluation.frames import compare, rows, set_scores
    from srlab.patches.pairs import PairStore

    use_threads(cfg.num_threads)
    folder = output_folder() / "frames"
    stores = {key: PairStore(Path(cfg.pairs, key)) for key, entry in cfg.test_sets.items() if entry.role == "test"}
    burst = Burst(cfg.scale, cfg.seed, cfg.frames.num, cfg.frames.sigma, cfg.frames.noise)
    methods = {name: instantiate(cfg.methods[name]) for name in cfg.reconstruction}
    scores = compare(methods, stores, burst, instantiate(cfg.protocol), folder)

    tracker = instantiate(cfg.tracking).start(
        "frames", {"srlab.method": "frames"}, {"scale": cfg.scale, **scores["burst"]}
    )
    with tracker.closing():
        tracker.tags({"srlab.protocol": scores["protocol"]})
        tracker.scores(set_scores(scores))
        tracker.table(rows(scores), "frames.json")
        tracker.artifact(folder, "frames")


if __name__ == "__main__":
    main()
