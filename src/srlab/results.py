"""`python -m srlab.results`: score the shipped weights on the standard sets, into results/ and docs/methods/.

It runs profile `results` in work/results, a clone of what is committed here, and so leaves params.yaml, data/, models/
and reports/ as they are. The clone shares DVC's cache and stays: a second run does what has changed, and nothing else.
"""

import csv
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from srlab.errors import SrlabError
from srlab.evaluation.scores import image_rows, set_scores
from srlab.files import read_json, replacing, write_json
from srlab.report.headline import headline
from srlab.report.literature import published
from srlab.report.method_pages import fill_pages

CLONE, RESULTS = Path("work/results"), Path("results")


def main() -> None:
    """Clone, run, and bring home results/; exit with 1 where something fails, which the stage has said."""
    try:
        clone(CLONE)
        run(CLONE)
        bring_home(CLONE, RESULTS, Path("conf/headline.yaml"))
    except SrlabError as error:
        sys.exit(f"error: {error}")


def clone(folder: Path) -> None:
    """Make `folder` a clone of the commit that is checked out here; SrlabError if Git cannot."""
    if not folder.exists():
        _run("git", "clone", "--quiet", "--no-checkout", ".", str(folder))
    _run("git", "-C", str(folder), "fetch", "--quiet", str(Path.cwd()), "HEAD")
    _run("git", "-C", str(folder), "checkout", "--quiet", "--force", "--detach", "FETCH_HEAD")


def run(folder: Path) -> None:
    """Run the profile in the clone, by the clone's own code; SrlabError if a stage fails."""
    os.environ["PYTHONPATH"] = str((folder / "src").resolve())
    for name, value in os.environ.items():
        if name.startswith("SRLAB_") and Path(value).exists():  # the mirror, and parameters of metrics
            os.environ[name] = str(Path(value).resolve())
    _run("dvc", "cache", "dir", "--local", str(Path(".dvc/cache").resolve()), folder=folder)
    _run(sys.executable, "-m", "srlab.profile", "results", folder=folder)
    _run("dvc", "repro", folder=folder)


def bring_home(folder: Path, results: Path, rows: Path) -> None:
    """Write `results`: table.md (the README's), summary.md and figures, scores.json (sets) and images.csv (images)."""
    params = OmegaConf.load(folder / "params.yaml")
    names = [*params.classical, *params.examples, *params.pretrained]
    metrics = [read_json(folder / f"reports/metrics/{name}.json") for name in names]
    shown: Any = OmegaConf.to_container(OmegaConf.load(rows))
    with replacing(results / "table.md") as temporary:
        text = headline(metrics, shown["rows"], shown["sets"], shown["protocol"], shown["perception"], published())
        temporary.write_text(text, encoding="utf-8")
    write_json(results / "scores.json", {one["method"]: {"label": one["label"]} | set_scores(one) for one in metrics})
    with replacing(results / "images.csv") as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        lines = [{"method": one["method"], **row} for one in metrics for row in image_rows(one)]
        columns = dict.fromkeys(key for line in lines for key in line)  # a set may lack a metric
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)
    with replacing(results / "figures") as temporary:
        shutil.copytree(folder / "reports/figures", temporary)
    with replacing(results / "summary.md") as temporary:
        shutil.copy(folder / "reports/summary.md", temporary)
    fill_pages(folder / "reports/metrics", Path("docs/methods"))
    print(f"{results}/: {len(metrics)} methods; the README shows {results}/table.md")


def _run(*words: str, folder: Path = Path()) -> None:
    if subprocess.run(words, cwd=folder, check=False).returncode:
        raise SrlabError(f"`{' '.join(words)}` failed in {folder.resolve()}: it says above what to do")


if __name__ == "__main__":
    main()
