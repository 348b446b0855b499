"""Measure src/srlab/report/protocols.csv again: `SRLAB_DATASETS=... python benchmarks/make_protocols.py` (minutes)."""

import csv
import os
import sys
from pathlib import Path

from joblib import Parallel, delayed

from srlab.files import replacing
from srlab.images.files import read_image
from srlab.progress import track
from srlab.report.protocols import FIELDS, FILE, SCALES, as_row, measure, variants

SETS = ("Set5", "Set14", "BSD100")
HEADER = """\
# Bicubic and nearest on the uncropped HR images of Set5, Set14 and BSD100 under the protocol variants of
# srlab.evaluation.variants, measured by benchmarks/make_protocols.py; 8-bit images at every step. PSNR in dB.
"""


def main() -> None:
    """Write the table, whole or not at all."""
    if "SRLAB_DATASETS" not in os.environ:
        sys.exit(f"error: set SRLAB_DATASETS to the folder that holds {', '.join(SETS)}")
    folders = {name: sorted(Path(os.environ["SRLAB_DATASETS"], name).glob("*.png")) for name in SETS}
    images = {name: [read_image(path) for path in paths] for name, paths in folders.items()}
    jobs = [(name, scale, variant) for scale in SCALES for name in SETS for variant in variants(images[name])]
    parallel = Parallel(n_jobs=-1, return_as="generator")
    work = parallel(delayed(measure)(name, images[name], scale, variant) for name, scale, variant in jobs)
    done = [as_row(reading) for reading in track(work, "protocols", total=len(jobs))]  # pyright: ignore[reportArgumentType]: joblib's types
    target = Path(__file__).parents[1] / "src/srlab/report" / FILE
    with replacing(target) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        file.write(HEADER)
        writer = csv.DictWriter(file, FIELDS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(done)


if __name__ == "__main__":
    main()
