"""The place where an unfinished training waits: work/<model>-<fingerprint>/, no output of DVC.

DVC deletes the outputs of a stage before it runs it, so a checkpoint to resume from must lie elsewhere. The folder is
named by a digest of all that decides the result (config, data, code): a run with another learning rate finds no folder
and starts anew, instead of "resuming" at the end of the old run and training nothing.
"""

import fcntl
import hashlib
import json
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from srlab.errors import SrlabError
from srlab.stage import is_follower

FOLDER_OF_FIRST = "SRLAB_WORK_FOLDER"  # environment variable that tells the followers


def fingerprint(config: dict[str, Any], data_digest: str, module: nn.Module) -> str:
    """16 hex digits over config, data, first weights, torch's version and threads and every loaded srlab source file.

    The first weights stand for the seed and for a pre-trained generator; threads change the last bits of a sum. Call it
    after everything is instantiated, so that the modules which the config names are loaded.
    """
    digest = hashlib.sha256(json.dumps(config, sort_keys=True, default=str).encode())
    for tensor in module.state_dict().values():
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    digest.update(f"{data_digest} {torch.__version__} {torch.get_num_threads()}".encode())
    for name, source in sorted(sys.modules.items()):
        if name.split(".")[0] == "srlab" and source.__file__:
            digest.update(name.encode() + Path(source.__file__).read_bytes())
    return digest.hexdigest()[:16]


@contextmanager
def work_folder(root: Path, model: str, digest: str) -> Iterator[Path]:
    """Yield `root`/work/<model>-<digest>/, locked; it is removed on success and kept on any exception or kill.

    On several devices Lightning starts this script again for each further one: those processes get the folder of the
    first, which alone locks and removes it. (Their own digest would differ: they have fewer threads.)

    Raises:
        SrlabError: another process trains exactly this.
    """
    if is_follower():
        yield Path(os.environ[FOLDER_OF_FIRST])
        return
    folder = root / "work" / f"{model}-{digest}"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # released by the kernel however the process ends
        except OSError as error:
            raise SrlabError(
                f"{folder} is in use: another process trains exactly this; wait for it or stop it"
            ) from error
        lock.write(str(os.getpid()))
        lock.flush()
        os.environ[FOLDER_OF_FIRST] = str(folder.resolve())
        try:
            yield folder
        finally:
            os.environ.pop(FOLDER_OF_FIRST, None)
        shutil.rmtree(folder)
