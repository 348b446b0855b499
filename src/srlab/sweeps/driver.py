"""A sweep from its command line to its last trial: `python pipelines/train.py -m sweep=... [key=value ...]`."""

import hashlib
import json
import os
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import optuna
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from optuna.distributions import distribution_to_json

from srlab.errors import SrlabError
from srlab.files import write_json
from srlab.sweeps.board import board
from srlab.sweeps.checks import (
    check,
    check_types,
    composed,
    corners,
    refuse_upstream,
    structures,
    training_numbers,
    varied,
)
from srlab.sweeps.console import progress, say_how_it_begins, say_how_it_ended
from srlab.sweeps.launchers import Hydra, Job, Result, Sequential, job
from srlab.sweeps.space import Parameter, Values, override_text, overrides, parse, split
from srlab.sweeps.study import Asked, Study, only_one
from srlab.sweeps.trial import COSTS, as_json
from srlab.training.devices import device_type
from srlab.training.resume import Origin, origin
from srlab.training.threads import use_threads

BASIC = "hydra._internal.core_plugins.basic_launcher.BasicLauncher"  # Hydra's default: one after the other
ATTEMPTS = 3  # at a trial whose process dies


class Launcher(Protocol):
    """Something of `srlab.sweeps.launchers`."""

    n_jobs: int

    def open(self, folder: Path) -> None: ...

    def run(self, trial: Job) -> Result: ...

    def close(self) -> None: ...


def drive(hydra: Hydra, words: list[str]) -> None:
    """Run the sweep of a command line, or go on with it where it is known.

    Raises:
        SrlabError: the sweep makes no sense, something that it needs is missing, or trials failed.
    """
    constants, parameters, cfg = _read(hydra, words)
    compose = partial(hydra.context.config_loader.load_sweep_config, hydra.config)
    groups = {one.key for one in parameters if hydra.context.config_loader.get_group_options(one.key)}
    launcher = _launcher(hydra.config)
    constants += _threads(launcher, cfg)
    settings, sampler, pruner = cfg.sweep, cfg.sweep.sampler, _built(cfg.sweep.pruner, "sweep/pruner")
    _refuse_what_cannot_be_pruned(pruner, settings.objectives)
    check_types(parameters, groups, cfg)
    first = {one.key: one.examples[0] for one in parameters}
    bases = [
        (structure, composed(compose, [*constants, *overrides({**first, **structure})]))
        for structure in structures(parameters, groups)
    ]
    check(parameters, bases, groups)
    made_by = _made_by(parameters, bases, groups)
    folder = Path(settings.folder, f"{settings.name}-{_digest(parameters, settings.objectives, made_by)}")
    make = instantiate(sampler.make)
    objectives = dict(settings.objectives)
    with only_one(folder):
        study = Study(
            folder,
            settings.storage,
            parameters,
            objectives,
            lambda number: make(seed=settings.seed + number),
            pruner,
            sampler.exhaustive,
            settings.num_trials,
            settings.retry_failed,
        )
        write_json(folder / "origin.json", made_by)
        facts = {"name": settings.name, "words": words, "keys": [one.key for one in parameters]}
        launcher.open(Path(settings.folder))
        shown_in = board(cfg.tracking, settings.experiment, study, settings.name)
        with shown_in as (shown, run_id), _closing(launcher):
            facts["run_id"] = run_id
            always = [
                f"tracking.experiment={override_text(settings.experiment)}",
                "tracking.live=false",
                "trial=of_sweep",
                f"trial.study={override_text(folder.name)}",
                f"trial.parent={override_text(run_id)}",
                f"hydra.sweep.dir={override_text(str(folder))}",
            ]

            def start(asked: Asked) -> Job:
                own = [
                    f"trial.number={asked.number}",
                    f"trial.trial_id={asked.trial_id}",
                    f"trial.values={override_text(as_json(asked.values))}",
                    f"hydra.sweep.subdir={override_text(str(asked.number))}",
                ]
                return job(hydra, asked.number, [*constants, *overrides(asked.values), *always, *own])

            def told() -> None:
                study.write(facts)
                shown.update()

            say_how_it_begins(study, launcher.n_jobs)
            _run_all(study, launcher, start, told, settings.max_failures)
            study.write(facts)
            shown.finish()
    say_how_it_ended(study)


def _read(hydra: Hydra, words: list[str]) -> tuple[list[str], list[Parameter], DictConfig]:
    """Overrides without a sweep in them, the search space, and the config without the latter."""
    if any(word.startswith("sweep.storage=") and "@" in word for word in words):
        raise SrlabError("a command line with a password is kept in many places: give the storage as SRLAB_STUDIES")
    constants, swept = split(words)
    cfg = composed(partial(hydra.context.config_loader.load_sweep_config, hydra.config), constants)
    given = {one.key for one in swept} | {word.partition("=")[0] for word in constants}
    space = {key: text for key, text in OmegaConf.to_container(cfg.sweep.space).items() if key not in given}  # type: ignore[union-attr]
    if not re.fullmatch(r"[\w.-]+", cfg.sweep.name):
        raise SrlabError(
            f"sweep.name becomes the name of a folder, and {cfg.sweep.name!r} cannot: letters, digits, _ . -"
        )
    parameters = [*parse({str(key): text for key, text in space.items()}), *swept]
    if not parameters:
        raise SrlabError(
            "nothing to sweep over: give several values, as models.espcn.lr=1e-3,3e-4, or a search space, as "
            "sweep=espcn_lr_batch (conf/sweep)"
        )
    now = OmegaConf.load("params.yaml")
    changed = {
        key: text
        for key, _, text in (word.partition("=") for word in constants)
        if OmegaConf.select(now, key, default=None) not in (None, OmegaConf.select(cfg, key, default=None))
    }
    refuse_upstream({**changed, **{one.key: one.text for one in parameters}}, Path("dvc.yaml"))
    if cfg.trainer.lightning.devices not in (1, "auto"):
        raise SrlabError("a trial trains on one device: leave trainer.lightning.devices at 1, and start more trials")
    return constants, parameters, cfg


def _launcher(config: DictConfig) -> Launcher:
    node = config.hydra.launcher
    if node._target_ == BASIC:
        return Sequential()
    if not node._target_.startswith("srlab.sweeps.launchers."):
        raise SrlabError(f"hydra/launcher is {node._target_}: choose joblib, ray, slurm, or none")
    return _built(node, "hydra/launcher")


def _threads(launcher: Launcher, cfg: DictConfig) -> list[str]:
    """All cores for each of several trials would be too many."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if launcher.n_jobs > 1 and cfg.num_threads == 0:
        return [f"num_threads={max(1, cores // launcher.n_jobs)}"]
    return []


def _refuse_what_cannot_be_pruned(pruner: Any, objectives: DictConfig) -> None:
    names = [str(name) for name in objectives]
    unknown = [f"{name}: {what}" for name, what in objectives.items() if what not in ("maximize", "minimize")]
    if not names or unknown:
        raise SrlabError(f"sweep.objectives wants maximize or minimize, not {', '.join(unknown) or 'nothing at all'}")
    if not isinstance(pruner, optuna.pruners.NopPruner) and (len(names) > 1 or names[0] in COSTS):
        raise SrlabError(f"{', '.join(names)} cannot be judged epoch by epoch: set sweep/pruner=none")


def _made_by(parameters: list[Parameter], bases: list[tuple[Values, DictConfig]], groups: set[str]) -> Origin:
    """What decides the results, but for the values: the rest of the config, data, code. Builds every corner once.

    Raises:
        SrlabError: data or weights are missing, or a value is none that a network takes.
    """
    found: Origin = {}
    for structure, base in bases:
        use_threads(base.num_threads)
        for number, values in enumerate(corners(parameters, groups)):
            cfg = varied(base, values)
            where = " ".join(overrides({**structure, **values}))
            config = training_numbers(cfg)
            data, module = _built(cfg.data, where), _built(cfg.model.module, where)
            if number == 0:
                made_by = origin(config, data.store.digest, module, device_type(cfg.trainer.lightning))
                found |= {f"{cfg.model.name}: {key}" if groups else key: value for key, value in made_by.items()}
    return {key: value for key, value in found.items() if not key.endswith("first weights")}  # no seed is set here


def _built(node: Any, where: str) -> Any:
    try:
        return instantiate(node)
    except InstantiationException as error:
        cause = error.__cause__ or error
        text = next(iter(str(cause).splitlines()), type(cause).__name__)
        if isinstance(cause, SrlabError | FileNotFoundError):
            raise SrlabError(str(cause)) from error
        raise SrlabError(f"{where}: {text}") from error


def _digest(parameters: list[Parameter], objectives: DictConfig, made_by: Origin) -> str:
    space = sorted((one.key, distribution_to_json(one.distribution)) for one in parameters)
    swept = {one.key for one in parameters}
    whole = [space, sorted(objectives.items()), sorted((k, v) for k, v in made_by.items() if k not in swept)]
    return hashlib.sha256(json.dumps(whole, default=str).encode()).hexdigest()[:8]


@contextmanager
def _closing(launcher: Launcher) -> Iterator[None]:
    """At the end of the block, which SIGTERM ends as Ctrl-C does, so that workers end and MLflow hears of it."""

    def stop(number: int, _: Any) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
        launcher.close()


def _run_all(
    study: Study, launcher: Launcher, start: Callable[[Asked], Job], told: Callable[[], None], max_failures: int
) -> None:
    running: dict[Future[Result], tuple[Asked, float]] = {}
    attempts: dict[int, int] = {}
    failures, begin, num_before = 0, time.monotonic(), study.num_over

    def begin_trial(asked: Asked) -> None:
        attempts[asked.number] = attempts.get(asked.number, 0) + 1
        running[_future(launcher, start(asked))] = (asked, time.monotonic())

    while True:
        while len(running) < launcher.n_jobs and (asked := study.ask()):
            begin_trial(asked)
        if not running:
            return
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            asked, since = running.pop(future)
            error = future.exception()
            if error is not None and attempts[asked.number] < ATTEMPTS:
                print(f"trial {asked.number}: its process died ({_line(error)}), it goes on in another", flush=True)
                begin_trial(asked)
                continue
            result = Result("failed", None, f"its process died: {_line(error)}") if error else future.result()
            study.tell(asked.number, result, time.monotonic() - since)
            told()
            over = study.num_over
            left = (time.monotonic() - begin) / (over - num_before) * (study.num_trials - over)
            print(progress(study, asked, result, left), flush=True)
            failures = failures + 1 if result.state == "failed" else 0
            if failures >= max_failures:
                raise SrlabError(
                    f"the last {failures} trials failed: {result.why}; mend it and run the same line again, with "
                    "sweep.retry_failed=true"
                )


def _future(launcher: Launcher, trial: Job) -> "Future[Result]":
    """Here, where the launcher runs trials in this process; else waited for in a thread that nobody has to wait for."""
    future: Future[Result] = Future()

    def run() -> None:
        try:
            future.set_result(launcher.run(trial))
        except BaseException as error:
            if isinstance(launcher, Sequential):
                raise
            future.set_exception(error)

    if isinstance(launcher, Sequential):
        run()
    else:
        threading.Thread(target=run, daemon=True).start()
    return future


def _line(error: BaseException | None) -> str:
    return next(iter(str(error).splitlines()), "")[:160] or type(error).__name__
