"""Stages train@M and train_gan@G: train one model, keep its best epoch.

Also the script of sweeps: `python pipelines/train.py -m model=espcn models.espcn.lr=1e-3,3e-4` writes to multirun/.
"""

from pathlib import Path

from omegaconf import DictConfig

from srlab.stage import output_folder, stage


@stage("train")
def main(cfg: DictConfig) -> None:
    import pytorch_lightning as pl
    from hydra.utils import instantiate

    from srlab.files import write_json
    from srlab.models.weights import save_network
    from srlab.stage import numbers
    from srlab.tracking import remembered_run
    from srlab.training.curves import write_history
    from srlab.training.fit import fit
    from srlab.training.resume import fingerprint, origin, work_folder
    from srlab.training.threads import use_threads

    pl.seed_everything(cfg.seed, verbose=False)
    use_threads(cfg.num_threads)
    data, module = instantiate(cfg.data), instantiate(cfg.model.module)
    parts = (cfg.model, cfg.data, cfg.schedule, cfg.recipe, cfg.trainer)
    config = {key: value for part in parts for key, value in numbers(part).items()} | {"seed": cfg.seed}
    made_by, name, output = origin(config, data.store.digest, module), cfg.model.name, output_folder()
    instantiate(cfg.trainer.speed).apply(module)
    with work_folder(Path(cfg.root), name, made_by) as work:
        tags = {"srlab.method": name, "srlab.fingerprint": fingerprint(made_by)}
        tracker = instantiate(cfg.tracking).start(name, tags, config, remembered_run(work))
        write_json(work / "run.json", {"run_id": tracker.run_id})
        with tracker.closing():
            tracker.dataset(cfg.data.folder, data.store.digest)
            trainer, settings = instantiate(cfg.trainer.lightning), cfg.model.numbers
            fitted = fit(
                module, data, trainer, work, name, settings.patience, tracker, made_by, cfg.trainer.checkpoint_minutes
            )
            facts = {"method": name, "epoch": str(fitted.best_epoch), "scale": str(cfg.data.scale)}
            facts["fingerprint"] = fingerprint(made_by)
            save_network(output / "best.safetensors", fitted.network, facts)
            write_history(output / "history.csv", fitted.rows)
            write_json(output / "run.json", {"run_id": tracker.known_id()})
            tracker.artifact(output / "best.safetensors", "checkpoint")
            tracker.artifact(output / "history.csv", "")


if __name__ == "__main__":
    main()
