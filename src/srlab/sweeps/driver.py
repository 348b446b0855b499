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
from typing import Any

import optuna
from omegaconf import DictConfig, OmegaConf
from optuna.distributions import distribution_to_json

from srlab.errors import SrlabError, one_line
from srlab.files import write_json
from srlab.models.base.kernels import use_threads
from srlab.sweeps.board import board
from srlab.sweeps.checks import (
    check_effects,
    check_types,
    composed,
    refuse_upstream,
    structures,
    training_settings,
)
from srlab.sweeps.console import progress, say_how_it_begins, say_how_it_ended
from srlab.sweeps.jobs import Hydra, Job, Result, job
from srlab.sweeps.launchers import Launcher, built
from srlab.sweeps.space import Parameter, override_text, overrides, parse, split
from srlab.sweeps.study import Asked, Study, only_one
from srlab.sweeps.trial import COSTS, as_json
from srlab.training.devices import device_type
from srlab.training.resume import Origin, origin

ATTEMPTS = 3  # at a trial whose process dies


def drive(hydra: Hydra, launcher: Launcher, words: list[str]) -> None:
    """Run the sweep of a command line, or resume it.

    SrlabError if the sweep makes no sense, something that it needs is missing, or trials failed.
    """
    compose = partial(hydra.context.config_loader.load_sweep_config, hydra.config)
    constants, parameters, cfg = _read(compose, words)
    settings, pruner = cfg.sweep, built(cfg.sweep.pruner, "sweep/pruner")
    _check_objectives(settings.objectives, pruner)
    groups = [one for one in parameters if hydra.context.config_loader.get_group_options(one.key)]
    single = [one for one in parameters if one not in groups]
    check_types(single, cfg)
    first = {one.key: one.examples[0] for one in parameters}
    bases = [composed(compose, [*constants, *overrides({**first, **structure})]) for structure in structures(groups)]
    check_effects(single, bases)
    made_by = _made_by(bases, by_model=bool(groups))
    folder = Path(settings.folder, f"{settings.name}-{_digest(parameters, settings.objectives, made_by)}")
    with only_one(folder):
        study = Study(folder, parameters, settings, pruner)
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
                *_threads(launcher, cfg),
            ]

            def job_of(asked: Asked) -> Job:
                own = [
                    f"trial.number={asked.number}",
                    f"trial.trial_id={asked.trial_id}",
                    f"trial.values={override_text(as_json(asked.values))}",
                    f"hydra.sweep.subdir={override_text(str(asked.number))}",
                ]
                return job(hydra, asked.number, [*constants, *overrides(asked.values), *always, *own])

            def update() -> None:
                study.write(facts)
                shown.update()

            say_how_it_begins(study, launcher.n_jobs)
            _run_all(study, launcher, job_of, update, settings.max_failures)
            study.write(facts)
            shown.finish()
    say_how_it_ended(study)


def _read(
    compose: Callable[[list[str]], DictConfig], words: list[str]
) -> tuple[list[str], list[Parameter], DictConfig]:
    """Overrides without a sweep in them, the search space, and the config without the latter."""
    if any(word.startswith("sweep.storage=") and "@" in word for word in words):
        raise SrlabError("a command line with a password is kept in many places: give the storage as SRLAB_STUDIES")
    constants, swept = split(words)
    cfg = composed(compose, constants)
    cfg.sweep.name = str(cfg.sweep.name)  # of a number, too
    if not re.fullmatch(r"[\w.-]+", cfg.sweep.name):
        raise SrlabError(
            f"sweep.name becomes the name of a folder, and {cfg.sweep.name!r} cannot: letters, digits, _ . -"
        )
    given = {one.key for one in swept} | {word.partition("=")[0] for word in constants}
    space = {str(key): text for key, text in OmegaConf.to_object(cfg.sweep.space).items() if key not in given}  # type: ignore[union-attr]
    parameters = [*parse(space), *swept]
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


def _check_objectives(objectives: DictConfig, pruner: optuna.pruners.BasePruner) -> None:
    names = [str(name) for name in objectives]
    unknown = [f"{name}: {what}" for name, what in objectives.items() if what not in ("maximize", "minimize")]
    if not names or unknown:
        raise SrlabError(f"sweep.objectives wants maximize or minimize, not {', '.join(unknown) or 'nothing at all'}")
    if not isinstance(pruner, optuna.pruners.NopPruner) and (len(names) > 1 or names[0] in COSTS):
        raise SrlabError(f"{', '.join(names)} cannot be judged epoch by epoch: set sweep/pruner=none")


def _made_by(bases: list[DictConfig], by_model: bool) -> Origin:
    """What decides the results, but for the values: the rest of the config, data, code.

    SrlabError if data or weights are missing, or a value is none that a network takes.
    """
    found: Origin = {}
    for cfg in bases:
        use_threads(cfg.num_threads)
        settings, data = training_settings(cfg), built(cfg.data, "data")
        module = built(cfg.model.module, str(cfg.model.name))
        made_by = origin(settings, data.store.digest, module, device_type(cfg.trainer.lightning))
        found |= {f"{cfg.model.name}: {key}" if by_model else key: value for key, value in made_by.items()}
    return {key: value for key, value in found.items() if not key.endswith("first weights")}  # no seed is set here


def _digest(parameters: list[Parameter], objectives: DictConfig, made_by: Origin) -> str:
    space = sorted((one.key, distribution_to_json(one.distribution)) for one in parameters)
    swept = {one.key for one in parameters}
    whole = [space, sorted(objectives.items()), sorted((k, v) for k, v in made_by.items() if k not in swept)]
    return hashlib.sha256(json.dumps(whole, default=str).encode()).hexdigest()[:8]


def _threads(launcher: Launcher, cfg: DictConfig) -> list[str]:
    """All cores for each of several trials would be too many. No part of what a study is known by."""
    if launcher.n_jobs == 1 or cfg.num_threads != 0:
        return []
    return [f"num_threads={max(1, len(os.sched_getaffinity(0)) // launcher.n_jobs)}"]


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
    study: Study, launcher: Launcher, job_of: Callable[[Asked], Job], update: Callable[[], None], max_failures: int
) -> None:
    running: dict[Future[Result], tuple[Asked, float]] = {}
    attempts: dict[int, int] = {}
    failures, begin, num_before = 0, time.monotonic(), study.num_over

    def start(asked: Asked) -> None:
        attempts[asked.number] = attempts.get(asked.number, 0) + 1
        running[_future(launcher, job_of(asked))] = (asked, time.monotonic())

    while True:
        while len(running) < launcher.n_jobs and (asked := study.ask()):
            start(asked)
        if not running:
            return
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            asked, since = running.pop(future)
            error = future.exception()
            if error is not None and attempts[asked.number] < ATTEMPTS:
                print(f"trial {asked.number}: its process died ({one_line(error)}), another one resumes it", flush=True)
                start(asked)
                continue
            result = Result("failed", None, f"its process died: {one_line(error)}") if error else future.result()
            result = study.tell(asked.number, result, time.monotonic() - since)
            update()
            over = study.num_over
            left = (time.monotonic() - begin) / max(1, over - num_before) * (study.num_trials - over)
            print(progress(study, asked, result, left), flush=True)
            failures = failures + 1 if result.state == "failed" else 0
            if failures >= max_failures:
                raise SrlabError(
                    f"the last {failures} trials failed: {result.why}; fix it and run the same line again, with "
                    "sweep.retry_failed=true"
                )


def _future(launcher: Launcher, trial: Job) -> "Future[Result]":
    """Run a trial here, if the launcher does; else in a daemon thread, which nothing waits for at the end."""
    future: Future[Result] = Future()
    if type(launcher) is Launcher:
        future.set_result(launcher.run(trial))
        return future

    def run() -> None:
        try:
            future.set_result(launcher.run(trial))
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future
