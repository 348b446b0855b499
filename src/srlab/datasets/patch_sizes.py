"""Training images that are smaller than the patches that a training cuts out of them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from srlab.errors import SrlabError
from srlab.files import read_made


def require_room(trainings: Mapping[str, Mapping[str, Any]], images: Path, scale: int) -> None:
    """SrlabError with a line (image, size, patch size, key) for each training image that is too small for a patch.

    `trainings` are lines of params.yaml by their keys ("models.espcn"), `images` the folder of what `fetch` wrote.
    Validation images may be smaller: they are not cut.
    """
    problems = []
    for name in sorted({line["train_on"] for line in trainings.values()}):
        sizes = {key: line["patch_size"] for key, line in trainings.items() if line["train_on"] == name}
        listed = read_made(images / "train" / name / "manifest.json")["images"]
        for image in sorted({image for image, _ in read_made(images / "train" / name / "index.json")["train"]}):
            width, height = (listed[image][side] // scale * scale for side in ("width", "height"))
            if keys := [key for key, size in sizes.items() if size > min(width, height)]:
                file, largest = images / "train" / name / listed[image]["file"], max(sizes[key] for key in keys)
                problems.append(
                    f"{file} is {width}x{height} px at x{scale}, less than a patch of {largest} px: "
                    f"lower patch_size of {', '.join(keys)} in params.yaml, or take it out of the set"
                )
    if problems:
        raise SrlabError("\n".join(problems))
