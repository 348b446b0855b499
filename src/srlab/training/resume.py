"""Where an unfinished training keeps its checkpoints: work/<model>-<fingerprint>/, which is no output of DVC.

DVC deletes the outputs of a stage before it runs it, so a checkpoint to resume from must lie elsewhere. The folder is
named by a digest of all that decides the result (config, data, code): a run with another learning rate finds no folder
and starts from scratch, instead of "resuming" at the end of the old run and training nothing.
"""

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import torch
from torch import nn

from srlab.errors import SrlabError
from srlab.files import read_json, write_json
from srlab.imports import closure, source_of
from srlab.stage import is_follower

LOOP = "srlab.training.fit"
SOURCE = Path(__file__).parents[2]  # the folder that holds srlab
NOT_BUILT = ("model.method.", "model.contents.")  # of a model's config, in a training
FOLDER_OF_FIRST = "SRLAB_WORK_FOLDER"  # environment variable that tells the followers
# Settings that a training may be resumed with other values of: what feeds it, and how often it is saved.
OF_THE_MACHINE = {"feeder", "num_workers", "checkpoint_minutes"}


class Ended(Exception):
    """A training was ended on purpose, for the reason that is the text: it will not be resumed."""

    mlflow_status = "KILLED"


Origin = dict[str, str]  # what decides the result of a training -> its value or a digest of it


def origin(config: dict[str, Any], data_digest: str, module: nn.Module, device: str) -> Origin:
    """All that decides the result: config, data, first weights, torch's version, kind of device, srlab's own source.

    The first weights stand for the seed and for a pre-trained generator. The number of threads changes the last bits of
    a sum where the device is a CPU; with a GPU it does not count, as another node has other cores. Of the
    source, what counts are the modules of the parts of `module`, of every `_target_` that is built, of the loop, and
    all that these import.
    """
    first_weights = hashlib.sha256()
    for tensor in module.state_dict().values():
        first_weights.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    on_cpu = device == "cpu"
    of_the_machine = OF_THE_MACHINE if on_cpu else OF_THE_MACHINE | {"num_threads"}
    found = {key: str(value) for key, value in config.items() if key.rpartition(".")[2] not in of_the_machine}
    found |= {
        "data": data_digest,
        "first weights": first_weights.hexdigest(),
        "torch": str(torch.__version__),
        "device": device,
    } | ({"threads": str(torch.get_num_threads())} if on_cpu else {})
    targets = {
        str(value) for key, value in config.items() if key.endswith("_target_") and not key.startswith(NOT_BUILT)
    }
    parts = {type(part).__module__ for part in module.modules()}
    for name in closure({*parts, *targets, LOOP}, SOURCE):
        found[f"code of {name}"] = hashlib.sha256(source_of(name, SOURCE).read_bytes()).hexdigest()
    return dict(sorted(found.items()))


def fingerprint(made_by: Origin) -> str:
    """16 hex digits over an origin."""
    return hashlib.sha256(json.dumps(made_by, sort_keys=True).encode()).hexdigest()[:16]


def differences(there: Origin, here: Origin) -> list[str]:
    """What two trainings differ in: "settings.lr is 0.001 there and 0.01 here", "code of srlab.models.espcn", ..."""
    names = sorted(name for name in there.keys() | here.keys() if there.get(name) != here.get(name))
    digests = {"data", "first weights"}
    return [
        name
        if name in digests or name.startswith("code of ")
        else f"{name} is {there.get(name, 'absent')} there and {here.get(name, 'absent')} here"
        for name in names
    ]


@contextmanager
def work_folder(root: Path, model: str, made_by: Origin, waits: bool = False) -> Iterator[Path]:
    """Yield `root`/work/<model>-<fingerprint>/, locked; it is removed on success and kept on any exception or kill.

    Unfinished trainings of the same model that differ are named, with what they differ in. Of the processes that train
    on several devices, the first alone locks and removes the folder. (Those that Lightning starts are told which it is,
    since their own digest would differ: they have fewer threads.) SrlabError if another process trains exactly this,
    unless this one `waits` until it has ended.
    """
    folder = root / "work" / f"{model}-{fingerprint(made_by)}"
    if is_follower():
        yield Path(os.environ.get(FOLDER_OF_FIRST, folder))
        return
    is_new = not folder.exists()
    with _locked(folder, waits) as lock:
        lock.write(str(os.getpid()))
        lock.flush()
        os.register_at_fork(after_in_child=lock.close)  # loader processes outlive a killed training by seconds
        write_json(folder / "origin.json", made_by)
        if is_new and not waits:
            _name_others(folder, model, made_by)
        os.environ[FOLDER_OF_FIRST] = str(folder.resolve())
        try:
            yield folder
        except Ended:
            shutil.rmtree(folder)
            raise
        finally:
            os.environ.pop(FOLDER_OF_FIRST, None)
        shutil.rmtree(folder)


def _locked(folder: Path, waits: bool) -> TextIO:
    """The file `lock` in `folder`, which is made if need be, with a lock on it."""
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            lock = (folder / "lock").open("w")
        except FileNotFoundError:  # removed in between
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | (0 if waits else fcntl.LOCK_NB))  # gone however the process ends
        except OSError as error:
            lock.close()
            raise SrlabError(
                f"{folder} is in use: another process trains exactly this; wait for it or stop it"
            ) from error
        if os.fstat(lock.fileno()).st_nlink:  # else whoever had it has finished, and removed the folder
            return lock
        lock.close()


def _name_others(folder: Path, model: str, made_by: Origin) -> None:
    for file in sorted(folder.parent.glob(f"{model}-*/origin.json")):
        if file.parent != folder and (file.parent / "last.ckpt").exists():
            what = "; ".join(differences(read_json(file), made_by))
            print(
                f"train {model}: starts from scratch, the unfinished training {file.parent} is another one ({what})",
                flush=True,
            )
