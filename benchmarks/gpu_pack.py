"""What a GPU machine without a network needs: wheels, params.yaml, and a part of the training images.

    python benchmarks/gpu_pack.py FOLDER PART/PARTS IMAGES ...      for example  work/pack 1/4 ~/photos ~/more

IMAGES are folders, or single files as VGG-19's weights, best alone (1/1). FOLDER is emptied of images first, so every
part can travel alone where a transfer is limited; any part trains. benchmarks/gpu_job.sh does the rest on that machine.
"""

import argparse
import re
import shutil
import subprocess
import sys
from pathlib import Path

from PIL import Image

from srlab.profile import changed, committed

LACKING = ("hydra-core", "omegaconf", "kornia", "kornia-rs", "ruamel-yaml")  # beside torch, Lightning and SciPy
PURE = ("antlr4-python3-runtime",)  # a source package, which Hydra reads its words with
SMALLEST = 128  # px: a patch and its flips come from within
LINE = "{role: train, source: folder, path: work/gpu_images, selection: none, num_images: null, num_val: 24}"
# Profile `paper`, but of these images alone, and with a rate that ends with the time that a queue gives.
CHANGES = f"""
datasets: {{imagenet: null, t91: null, all: {LINE}}}
examples: {{"*": {{train_on: all}}}}
models: {{"*": {{train_on: all, schedule: cosine}}}}
gans: {{"*": {{train_on: all, schedule: cosine}}}}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("part", help="PART/PARTS, as 1/4")
    parser.add_argument("images", type=Path, nargs="+")
    parser.add_argument("--python", default="3.12", help="version of that machine's Python")
    options = parser.parse_args()
    part, parts = map(int, options.part.split("/"))
    folder: Path = options.folder
    wheels(folder / "wheels", options.python)
    paper = Path("conf/profile/paper.yaml").read_text(encoding="utf-8")
    params = changed(changed(committed(Path()), paper), CHANGES)
    (folder / "params.yaml").write_text(params, encoding="utf-8")
    shutil.rmtree(folder / "images", ignore_errors=True)
    (folder / "images").mkdir()
    found = [file for one in options.images for file in (sorted(one.rglob("*")) if one.is_dir() else [one])]
    chosen = [file for file in found if file.is_file()][part - 1 :: parts]
    small = [file for file in chosen if not packed(file, folder / "images")]
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    print(f"{folder}: {len(chosen) - len(small)} files, {size / 2**20:.0f} MiB with wheels")
    if small:
        print(f"left out: {len(small)} with a side below {SMALLEST} px or that are no image, as {small[0]}")


def wheels(folder: Path, python: str) -> None:
    """Fetch them once, of the versions in requirements.lock."""
    if (folder / "complete").exists():
        return
    lock = Path("requirements.lock").read_text(encoding="utf-8")
    versions = {name: re.findall(rf"^{name}==.*$", lock, re.MULTILINE)[0] for name in LACKING + PURE}
    tags = [f"--platform=manylinux{tag}_x86_64" for tag in ("_2_28", "_2_27", "_2_17", "2014", "1")]
    target = ["--only-binary=:all:", f"--python-version={python}", "--implementation=cp", *tags]
    pip = [sys.executable, "-m", "pip", "--quiet"]
    subprocess.run(
        [*pip, "download", "--no-deps", *target, "-d", folder, *(versions[one] for one in LACKING)], check=True
    )
    subprocess.run([*pip, "wheel", "--no-deps", "-w", folder, *(versions[one] for one in PURE)], check=True)
    (folder / "complete").touch()


def packed(file: Path, folder: Path) -> bool:
    """Whether it is weights or a large enough image; its folder is put before its name, which may occur twice."""
    if file.suffix not in (".npz", ".pth", ".safetensors"):
        try:
            with Image.open(file) as image:
                if min(image.size) < SMALLEST:
                    return False
        except OSError:
            return False
    shutil.copyfile(file, folder / f"{file.parent.name}-{file.name}")
    return True


if __name__ == "__main__":
    main()
