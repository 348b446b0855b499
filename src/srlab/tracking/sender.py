"""Who sends what waits in an outbox: a process beside the trainings, and `srlab send`.

A process, because importing mlflow takes seconds of Python, which a thread would take from the training, and because a
thread that holds locks is no company for a fork (the loader's workers). One serves all stages of a `dvc repro`: it
lives on for a while after each, and ends by itself.
"""

import fcntl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from srlab.errors import SrlabError
from srlab.tracking.journal import (
    PARENT,
    Damaged,
    Progress,
    exclusive,
    header,
    is_held,
    journals,
    num_waiting,
    set_all_aside,
    sweep,
)

POLL = 0.1  # seconds between looks at the outbox
LINGER = 30.0  # seconds that the process lives on when nobody writes and nothing can be sent
PATIENCE = 120.0  # seconds without any progress after which nobody waits; an import of mlflow on a busy machine fits in
RETRY = 10.0  # seconds between a try that failed and the next
LOG = "sender.log"

MakeClient = Callable[[str], Any]


class Sender:
    """The process that sends from an outbox: the one that is there, else a new one. It survives its maker.

    Make it after the journal that it is to send: a process that is about to end looks a last time who writes.
    """

    def __init__(self, outbox: Path) -> None:
        self.outbox, self._log = outbox, outbox / LOG
        self._shown = self._log.stat().st_size if self._log.exists() else 0
        self._process = None if is_followed(outbox) else _process(outbox)

    def wait(self, paths: list[Path], is_done: Callable[[Path], bool]) -> None:
        """Until each of these journals is done or cannot be sent at present, or nothing moves any more."""
        before, since = None, time.monotonic()
        while self._is_alive():
            now = [Progress.of(path) for path in paths]
            if all(one.failure or is_done(path) for path, one in zip(paths, now, strict=True)):
                return
            if now != before:
                before, since = now, time.monotonic()
            if time.monotonic() - since > PATIENCE:
                return
            time.sleep(0.02)

    def close(self) -> None:
        """Wait until all that nobody writes any more is sent; print what the process said, and what is left."""
        if not self._is_alive():
            self._process = _process(self.outbox)
        paths = [path for path in journals(self.outbox) if not is_held(path)]
        self.wait(paths, lambda path: not path.exists())
        with self._log.open(encoding="utf-8") as log:
            log.seek(self._shown)
            print(log.read(), end="", file=sys.stderr)
        mention(paths, "MLflow has not taken everything yet")

    def _is_alive(self) -> bool:
        return is_followed(self.outbox) or (self._process is not None and self._process.poll() is None)


def is_followed(outbox: Path) -> bool:
    """Whether a process sends what is written, at once."""
    return is_held(outbox / LOG)


def mention(paths: list[Path], what: str) -> None:
    """Print one line on what is left of these journals, which begins with `what` if no failure is known."""
    left = {path: num for path in paths if (num := num_waiting(path))}
    if left:
        why = next((failure for path in left if (failure := Progress.of(path).failure)), what)
        first, *more = left
        where = f"{len(left)} files of {first.parent}" if more else first
        print(f"{why}: {sum(left.values())} entries wait in {where}, `srlab send` sends them", file=sys.stderr)


def send(outbox: Path, uri: str = "", make_client: MakeClient | None = None) -> None:
    """Send everything that waits in an outbox, oldest first, and print what was sent; SrlabError if something was not.

    `uri` is the tracking URI for all, "" for the one in each journal.
    """
    results = Outbox(outbox, uri, make_client).round() if journals(outbox) else []
    if not results:
        print(f"nothing waits in {outbox}")
    failures: dict[str, None] = {}
    for sent in results:
        if sent.num:
            print(f"{sent.path.name}: {sent.num} entries sent to {sent.uri}, run {sent.run_id}")
        elif not sent.failure:
            print(f"{sent.path.name}: nothing to send now, a process still writes to its run")
        if sent.failure:
            failures[sent.failure] = None
    if failures:
        left = [num for path in journals(outbox) if (num := num_waiting(path))]
        raise SrlabError(f"{'; '.join(failures)}: {sum(left)} entries in {len(left)} files still wait in {outbox}")


def serve(outbox: Path, make_client: MakeClient | None = None) -> None:
    """Send from an outbox while anybody writes to it, and for a while after; nothing if another process does that."""
    results: list[Sent] = []
    while True:
        with _alone(outbox) as is_alone:
            if not is_alone:
                return
            waiting, busy_at = Outbox(outbox, "", make_client), time.monotonic()
            while outbox.exists():
                results = waiting.round()
                if any(one.is_written or one.num for one in results):  # more is to come, or came just now
                    busy_at = time.monotonic()
                elif time.monotonic() - busy_at > LINGER:
                    break
                time.sleep(POLL)
        if set(journals(outbox)) <= {one.path for one in results}:  # else of a tracker that just found us alive
            return


@dataclass
class Sent:
    """What came of a journal in one round."""

    path: Path
    uri: str
    run_id: str
    num: int = 0  # entries that were sent
    failure: str = ""  # why not all were, as in `Progress`; "" if all were, or wait for a process that writes
    is_written: bool = False


class Outbox:
    """Sends journals, oldest first; remembers which stores are silent, and which journals fail, to pause with them."""

    def __init__(self, folder: Path, uri: str = "", make_client: MakeClient | None = None) -> None:
        from srlab.tracking.answers import is_silent, trouble
        from srlab.tracking.delivery import Delivery, client_of  # imports mlflow, which takes seconds

        self.folder, self.uri, self._make_client = folder, uri, make_client or client_of
        self._delivery, self._is_silent, self._trouble = Delivery, is_silent, trouble
        self._pauses: dict[str, tuple[float, str]] = {}  # URI or name of a journal -> (until when, why)

    def round(self) -> list[Sent]:
        """Send what is there by now."""
        results: list[Sent] = []
        unfinished: dict[str, str] = {}  # key or id of a run whose earlier journal stays -> why it fails, if it does
        with exclusive(self.folder):
            sweep(self.folder)
            for path in journals(self.folder):
                try:
                    results.append(self._advance(path, unfinished))
                except Damaged as error:
                    print(f"{error}: damaged, set aside as {set_all_aside(path)}", file=sys.stderr)
        return results

    def _advance(self, path: Path, unfinished: dict[str, str]) -> Sent:
        is_written = is_held(path)  # asked first: what is written until the end of the writer is read then
        start, progress, num = header(path), Progress.of(path), num_waiting(path)
        sent = Sent(path, self.uri or start["uri"], progress.run_id, is_written=is_written)
        keys = {start["key"], progress.run_id} - {""}
        earlier = next((key for key in keys if key in unfinished), None)
        parent_failure = unfinished.get(start["tags"].get(PARENT, ""), "")  # it may be written, but has to be known
        if earlier or parent_failure:
            sent.failure = unfinished[earlier] if earlier else parent_failure
        elif num or not is_written:
            self._deliver(sent, is_written, num)
        if path.exists():
            for key in keys:
                unfinished[key] = sent.failure
        return sent

    def _deliver(self, sent: Sent, is_written: bool, num: int) -> None:
        paused = (self._pauses.get(name, (0.0, "")) for name in (sent.uri, sent.path.name))
        sent.failure = next((why for until, why in paused if until > time.monotonic()), "")
        if not sent.failure:
            try:
                delivery = self._delivery(sent.path, sent.uri, self._make_client)
                delivery.advance(is_written)
                sent.run_id = delivery.progress.run_id
            except Damaged:
                raise
            except Exception as error:
                sent.failure = f"MLflow at {sent.uri} {self._trouble(error)}"
                name = sent.uri if self._is_silent(error) else sent.path.name
                self._pauses[name] = (time.monotonic() + RETRY, sent.failure)
        sent.num = num - num_waiting(sent.path)
        progress = Progress.of(sent.path)
        if sent.failure != progress.failure:
            progress.failure = sent.failure
            progress.note(sent.path)


@contextmanager
def _alone(outbox: Path) -> Iterator[bool]:
    """Be the process that `is_followed` finds; False if there is one."""
    with (outbox / LOG).open("ab") as log:
        for _ in range(10):  # whoever asks holds the lock for a moment
            with suppress(BlockingIOError):
                fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
                yield True
                return
            time.sleep(0.05)
        yield False


def _process(outbox: Path) -> "subprocess.Popen[bytes]":
    """A process of its own session, which no Ctrl-C and no closed terminal reaches, and which keeps no pipe open."""
    command = [sys.executable, "-P", "-m", "srlab.tracking.sender", str(outbox)]
    with (outbox / LOG).open("ab") as log:
        return subprocess.Popen(
            command, cwd=outbox.parent, start_new_session=True, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
