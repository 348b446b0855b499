"""`srlab plan`: what the trainings of a profile take on this machine, seen from a few steps of each."""

import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

from omegaconf import DictConfig

from srlab.errors import SrlabError
from srlab.evaluation.machine import MACHINE_BUSY, others_at_work
from srlab.files import read_json, write_json
from srlab.planning.configs import PARAMS, configs, training_of
from srlab.planning.forecast import Outlook, budget, report
from srlab.planning.probed import PROBED, TRAINING, Probed, Training
from srlab.progress import track
from srlab.training.devices import cpu_has_bf16

Probe = Callable[[Training], Probed]  # SrlabError if it fails


def plan(
    profile: str | None,  # of conf/profile; None takes the params.yaml of the current folder
    only: Sequence[str],  # lines of `models` and `gans`; none stands for all
    overrides: Sequence[str],  # Hydra's, as in "models.espcn.batch_size=32"
    num_steps: int,  # to measure; fewer are measured where they are slow
    probe: Probe,
    minutes: float | None = None,  # a budget of time for each training; prints how many epochs fit into it
) -> None:
    """Probe every training and print the table; on a CPU with bf16 instructions also that of `trainer=cpu_bf16`.

    SrlabError for a profile, name or key that is not there, or, after the table of the others, if one was not probed.
    """
    if num_steps < 1:
        raise SrlabError(f"a probe of {num_steps} steps measures nothing: give --steps 1 or more")
    if minutes is not None and not minutes > 0:
        raise SrlabError(f"no training fits into {minutes:g} minutes: give --minutes above 0")
    trainer, found = configs(profile, only, overrides)
    is_given = any(override.startswith("trainer=") for override in overrides)
    outlooks, failures = _shown(profile, trainer, found, num_steps, probe, minutes)
    is_on_cpu = any(one.probed.idle_bytes is not None for one in outlooks)
    if trainer == "default" and not is_given and is_on_cpu and cpu_has_bf16():
        print(flush=True)
        trainer, found = configs(profile, only, [*overrides, "trainer=cpu_bf16"])
        failures |= _shown(profile, trainer, found, num_steps, probe, minutes)[1]
    if failures:
        raise SrlabError(f"{', '.join(failures)} could not be probed, see above")


def _shown(
    profile: str | None,
    trainer: str,
    found: Mapping[str, DictConfig],
    num_steps: int,
    probe: Probe,
    minutes: float | None,
) -> tuple[list[Outlook], dict[str, str]]:
    """Probe the trainings `found` and print the table; returns what was seen, and what failed, by name."""
    load, outlooks, failures = others_at_work(), [], {}
    for name, cfg in track(found.items(), f"probing {len(found)} network(s)", len(found)):
        try:
            outlooks.append(outlook(cfg, num_steps, probe(training_of(cfg, num_steps))))
        except SrlabError as error:
            failures[name] = str(error)
    title = f"{f'Profile {profile}' if profile else PARAMS}, conf/trainer/{trainer}.yaml"
    if load:
        title += f"; {MACHINE_BUSY}, other programs slowed it down ({load} before it began)"
    print(report(title, outlooks, failures), end="", flush=True)
    if minutes is not None:
        print(budget(outlooks, minutes), end="", flush=True)
    return outlooks, failures


def in_a_process(training: Training) -> Probed:
    """Probe it in a process of its own; SrlabError, in one line, for whatever ended it."""
    with TemporaryDirectory(prefix="srlab-plan-") as folder:
        write_json(Path(folder) / TRAINING, asdict(training))
        command = [sys.executable, "-m", "srlab.planning.probe", folder]
        ended = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)
        if ended.returncode:
            raise SrlabError(_reason(ended))
        return Probed(**read_json(Path(folder) / PROBED))


def _reason(ended: "subprocess.CompletedProcess[str]") -> str:
    """Why a process failed, in one line."""
    if ended.returncode == -signal.SIGKILL:
        return "was killed, as the system does when memory is short: lower its batch_size or patch_size"
    if ended.returncode < 0:
        return f"died of {signal.Signals(-ended.returncode).name}"
    lines = ended.stderr.strip().splitlines()
    return lines[-1].removeprefix("error: ") if lines else f"ended with exit code {ended.returncode} and no message"


def outlook(cfg: DictConfig, num_steps: int, probed: Probed) -> Outlook:
    """What a probe of `num_steps` steps says of the training that `cfg`, a composed conf/train.yaml, describes."""
    name, settings = cfg.model.name, cfg.model.settings
    return Outlook(
        name=name,
        max_epochs=settings.max_epochs,
        patches_per_epoch=settings.patches_per_epoch,
        batch_size=settings.batch_size,
        num_val=cfg.datasets[cfg.model.settings.train_on].num_val,
        num_steps=num_steps,
        probed=probed,
        line=f"{'gans' if name in cfg.gans else 'models'}.{name}",
    )
