"""When journals are sent: while trainings write them, by one process beside them, or later, by `srlab send`.

A process, because importing mlflow takes seconds of Python, which a thread would take from the training, and because a
thread that holds locks is no company for a fork (the loader's workers).
"""

import select
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from srlab.errors import SrlabError
from srlab.tracking.delivery import Delivery, MakeClient, MlflowClient, deliver, reason
from srlab.tracking.journal import Gone, InUse, header, is_held, journals, num_waiting, remove, sending, sweep

POLL = 0.3  # seconds between looks at the outbox
AT_ONCE = 10  # calls for one journal, then it is the next one's turn
LONGEST_PAUSE = 60.0  # seconds between tries, which double from POLL
WARN_AFTER = 4  # failures in a row: a busy store is none of the user's business
LAST_TRIES = 5  # once the training has ended; their pauses add up to POLL * 15


def send(outbox: Path, uri: str = "", make_client: MakeClient = MlflowClient) -> None:
    """Send every journal that no process uses, oldest first, and print what was sent.

    Args:
        uri: tracking URI for all; "" for the one in each journal.

    Raises:
        SrlabError: a store does not answer.
    """
    if not journals(outbox):
        print(f"nothing waits in {outbox}")
        return
    with sending(outbox, alone=False) as allowed:
        if not allowed:
            print(f"{outbox}: sent by a process that is still running, and left to it")
            return
        failures = _send(outbox, uri, make_client)
    if failures:
        left = [num_waiting(path) for path in journals(outbox)]
        stores = "; ".join(f"{store} does not answer ({reason})" for store, reason in failures.items())
        raise SrlabError(f"{stores}: {sum(left)} entries in {len(left)} files still wait in {outbox}, send them later")


def _send(outbox: Path, uri: str, make_client: MakeClient) -> dict[str, str]:
    """Why stores failed, by their URIs."""
    failures: dict[str, str] = {}
    for path in journals(outbox):
        try:
            store, waiting = uri or header(path)["uri"], num_waiting(path)
        except FileNotFoundError:  # sent and removed in the meantime
            continue
        if store in failures:
            continue
        try:
            run_id = deliver(path, uri, make_client=make_client)
            print(f"{path.name}: {waiting} entries sent to {store}, run {run_id}")
        except InUse:
            print(f"{path.name}: in use by a process that is still running, and left to it")
        except Gone:
            continue
        except Exception as error:
            failures[store] = reason(error)
    sweep(outbox)
    return failures


def follow(outbox: Path, stdin: int, make_client: MakeClient = MlflowClient) -> None:
    """Send every journal, also those that other processes still write, until `stdin` closes; then what those leave.

    Whoever started this process holds a pipe to its standard input, which closes when that one is gone. Of several
    processes that follow one outbox, one sends; the others wait for its end.
    """
    with sending(outbox, alone=True):
        follower, more = Follower(make_client), True
        while not select.select([stdin], [], [], 0 if more else POLL)[0]:
            more = follower.round(journals(outbox))
        left, tries = journals(outbox), 0
        while left and tries < LAST_TRIES:
            time.sleep(POLL * (2**tries // 2))
            more, before = follower.round(left, closed=True), left
            left = [path for path in left if path.exists()]
            tries = 0 if more or left != before else tries + 1
        sweep(outbox)


@dataclass
class Turn:
    """How it goes with one journal.

    Args:
        failures: in a row.
        again: when to try it next, by `time.monotonic`.
    """

    delivery: Delivery | None = None
    failures: int = 0
    again: float = 0.0


class Follower:
    """Sends journals bit by bit, each a few entries in its turn; the caller is alone in sending from the outbox."""

    def __init__(self, make_client: MakeClient = MlflowClient) -> None:
        self._make_client = make_client
        self._turns: dict[Path, Turn] = {}
        self._failed: set[str] = set()  # stores, in this round
        self._mentioned: set[str] = set()  # stores

    def round(self, paths: list[Path], closed: bool = False) -> bool:
        """Give each of these journals a turn; whether one has more to send at once.

        Args:
            closed: the last tries, without pauses after failures and without warnings.
        """
        self._turns = {path: self._turns.get(path, Turn()) for path in paths}
        self._failed.clear()
        more, awaited = False, self._awaited()
        # Those that do not fail go first: a failure ends this round for all of its store.
        for path, turn in sorted(self._turns.items(), key=lambda item: item[1].failures):
            if path.exists() and path not in awaited and (closed or turn.again <= time.monotonic()):
                more |= self._serve(path, turn, closed)
        return more

    def _awaited(self) -> set[Path]:
        """Journals that another one brings along, to its own store: that of a copied folder is not where it was."""
        found: set[Path] = set()
        for path, turn in self._turns.items():
            with suppress(FileNotFoundError):  # sent and removed in the meantime
                turn.delivery = turn.delivery or Delivery(path, make_client=self._make_client)
                found |= {path.with_name(name) for name in turn.delivery.header["after"]}
        return found

    def _serve(self, path: Path, turn: Turn, closed: bool) -> bool:
        """Send something of a journal, and remove it when it is over; whether it has more."""
        is_written = is_held(path)
        try:
            turn.delivery = turn.delivery or Delivery(path, make_client=self._make_client)
            if turn.delivery.uri in self._failed:
                return False
            is_sent = turn.delivery.advance(not is_written, AT_ONCE)
            if is_sent and not is_written:
                remove(path)
        except Exception as error:
            self._has_failed(turn, error, silent=closed or not is_written)
            return False
        turn.failures = 0
        return not is_sent

    def _has_failed(self, turn: Turn, error: Exception, silent: bool) -> None:
        turn.failures += 1
        turn.again = time.monotonic() + min(POLL * 2 ** min(turn.failures - 1, 9), LONGEST_PAUSE)
        if turn.delivery is None or isinstance(error, InUse):
            return
        uri, outbox = turn.delivery.uri, turn.delivery.path.parent
        self._failed.add(uri)
        if turn.failures >= WARN_AFTER and not silent and uri not in self._mentioned:
            self._mentioned.add(uri)
            text = f"MLflow at {uri} does not answer, so what it is told waits in {outbox}: {reason(error)}"
            print(text, file=sys.stderr)


if __name__ == "__main__":
    follow(Path(sys.argv[1]), sys.stdin.fileno())
