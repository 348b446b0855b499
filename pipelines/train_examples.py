"""Stage train_examples@E: learn the dictionary of one example-based method.

Also the script of sweeps: `python pipelines/train_examples.py -m model=anr examples.anr.neighbours=20,40,80`.
"""

from omegaconf import DictConfig

from srlab.stage import output_folder, stage


@stage("train_examples")
def main(cfg: DictConfig) -> None:
    from srlab.models.base.kernels import use_kernels, use_threads

    use_kernels(cfg.kernels)  # before torch is imported
    from hydra.utils import instantiate

    from srlab.examples.training import training_store
    from srlab.files import write_json
    from srlab.models.base.weights import save_tensors
    from srlab.stage import flat

    use_threads(cfg.num_threads)
    name, output = cfg.model.name, output_folder()
    store = training_store(cfg.folder, cfg.scale)
    config = flat(cfg.model.learner) | {"scale": cfg.scale}
    tracker = instantiate(cfg.tracking).start(name, {"srlab.method": name}, config)
    with tracker.closing():
        tracker.dataset(cfg.folder, store.digest)
        learned = instantiate(cfg.model.learner)(store, tracker.metrics)
        facts = {"method": name, "scale": str(cfg.scale), "data": store.digest}
        save_tensors(output / "dictionary.safetensors", learned.tensors, facts)
        write_json(output / "run.json", {"run_id": tracker.known_id()})
        tracker.scores(learned.facts)
        tracker.artifact(output / "dictionary.safetensors", "checkpoint")


if __name__ == "__main__":
    main()
