"""The command `srlab`: what it can do is in `srlab --help`."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from srlab.errors import SrlabError
from srlab.report import commands as report
from srlab.start import begin
from srlab.use import commands as use

CHECKING = """\
Check the names, references, types and ranges of params.yaml, and print every problem at once. `make repro` and every
stage do so first.
"""

SENDING = """\
Send MLflow everything that waits in the outbox, because no server answered or a training was killed. Each entry
arrives once, also if this command is interrupted and run again.
"""

PLANNING = """\
Say what the trainings of a profile take on this machine: parameters, multiply-adds, memory, patches a second, hours.
Each network is trained for some steps on made-up images, in a process of its own; no data are needed.
"""

PROMOTING = """\
Write the settings of a sweep's best trial, or of a run in MLflow, into params.yaml; everything else in it stays as it
is. `dvc repro` then makes them go through the whole pipeline.
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run `srlab <arguments>` (None: those of the command line); exit code 1 and one line on what the user can fix."""
    parser = argparse.ArgumentParser(prog="srlab", description="Image super-resolution, compared.")
    commands = parser.add_subparsers(dest="command", required=True)
    check = commands.add_parser("check", help="check params.yaml", description=CHECKING)
    check.set_defaults(run=_check)
    use.add_commands(commands)
    report.add_commands(commands)
    send = commands.add_parser("send", help="send MLflow what waits in the outbox", description=SENDING)
    send.add_argument("--uri", default="", help="tracking URI; default: for each training, the one it was meant for")
    send.add_argument("--outbox", type=Path, help="default: that of conf/tracking/mlflow.yaml")
    send.set_defaults(run=_send)
    usage = "srlab plan [PROFILE] [key=value ...] [--only NAME ...] [--steps N] [--minutes M]"
    plan = commands.add_parser("plan", help="what the trainings of a profile take", description=PLANNING, usage=usage)
    plan.add_argument("what", nargs="*", metavar="PROFILE key=value", help="default: params.yaml, as it is")
    plan.add_argument("--only", nargs="+", default=[], metavar="NAME", help="default: all")
    plan.add_argument("--steps", type=int, default=20, help="that are measured; default: 20")
    plan.add_argument("--minutes", type=float, help="how many epochs of each fit into so much time, and the overrides")
    plan.set_defaults(run=_plan)
    promote = commands.add_parser("promote", help="write a sweep's winner into params.yaml", description=PROMOTING)
    promote.add_argument("what", metavar="SWEEP|RUN", help="name of a sweep or of its folder, or id of a run in MLflow")
    promote.add_argument("--trial", type=int, help="another than the best, or one of several best")
    promote.set_defaults(run=_promote)
    options = parser.parse_args(arguments)
    begin(Path())
    try:
        options.run(options)
    except SrlabError as error:
        if os.environ.get("SRLAB_DEBUG"):
            raise
        sys.exit("\n".join(f"error: {line}" for line in str(error).splitlines()))


def _check(options: argparse.Namespace) -> None:
    from srlab.settings import check_file

    check_file()
    print("params.yaml is in order")


def _send(options: argparse.Namespace) -> None:
    from omegaconf import OmegaConf

    from srlab.start import ROOT
    from srlab.tracking.sender import send

    outbox = options.outbox or Path(OmegaConf.load(ROOT / "conf/tracking/mlflow.yaml").outbox)
    send(outbox, options.uri)


def _plan(options: argparse.Namespace) -> None:
    from srlab.planning.plan import in_a_process, plan  # imports hydra, which the other commands do not need

    given = [*options.what, *options.only]  # an option with several values takes overrides after it for its own
    profiles = [one for one in options.what if "=" not in one]
    if len(profiles) > 1:
        raise SrlabError(f"one profile at a time, not {', '.join(profiles)}")
    only = [one for one in options.only if "=" not in one]
    overrides, profile = [one for one in given if "=" in one], profiles[0] if profiles else None
    plan(profile, only, overrides, options.steps, in_a_process, options.minutes)


def _promote(options: argparse.Namespace) -> None:
    from omegaconf import OmegaConf

    from srlab.settings import check_file
    from srlab.start import ROOT
    from srlab.sweeps.promote import PARAMS, promote
    from srlab.sweeps.winner import winner

    def tags_of_run(run_id: str) -> dict[str, str] | None:
        from srlab.tracking.questions import tags_of  # imports mlflow, which takes seconds

        return tags_of(OmegaConf.load(ROOT / "conf/tracking/mlflow.yaml").uri, run_id)

    check_file()
    folder = Path(OmegaConf.load(ROOT / "conf/base/sweep.yaml").folder)
    found = winner(options.what, options.trial, folder, tags_of_run)
    there, absent = OmegaConf.load(PARAMS), object()
    kept = {
        key: value for key, value in found.values.items() if OmegaConf.select(there, key, default=absent) is not absent
    }
    print(f"{found.where}:")
    for line in promote(kept):
        print(f"  {line}")
    for key in (key for key in found.values if key not in kept):
        print(f"  {key}={found.values[key]} is no setting of params.yaml, and left out")
    for word in found.others:
        print(f"  left out, though all trials had it: {word}")
    print("now: dvc repro")


if __name__ == "__main__":
    main()
