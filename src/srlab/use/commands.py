"""The commands of `srlab` for trained networks: release, upscale, export."""

import argparse
from pathlib import Path
from typing import Any

from srlab.errors import SrlabError

RELEASING = """\
Write pretrained/NAME.safetensors, the weights of a training, and pretrained/NAME.json, a card with all that is known of
them. The settings of the training are those of FOLDER/.hydra/config.yaml, if it is there, else those of params.yaml and
the command line. A line of `pretrained` in params.yaml then makes them a row of the table.
"""

UPSCALING = """\
Enlarge photos: files, folders or patterns; PNG, JPEG, WebP and TIFF of 8 or 16 bits, with profile, EXIF and alpha. A
photo that cannot be read is named and stops no other. docs/upscale.md says what to take when.
"""

EXPORTING = """\
Write a network as a file that runs without srlab, RGB in and RGB out, for any height and width; for networks on luma
with their colour handling inside. The file is tried against srlab's own output first. Needs 'srlab[export]'.
"""


def add_commands(commands: Any) -> None:
    """What `srlab release`, `srlab upscale` and `srlab export` accept."""
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
    line = f"{options.name}_released: {{method: released, weights: pretrained/{options.name}.safetensors}}"
    print(f"now: add `{line}` to `pretrained` in params.yaml, then dvc repro")
