"""The first minutes on a GPU: does everything work, how fast is it, and trainings that end when their time does.

    python benchmarks/gpu_queue.py OUT [QUEUE] [--trainer gpu]

QUEUE is a file of lines `SECONDS WHAT [word ...]`, done in this order, each within its time (docs/performance.md):

    60 tests -k 'not default'                  pytest -m gpu
    90 speed                                   steps a second of three networks, eager, captured, compiled: speed.csv
    40 plan --minutes 5 --only srresnet        srlab plan
    240 srresnet models.srresnet.lr=0.0005     train this line of params.yaml for as many epochs as fit

Everything goes to the folder OUT: logs, queue.json, weights in models/, unfinished trainings in work/, journals for
MLflow in mlflow-outbox/. A training whose time was too short leaves its best epoch so far. A GAN starts from the
generator that was trained there, else from that of the checkout.
"""

import argparse
import csv
import json
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from srlab.errors import SrlabError
from srlab.planning.configs import configs, entry, training_of
from srlab.planning.plan import in_a_process, outlook
from srlab.use.unfinished import keep

ROOT = Path(__file__).parents[1]
QUEUE = """
60 tests -k 'not default'
90 speed
40 plan --minutes 5 --only srresnet srgan
"""
NETWORKS = {"srresnet": (16, 32, 64), "srgan": (16,), "espcn": (64, 32, 16)}  # batch sizes, the dearest question first
MODES = {
    "eager": (),
    "captured": ("trainer.speed.capture=true",),
    "compiled": ("trainer.speed.compile=default",),
    "compiled and captured": ("trainer.speed.compile=default", "trainer.speed.capture=true"),
    "reduce-overhead": ("trainer.speed.compile=reduce-overhead",),
}
Row = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("queue", type=Path, nargs="?")
    parser.add_argument("--trainer", default="gpu", help="of conf/trainer; `default` rehearses on a CPU")
    parser.add_argument("--steps", type=int, default=200, help="that are measured of each network")
    parser.add_argument("--rows", type=int, help=argparse.SUPPRESS)  # measure from this row of the table on
    options = parser.parse_args()
    out: Path = options.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    if options.rows is not None:
        measure(out / "speed.csv", options)
        return
    lines = [
        shlex.split(line, comments=True)
        for line in (options.queue.read_text() if options.queue else QUEUE).splitlines()
    ]
    done: list[Row] = []
    for seconds, what, *words in filter(None, lines):
        start = time.monotonic()
        result = act(what, words, start + float(seconds), out, options)
        done.append({"what": what, "words": words, "result": result, "seconds": round(time.monotonic() - start, 1)})
        (out / "queue.json").write_text(json.dumps(done, indent=2))
        print(f"{what}: {result} ({done[-1]['seconds']} s of {seconds})", flush=True)


def act(what: str, words: Sequence[str], end: float, out: Path, options: Any) -> str:
    """Do one line of the queue until `end`, by the monotonic clock; how it went."""
    if what == "tests":
        command = ["-m", "pytest", "-m", "gpu", "-n0", "-p", "no:cacheprovider", f"--junitxml={out}/tests.xml", *words]
        return run([*command, "tests/training/test_gpu.py"], out / "tests.log", end)  # others want what may be missing
    if what == "plan":
        arguments = ["plan", *words, f"trainer={options.trainer}"]
        return run(["-c", f"from srlab.cli import main; main({arguments})"], out / "plan.log", end)
    if what == "speed":
        return table(out, end, options)
    return train(what, words, end, out, options)


def run(arguments: Sequence[str], log: Path, end: float) -> str:
    """Run Python into `log`; SIGTERM at `end`, at which a training saves. The last line that it printed."""
    with log.open("a") as file:
        process = subprocess.Popen([sys.executable, *arguments], stdout=file, stderr=subprocess.STDOUT, cwd=Path.cwd())
        try:
            process.wait(max(end - time.monotonic(), 1))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
    last = (log.read_text().strip() or "nothing").splitlines()[-1]
    return f"exit code {process.returncode}, {last}"


def rows() -> list[tuple[str, int, str]]:
    """Network, batch size, mode: all without a compiler first, as they take seconds."""
    pairs = [(name, size) for name, sizes in NETWORKS.items() for size in sizes]
    pairs.sort(key=lambda pair: NETWORKS[pair[0]].index(pair[1]))
    quick, slow = list(MODES)[:2], list(MODES)[2:]
    return [(*pair, mode) for modes in (quick, slow) for pair in pairs for mode in modes]


def table(out: Path, end: float, options: Any) -> str:
    """Measure as many rows as there is time for, in one process, which is begun again where one fails."""
    (out / "speed.csv").unlink(missing_ok=True)
    while time.monotonic() < end and (number := num_rows(out / "speed.csv")) < len(rows()):
        arguments = [__file__, str(out), f"--rows={number}", f"--trainer={options.trainer}", f"--steps={options.steps}"]
        run(arguments, out / "speed.log", end)
        if num_rows(out / "speed.csv") == number:  # it died without a word
            write(out / "speed.csv", rows()[number], {"error": "see speed.log"})
    return f"{num_rows(out / 'speed.csv')} of {len(rows())} rows"


def num_rows(file: Path) -> int:
    return len(file.read_text().splitlines()) - 1 if file.exists() else 0


def measure(file: Path, options: Any) -> None:
    """Steps a second of each row from `--rows` on; ends after one that fails, which may leave the GPU unusable."""
    from tempfile import TemporaryDirectory

    import torch

    from srlab.planning.probe import probe

    for name, size, mode in rows()[options.rows :]:
        group = "gans" if name == "srgan" else "models"
        words = [f"{group}.{name}.batch_size={size}", f"trainer={options.trainer}", *MODES[mode]]
        torch._dynamo.reset()
        if torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()
        try:
            with TemporaryDirectory() as work:
                seen = probe(training_of(configs(None, [name], words)[1][name], options.steps), Path(work))
        except Exception as error:
            write(file, (name, size, mode), {"error": (str(error).strip() or repr(error)).splitlines()[0]})
            raise
        figures = {"steps_per_second": 1 / seen.step_seconds, "peak_bytes": seen.peak_bytes, "device": seen.device}
        write(file, (name, size, mode), figures | {"torch": torch.__version__})


def write(file: Path, row: tuple[str, int, str], figures: Row) -> None:
    """One more line of the table."""
    names = ["network", "batch_size", "mode", "steps_per_second", "peak_bytes", "device", "torch", "error"]
    with file.open("a", newline="") as opened:
        writer = csv.DictWriter(opened, names, restval="")
        if opened.tell() == 0:
            writer.writeheader()
        writer.writerow(dict(zip(names, row, strict=False)) | figures)


def train(name: str, words: Sequence[str], end: float, out: Path, options: Any) -> str:
    """A probe says what start-up and an epoch take, so that a cosine ends when the time does; then the training."""
    given, start = [*words, f"trainer={options.trainer}"], time.monotonic()
    cfg = configs(None, [name], given)[1][name]
    if name in cfg.gans and (weights := out / "models" / cfg.gans[name].generator / "best.safetensors").exists():
        given.append(f"model.module.generator.path={weights}")
    one = outlook(cfg, options.steps, in_a_process(training_of(cfg, options.steps)))
    now = time.monotonic()
    start_up = now - start - one.probed.num_steps * one.probed.step_seconds
    epochs = one.epochs_in(0.95 * (end - now - start_up))
    if epochs < 2:
        return f"an epoch takes {one.epoch_seconds:.0f} s: lower {one.line}.patches_per_epoch"
    length = [f"{one.line}.{key}={epochs}" for key in ("max_epochs", "patience")]
    places = [f"hydra.run.dir={out}/models/{name}", f"root={out}", "tracking.live=false"]
    command = [str(ROOT / "pipelines/train.py"), *entry(cfg, name), *given, *length, *places]
    ended = run([*command, f"tracking.outbox={out}/mlflow-outbox"], out / f"{name}.log", end)
    if not (out / "models" / name / "best.safetensors").exists():  # its time was too short: what it has so far
        try:
            ended += f", the best of {keep(out / 'models' / name, out)} epochs"
        except SrlabError as error:
            ended += f", {error}"
    return f"{epochs} epochs, {ended}; {' '.join([*words, *length])}"


if __name__ == "__main__":
    main()
