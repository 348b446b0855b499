"""The process that brings to MLflow what waits on disk: started, waited for and ended from here."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Self

from srlab.tracking.journal import Progress, header, is_followed, is_held, journals, num_waiting, sweep

SQLITE = "sqlite:///"
# Seconds without any progress after which the end of a run is not waited for. A sqlite store has no server that could
# be dead, but many processes may wait for it, each up to 20 s in mlflow's own hands.
PATIENCE, PATIENCE_WITH_SQLITE = 7.5, 60.0  # at most twice: for the id of the run and for its end
PATIENCE_WITH_IMPORTS = 120.0  # before the first try; it takes 3 s on a machine that has nothing else to do


class Sender:
    """A process that sends all that waits in an outbox and all that is added, until `close` or the end of this process.

    One process at a time sends from an outbox: a further one waits, ready to take over.
    """

    def __init__(self, outbox: Path) -> None:
        self.outbox = outbox
        self._process = _process(outbox)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def wait(self, paths: list[Path], is_done: Callable[[], bool]) -> None:
        """Until `is_done`, or until the process has ended, or nothing of these journals moves any more."""
        patience, before, since = _patience(paths), None, time.monotonic()
        while self._process.poll() is None and not is_done():
            has_imported = is_followed(self.outbox)
            progress = [Progress.of(path) for path in paths]
            now = (has_imported, [(one.run_id, one.offset) for one in progress])  # not failures, which move nothing
            if now != before:
                before, since = now, time.monotonic()
            if time.monotonic() - since > (patience if has_imported else PATIENCE_WITH_IMPORTS):
                return
            time.sleep(0.02)

    def close(self, paths: list[Path] | None = None) -> None:
        """Wait until these journals are sent, while it goes on, and end the process; say in one line what is left.

        Args:
            paths: None for all that nobody writes any more.
        """
        paths = [path for path in journals(self.outbox) if not is_held(path)] if paths is None else paths
        if self._process.stdin:
            self._process.stdin.close()
        self.wait(paths, lambda: not any(path.exists() for path in paths))
        self._process.kill()  # at any time without harm; it may be about to send what others left
        self._process.wait()
        sweep(self.outbox)
        failures = [failure for path in paths if path.exists() and (failure := Progress.of(path).failure)]
        mention(paths, f"does not answer ({failures[0]})" if failures else "did not take everything in time")


def _process(outbox: Path) -> "subprocess.Popen[bytes]":
    """The process of a sender, which notices by its standard input when we are gone."""
    command = [sys.executable, "-P", "-m", "srlab.tracking.sending", str(outbox)]
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # it inherits this: after Ctrl-C it is to send
    try:  # how the training ended
        return subprocess.Popen(command, stdin=subprocess.PIPE)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _patience(paths: list[Path]) -> float:
    """Seconds."""
    for path in paths:
        with suppress(FileNotFoundError):  # sent and removed in the meantime
            if header(path)["uri"].startswith(SQLITE):
                return PATIENCE_WITH_SQLITE
    return PATIENCE


def mention(paths: list[Path], reason: str) -> None:
    """Say in one line what is left of these journals; nothing if they are sent."""
    with suppress(FileNotFoundError):  # sent at this moment
        if left := [path for path in paths if path.exists()]:
            stores, num = " and ".join(sorted({header(path)["uri"] for path in left})), sum(map(num_waiting, left))
            where = left[0] if len(left) == 1 else f"{len(left)} files of {left[0].parent}"
            text = f"MLflow at {stores} {reason}: {num} entries wait in {where}, `srlab send` brings them there"
            print(text, file=sys.stderr)
