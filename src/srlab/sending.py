"""When journals are sent: while a training writes one, by a process beside it, or later, by `srlab send`.

A process, because importing mlflow takes seconds of Python, which a thread would take from the training, and because a
thread that holds locks is no company for a fork (the loader's workers).
"""

import os
import select
import sys
import time
from contextlib import suppress
from pathlib import Path

from srlab.delivery import Delivery, MakeClient, MlflowClient, deliver, one_line
from srlab.errors import SrlabError
from srlab.outbox import Gone, InUse, header, journals, num_waiting, remove, sweep

POLL = 0.3  # seconds between looks at the journal
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
    failures: dict[str, str] = {}
    found = journals(outbox)
    for path in found:
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
            failures[store] = one_line(error)
    sweep(outbox)
    if failures:
        left = [num_waiting(path) for path in journals(outbox)]
        stores = "; ".join(f"{store} does not answer ({reason})" for store, reason in failures.items())
        raise SrlabError(f"{stores}: {sum(left)} entries in {len(left)} files still wait in {outbox}, send them later")
    if not found:
        print(f"nothing waits in {outbox}")


def follow(path: Path) -> str:
    """Send a journal while another process writes it, until that has ended; the run's id, "" if entries are left.

    The writer holds a pipe to this process's standard input, which closes when the writer is gone.
    """
    delivery = Delivery(path)
    delivery.progress.note(path)  # tells the writer that importing is over
    failures, closed, pause = 0, False, 0.0
    while not (closed and failures >= LAST_TRIES):
        if closed:
            time.sleep(pause)
        elif select.select([sys.stdin], [], [], pause)[0]:
            closed, failures, pause = True, 0, 0.0
        try:
            if delivery.advance(closed):
                remove(path)
                return delivery.progress.run_id
            failures, pause = 0, POLL
        except Exception as error:
            failures, pause = failures + 1, min(max(2 * pause, POLL), LONGEST_PAUSE)
            if failures == WARN_AFTER and not closed:
                print(
                    f"MLflow at {delivery.uri} does not answer, so what it is told waits in {path}: {one_line(error)}",
                    file=sys.stderr,
                )
    return ""


if __name__ == "__main__":
    sent = follow(Path(sys.argv[1]))
    with suppress(BrokenPipeError):  # the training that waited for it was killed
        os.write(sys.stdout.fileno(), f"{sent}\n".encode())
    sys.exit(0 if sent else 1)
