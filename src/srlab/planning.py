"""`srlab plan`: what the trainings of a profile take on this machine, seen from some steps of each of them."""

import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from srlab.errors import SrlabError
from srlab.files import read_json, write_json
from srlab.forecast import Outlook, budget, report
from srlab.machine import MACHINE_BUSY, others_at_work
from srlab.progress import track
from srlab.stage import ROOT
from srlab.training.devices import cpu_has_bf16
from srlab.training.probed import PROBED, TRAINING, Probed, Training

CONF, PARAMS = ROOT / "conf", Path("params.yaml")

Probe = Callable[[Training], Probed]  # SrlabError if it fails


def plan(
    profile: str | None,
    only: Sequence[str],
    overrides: Sequence[str],
    num_steps: int,
    probe: Probe,
    minutes: float | None = None,
) -> None:
    """Probe every training and print the table; of a CPU with bf16 instructions also what `trainer=cpu_bf16` brings.

    Args:
        profile: of conf/profile; None takes the params.yaml of the current folder.
        only: lines of `models` and `gans`; none stands for all.
        overrides: Hydra's, as in "models.espcn.batch_size=32".
        num_steps: that are measured, fewer where they are slow.
        minutes: a budget of time for each; says how many epochs fit into it.

    Raises:
        SrlabError: no such profile, name or key; or, after the table of the others, a training could not be probed.
    """
    if num_steps < 1:
        raise SrlabError(f"a probe of {num_steps} steps measures nothing: give --steps 1 or more")
    if minutes is not None and not minutes > 0:
        raise SrlabError(f"no training fits into {minutes:g} minutes: give --minutes above 0")
    trainer, found = configs(profile, only, overrides)
    given = any(override.startswith("trainer=") for override in overrides)
    outlooks, failures = _shown(profile, trainer, found, num_steps, probe, minutes)
    if trainer == "default" and not given and _on_cpu(outlooks) and cpu_has_bf16():
        print(flush=True)
        trainer, found = configs(profile, only, [*overrides, "trainer=cpu_bf16"])
        failures |= _shown(profile, trainer, found, num_steps, probe, minutes)[1]
    if failures:
        raise SrlabError(f"{', '.join(failures)} could not be probed, see above")


def _on_cpu(outlooks: Sequence[Outlook]) -> bool:
    return any(one.probed.idle_bytes is not None for one in outlooks)


def _shown(
    profile: str | None,
    trainer: str,
    found: Mapping[str, DictConfig],
    num_steps: int,
    probe: Probe,
    minutes: float | None,
) -> tuple[list[Outlook], dict[str, str]]:
    """What was seen of the trainings `found`, which is printed, and what failed, by name."""
    load, outlooks, failures = others_at_work(), [], {}
    for name, cfg in track(found.items(), f"probing {_counted(len(found))}", len(found)):
        try:
            outlooks.append(_outlook(cfg, num_steps, probe(training_of(cfg, num_steps))))
        except SrlabError as error:
            failures[name] = str(error)
    title = f"{f'Profile {profile}' if profile else PARAMS}, conf/trainer/{trainer}.yaml"
    if load:
        title += f"; {MACHINE_BUSY}, other programs slowed it down ({load} before it began)"
    print(report(title, outlooks, failures), end="", flush=True)
    if minutes is not None:
        print(budget(outlooks, minutes), end="", flush=True)
    return outlooks, failures


def configs(profile: str | None, only: Sequence[str], overrides: Sequence[str]) -> tuple[str, dict[str, DictConfig]]:
    """Which of conf/trainer (`run_on`, unless an override is `trainer=...`), and conf/train.yaml for each network."""
    with _composing(_params_file(profile), overrides) as composed:
        params = composed()
        known = [*params.models, *params.gans]
        unknown = [name for name in only if name not in known]
        if unknown:
            raise SrlabError(f"there is no network {', '.join(unknown)} here: choose of {', '.join(known)}")
        chosen = [override.removeprefix("trainer=") for override in overrides if override.startswith("trainer=")]
        trainer = chosen[-1] if chosen else params.run_on
        own = [] if chosen else [f"trainer={trainer}"]
        return trainer, {name: composed(f"model={name}", *own) for name in known if not only or name in only}


def in_a_process(training: Training) -> Probed:
    """Probe it in a process of its own; SrlabError, in one line, on whatever it died of."""
    with TemporaryDirectory(prefix="srlab-plan-") as folder:
        write_json(Path(folder) / TRAINING, asdict(training))
        command = [sys.executable, "-m", "srlab.training.probe", folder]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
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
    return lines[-1].removeprefix("error: ") if lines else f"ended with exit code {ended.returncode} and no word"


def _params_file(profile: str | None) -> Path:
    if profile is None:
        if not PARAMS.exists():
            raise SrlabError(f"no {PARAMS} in {Path.cwd()}: name a profile, or go to the folder of srlab's dvc.yaml")
        return PARAMS
    known = {path.stem: path for path in sorted((CONF / "profile").glob("*.yaml"))}
    if profile not in known:
        raise SrlabError(f"there is no profile {profile}: choose one of {', '.join(known)}")
    return known[profile]


@contextmanager
def _composing(params: Path, overrides: Sequence[str]) -> Iterator[Callable[..., DictConfig]]:
    """Composes conf/train.yaml with the numbers of `params` and more overrides; SrlabError on what does not fit."""
    with TemporaryDirectory() as bench:
        shutil.copy(params, Path(bench) / PARAMS.name)
        with initialize_config_dir(str(CONF), version_base="1.3"):
            try:
                yield lambda *more: compose("train", [*more, *overrides, f"hydra.searchpath=[file://{bench}]"])
            except HydraException as error:
                raise SrlabError(str(error).splitlines()[0]) from error


def training_of(cfg: DictConfig, num_steps: int) -> Training:
    """What a probe has to know of a composed conf/train.yaml; SrlabError if an interpolation leads nowhere."""
    return Training(
        name=cfg.model.name,
        seed=cfg.seed,
        num_threads=cfg.num_threads,
        scale=cfg.data.scale,
        patience=cfg.model.settings.patience,
        data=_plain(cfg.data),
        module=_plain(cfg.model.module),
        trainer=_plain(cfg.trainer),
        num_steps=num_steps,
    )


def _outlook(cfg: DictConfig, num_steps: int, probed: Probed) -> Outlook:
    numbers = cfg.model.settings
    num_val = cfg.datasets[cfg.train_on].num_val
    sizes = (numbers.max_epochs, numbers.patches_per_epoch, numbers.batch_size)
    name = cfg.model.name
    line = f"{'gans' if name in cfg.gans else 'models'}.{name}"
    return Outlook(name, *sizes, num_val, num_steps, probed, line)


def _plain(node: DictConfig) -> dict[str, Any]:
    try:
        plain: Any = OmegaConf.to_container(node, resolve=True)
    except OmegaConfBaseException as error:
        raise SrlabError(", ".join(line.strip() for line in str(error).splitlines()[:2])) from error
    return plain


def _counted(number: int) -> str:
    return f"{number} network{'s' if number > 1 else ''}"
