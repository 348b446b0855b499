"""The command `srlab`: what it can do is in `srlab --help`."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from srlab.errors import SrlabError
from srlab.start import begin

DESCRIPTION = """\
Say which protocol a figure or a table of figures fits (luma range, colour, border, resampler, kind of SSIM) and where
it contradicts itself or the literature. Give a CSV or Markdown file, or one method's figures on one set.
"""

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

RELEASING = """\
Write pretrained/NAME.safetensors, the weights of a training, and pretrained/NAME.json, a card with all that is known of
them. The settings of the training are those of FOLDER/.hydra/config.yaml, if it is there, else those of params.yaml and
the command line. A line of `pretrained` in params.yaml then makes them a row of the table.
"""

COMPARING = """\
Write one HTML file in which a person says, pair by pair, which of two crops looks better. The crops are of the images
that the evaluation kept, where two methods differ most; nobody sees which methods they are of. The page saves the
answers as answers.json, which `srlab blind score` reads.
"""

SCORING = """\
Score methods by the answers of one or more persons: log odds of being preferred to the mean of all methods, 0, with
95 % intervals (Bradley-Terry model, maximum likelihood with Firth's penalty, Fisher information). Answers count as
independent, though those of one person are not quite: intervals are rather too narrow.
"""

UPSCALING = """\
Enlarge photos: files, folders or patterns; PNG, JPEG, WebP and TIFF of 8 or 16 bits, with profile, EXIF and alpha. A
photo that cannot be read is named and stops no other. docs/upscale.md says what to take when.
"""

EXPORTING = """\
Write a network as a file that runs without srlab, RGB in and RGB out, for any height and width; for networks on luma
with their colour handling inside. The file is tried against srlab's own output first. Needs 'srlab[export]'.
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run `srlab <arguments>` (None: those of the command line); exit code 1 and one line on what the user can fix."""
    parser = argparse.ArgumentParser(prog="srlab", description="Image super-resolution, compared.")
    commands = parser.add_subparsers(dest="command", required=True)
    check = commands.add_parser("check", help="check params.yaml", description=CHECKING)
    check.set_defaults(run=_check)
    _add_use(commands)
    audit = commands.add_parser("audit", help="explain a figure or a table of figures", description=DESCRIPTION)
    audit.add_argument("table", nargs="?", type=Path, help="CSV or Markdown file")
    audit.add_argument("--set", help="Set5, Set14, BSD100 or Urban100")
    audit.add_argument("--method", help="bicubic, nearest, srcnn, ...")
    audit.add_argument("--psnr", help="in dB, as printed")
    audit.add_argument("--ssim", help="as printed")
    audit.add_argument("--scale", type=int, default=4, help="default: 4")
    audit.set_defaults(run=_audit)
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
    _add_release(commands)
    _add_blind(commands)
    options = parser.parse_args(arguments)
    begin(Path())
    try:
        options.run(options)
    except SrlabError as error:
        if os.environ.get("SRLAB_DEBUG"):
            raise
        sys.exit("\n".join(f"error: {line}" for line in str(error).splitlines()))


def _add_release(commands: Any) -> None:
    usage = "srlab release NAME [key=value ...] [--from FOLDER] [--note TEXT] [--data FOLDER] [--scores FILE] ..."
    release = commands.add_parser("release", help="write weights for Git", description=RELEASING, usage=usage)
    release.add_argument("name", metavar="NAME", help="line of `models` or `gans`")
    release.add_argument("settings", nargs="*", metavar="key=value", help="settings that params.yaml has others of")
    release.add_argument("--from", dest="trained", type=Path, help="that pipelines/train.py left; default: models/NAME")
    release.add_argument("--data", type=Path, help="with the index.json of the packed images; default: the config's")
    release.add_argument("--scores", type=Path, help="metrics JSON; default: reports/metrics/NAME.json if DVC knows it")
    release.add_argument("--note", default="", help="where the weights come from, and what else is to be known")
    release.add_argument("--licence", help="of the training images; default: what is known of their source")
    release.add_argument("--hardware", help="that trained it; default: of a training here, this machine")
    release.add_argument("--hours", type=float, help="that it took; default: those of the run in MLflow")
    release.add_argument("--commit", help="of the code that trained it; default: that of the run in MLflow")
    release.set_defaults(run=_release)


def _add_blind(commands: argparse._SubParsersAction) -> None:
    blind = commands.add_parser("blind", help="compare methods by eye, names hidden", description=COMPARING)
    blind.add_argument("--methods", nargs="+", default=[], metavar="NAME", help="default: all that were evaluated")
    blind.add_argument("--samples", type=Path, default=Path("reports/samples"), help="default: reports/samples")
    blind.add_argument("--pairs", type=int, default=40, help="that are shown; default: 40")
    blind.add_argument("--seed", type=int, default=0, help="of their order; default: 0")
    blind.add_argument("-o", "--output", type=Path, default=Path("blind.html"), help="default: blind.html")
    blind.set_defaults(run=_blind)
    of_blind = blind.add_subparsers(metavar="score FILE...")
    answers = of_blind.add_parser("score", help="Bradley-Terry scores of the answers", description=SCORING)
    answers.add_argument("files", nargs="+", type=Path, metavar="FILE", help="answers.json of a person")
    answers.set_defaults(run=_blind_scores)


def _add_use(commands: Any) -> None:
    upscale = commands.add_parser("upscale", help="enlarge photos", description=UPSCALING)
    upscale.add_argument("inputs", nargs="+", metavar="IN", help="file, folder or quoted pattern")
    upscale.add_argument(
        "-o", dest="out", type=Path, required=True, metavar="OUT", help="folder, or file for one photo"
    )
    how = upscale.add_mutually_exclusive_group()
    how.add_argument(
        "--model", default="srresnet", metavar="NAME|FILE", help="of pretrained/, or weights; default: srresnet"
    )
    how.add_argument("--method", help="line of `classical` or `examples` of params.yaml instead of a network")
    upscale.add_argument("--with", dest="towards", metavar="NAME|FILE", help="network to interpolate towards")
    upscale.add_argument("--alpha", type=float, default=0.5, help="how far, 0 to 1; default: 0.5")
    upscale.add_argument("--scale", type=int, help="of --method, default: that of params.yaml; a network has its own")
    upscale.add_argument("--back-project", action="store_true", help="the output reduces to the input again")
    upscale.add_argument("--precision", default="auto", help="auto, float32 or bfloat16; default: auto")
    upscale.add_argument("--tile", type=int, metavar="PX", help="of the input; 0: the whole; default: by free memory")
    upscale.add_argument("--overwrite", action="store_true", help="replace outputs that are there")
    upscale.set_defaults(run=_upscale)
    export = commands.add_parser("export", help="write a network for other runtimes", description=EXPORTING)
    export.add_argument("name", metavar="NAME|FILE", help="of pretrained/, or weights")
    export.add_argument("--format", choices=("onnx", "openvino", "torch"), default="onnx", help="default: onnx")
    export.add_argument("-o", dest="folder", type=Path, default=Path("exports"), metavar="OUT", help="default: exports")
    export.set_defaults(run=_export)


def _check(options: argparse.Namespace) -> None:
    from srlab.settings import check_file

    check_file()
    print("params.yaml is in order")


def _upscale(options: argparse.Namespace) -> None:
    from srlab.use.load import load, load_method  # imports torch
    from srlab.use.upscale import upscale

    how = {"precision": options.precision, "tile": options.tile, "back_project": options.back_project}
    if options.method:
        model = load_method(options.method, options.scale, **how)
    else:
        model = load(options.model, towards=options.towards, alpha=options.alpha, **how)
    if options.scale not in (None, model.scale):
        raise SrlabError(f"{model.label} enlarges by {model.scale}, not by {options.scale}: leave out --scale")
    done = upscale(options.inputs, options.out, model, overwrite=options.overwrite)
    for note in done.notes:
        print(note)
    print(f"{len(done.written)} photos enlarged x{model.scale} by {model.label}: {options.out}")
    if done.problems:
        raise SrlabError("\n".join(done.problems))


def _export(options: argparse.Namespace) -> None:
    from srlab.use.export import export  # imports torch

    path, facts = export(options.name, options.format, options.folder)
    print(f"{path}: {facts['label']} x{facts['scale']}, {facts['input']}; opset {facts['opset']}")
    for size, difference in facts["parity"].items():
        print(f"  {size} px: at most {difference * 255:.2g} grey levels off srlab's own output")


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

    from srlab.start import ROOT
    from srlab.sweeps.promote import PARAMS, promote
    from srlab.sweeps.winner import winner

    def tags_of_run(run_id: str) -> dict[str, str] | None:
        from srlab.tracking.questions import tags_of  # imports mlflow, which takes seconds

        return tags_of(OmegaConf.load(ROOT / "conf/tracking/mlflow.yaml").uri, run_id)

    if not PARAMS.exists():
        raise SrlabError(f"no params.yaml in {Path.cwd()}: start from the folder of srlab's dvc.yaml")
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


def _release(options: argparse.Namespace) -> None:
    from srlab.use.release import Told, release, seen_by_mlflow, this_machine  # imports torch

    folder = options.trained or Path("models", options.name)
    known = seen_by_mlflow(folder)
    told = Told(
        note=options.note,
        licence=options.licence,
        hardware=options.hardware or (this_machine() if options.trained is None else None),
        hours=known.get("hours") if options.hours is None else options.hours,
        commit=options.commit or known.get("commit"),
    )
    card = release(options.name, options.settings, options.trained, options.data, options.scores, told)
    print(f"{card.with_suffix('.safetensors')} ({card.with_suffix('.safetensors').stat().st_size:,} bytes), {card}")
    unknown = [key for key in ("hardware", "hours", "commit") if getattr(told, key) is None]
    if unknown:
        print(f"  nobody knows {', '.join(unknown)}: add {', '.join(f'--{key}' for key in unknown)}")
    line = f"{options.name}_released: {{method: released, folder: pretrained, file: {options.name}}}"
    print(f"now: add `{line}` to `pretrained` in params.yaml, then dvc repro")


def _blind(options: argparse.Namespace) -> None:
    from srlab.report.blind import write_test

    num = write_test(options.samples, options.methods, options.pairs, options.seed, options.output)
    print(f"{options.output}: {options.pairs} pairs from {num} images; then srlab blind score answers.json")


def _blind_scores(options: argparse.Namespace) -> None:
    from srlab.report.blind import read_answers, scored

    answers = [answer for file in options.files for answer in read_answers(file)]
    print(f"{'method':24} {'preferred':>12}  {'score':>6}  95 % interval")
    for one in scored(answers):
        print(one)


def _audit(options: argparse.Namespace) -> None:
    print(_report(options), end="")


def _report(options: argparse.Namespace) -> str:
    from srlab.report.audit import figure_report, table_report  # imports torch
    from srlab.report.claims import claim, read_claims

    figure = (options.set, options.method, options.psnr, options.ssim)
    if options.table is not None:
        if any(figure):
            raise SrlabError("give either a table or --set, --method, --psnr and --ssim")
        return table_report(str(options.table), read_claims(options.table), options.scale)
    if not (options.set and options.method and (options.psnr or options.ssim)):
        raise SrlabError("name a table, or --set, --method and at least one of --psnr and --ssim")
    metrics = {"psnr": options.psnr, "ssim": options.ssim}
    claims = [claim(options.set, options.method, metric, printed) for metric, printed in metrics.items() if printed]
    return figure_report(claims, options.scale)


if __name__ == "__main__":
    main()
