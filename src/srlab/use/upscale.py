"""`srlab upscale`: files, folders and patterns in, enlarged photos out; a bad one is named and stops no other."""

import glob
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from srlab.datasets.folders import pictures
from srlab.errors import SrlabError
from srlab.progress import track
from srlab.use.model import Model
from srlab.use.photos import FORMATS, read_photo, save_photo

Job = tuple[Path, Path]  # from, to


@dataclass
class Upscaling:
    """What `upscale` did: the files it wrote, remarks on them, and why others are not there, a line each."""

    written: list[Path] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def upscale(inputs: Sequence[str], out: Path, model: Model, *, overwrite: bool) -> Upscaling:
    """Enlarge every photo that `inputs` name, under a bar with an ETA.

    A photo keeps its format (PNG where srlab does not write that), its name, and its place in a folder that is given.

    Args:
        inputs: files, folders, or patterns as "photos/**/*.jpg".
        out: the folder to write to; or a file, by its suffix, for a single photo.
        overwrite: replace what is there, but never an input.
    """
    done = Upscaling()
    jobs = _possible(_jobs(inputs, out, done), overwrite, done)
    for _ in track(_steps(jobs, model, done), "upscale", sum(_number_of_windows(source, model) for source, _ in jobs)):
        pass
    return done


def _jobs(inputs: Sequence[str], out: Path, done: Upscaling) -> list[Job]:
    found: list[tuple[Path, Path]] = []  # and where it belongs in `out`
    for text in inputs:
        path = Path(text)
        if path.is_dir():
            try:
                found += [(file, file.relative_to(path)) for _, file in pictures(path)]
            except SrlabError as error:
                done.problems.append(str(error))
            continue
        # Path.glob takes no absolute pattern.
        files = [path] if path.exists() else [Path(one) for one in sorted(glob.glob(text, recursive=True))]  # noqa: PTH207
        if not files:
            done.problems.append(f"{text} does not exist: check the path or the pattern")
        found += [(file, Path(file.name)) for file in files if file.is_file()]
    if out.suffix.lower() in FORMATS and not out.is_dir():
        if len(found) != 1:
            raise SrlabError(f"{out} is one file, and there are {len(found)} photos: name a folder by -o")
        return [(found[0][0], out)]
    return [
        (file, out / (place if place.suffix.lower() in FORMATS else place.with_suffix(".png"))) for file, place in found
    ]


def _possible(jobs: list[Job], overwrite: bool, done: Upscaling) -> list[Job]:
    sources = {source.resolve() for source, _ in jobs}
    wanted = Counter(target for _, target in jobs)
    kept = []
    for source, target in jobs:
        if target.resolve() in sources:
            done.problems.append(f"{target} is an input: name another folder by -o")
        elif wanted[target] > 1:
            done.problems.append(
                f"{source} and another photo would both become {target}: give them one after the other"
            )
        elif target.is_dir():
            done.problems.append(f"{target} is a folder: name another one by -o")
        elif target.exists() and not overwrite:
            done.problems.append(f"{target} is there already: add --overwrite to replace it")
        else:
            kept.append((source, target))
    return kept


def _number_of_windows(source: Path, model: Model) -> int:
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(source) as image:
            return len(model.windows_of((image.height, image.width)))
    except Exception:  # it is named when its turn comes
        return 0


def _steps(jobs: list[Job], model: Model, done: Upscaling) -> Iterator[None]:
    """One photo after the other, a yield after every window."""
    for source, target in jobs:
        try:
            photo = read_photo(source)
            if problem := photo.problem(target, model.scale) or model.problem(photo):
                raise SrlabError(f"{source} cannot become {target}: {problem}")
            result = yield from model.steps(photo)
            save_photo(target, result)
        except SrlabError as error:
            done.problems.append(str(error) if str(source) in str(error) else f"{source}: {error}")
        except OSError as error:  # on reading it is an SrlabError
            done.problems.append(f"{target} cannot be written ({error.strerror}): make room, or name another -o")
        except Exception as error:  # of a library, on a photo that nobody has thought of; the others are not to wait
            done.problems.append(
                f"{source} cannot be enlarged ({type(error).__name__}: {' '.join(str(error).split())})"
            )
        else:
            done.written.append(target)
            done.notes += [f"{source}: {note}" for note in result.notes]
