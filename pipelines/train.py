"""Stages train@M and train_gan@G: train one model, keep its best epoch.

Also the script of sweeps: `python pipelines/train.py -m model=espcn models.espcn.lr=1e-3,3e-4` writes to sweeps/.
"""

from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from srlab.stage import output_folder, stage

NAMED = ("seed", "scale", "num_threads", "kernels")  # of params.yaml, beside what a line chooses


@stage("train")
def main(cfg: DictConfig) -> dict[str, Any] | None:
    from srlab.models.base.kernels import keep_freed_memory, use_kernels, use_threads

    use_kernels(cfg.kernels, cfg.trainer.lightning.precision)  # before torch is imported
    import pytorch_lightning as pl
    from hydra.utils import instantiate

    from srlab.files import write_json
    from srlab.models.base.weights import save_network
    from srlab.stage import flat, named
    from srlab.tracking.tracker import remembered_run
    from srlab.training.curves import write_history
    from srlab.training.devices import device_type
    from srlab.training.fit import fit
    from srlab.training.resume import fingerprint, origin, work_folder

    pl.seed_everything(cfg.model.seed, verbose=False)
    use_threads(cfg.num_threads)
    keep_freed_memory()
    device = device_type(cfg.trainer.lightning)
    data, module = instantiate(cfg.data), instantiate(cfg.model.module)
    own = {"model": cfg.model, "data": cfg.data, "schedule": cfg.schedule, "recipe": cfg.recipe, "trainer": cfg.trainer}
    config = {f"{part}.{key}": value for part, node in own.items() for key, value in flat(node).items()}
    config |= {"seed": cfg.model.seed, "num_threads": cfg.num_threads, "kernels": cfg.kernels}
    made_by, name, output = origin(config, data.store.digest, module, device), cfg.model.name, output_folder()
    digest, trial = fingerprint(made_by), instantiate(cfg.trial)
    instantiate(cfg.trainer.speed).apply(module)
    with work_folder(Path(cfg.root), name, made_by, trial.waits) as work:
        if known := trial.known(digest, module):
            print(f"train {name}: was trained exactly so before, in {known['output']}", flush=True)
            return known
        tags = {"srlab.method": name, "srlab.fingerprint": digest} | trial.tags()
        line, choice = cfg.model.line, cfg.model.settings
        settings = named(cfg, *NAMED, line, f"recipes.{choice.recipe}", f"schedules.{choice.schedule}")
        tracker = instantiate(cfg.tracking).start(trial.run_name(name), tags, settings, remembered_run(work))
        write_json(work / "run.json", {"run_id": tracker.run_id})
        with tracker.closing():
            tracker.dataset(cfg.data.folder, data.store.digest)
            trainer, patience = instantiate(cfg.trainer.lightning), cfg.model.settings.patience
            watcher, minutes = trial.watching(tracker), cfg.trainer.checkpoint_minutes
            fitted = fit(module, data, trainer, work, name, patience, watcher, made_by, minutes)
            network = OmegaConf.to_container(cfg.model.method.net, resolve=True)  # the file can be loaded alone
            facts = {"method": name, "epoch": str(fitted.best_epoch), "scale": str(cfg.data.scale), "network": network}
            facts |= module.facts
            save_network(output / "best.safetensors", fitted.network, facts)
            write_history(output / "history.csv", fitted.rows)
            write_json(output / "run.json", {"run_id": tracker.known_id()})
            best = fitted.rows[fitted.best_epoch]
            of = {"data": data.store.digest, "scale": cfg.data.scale, "srlab.fingerprint": digest}
            tracker.model(output / "best.safetensors", name, network, module.monitor, module.sign, best | of)
            tracker.artifact(output / "history.csv", "")
            tracker.artifact(output / ".hydra/config.yaml", "")
            return trial.finish(digest, fitted, output, tracker)


if __name__ == "__main__":
    main()
