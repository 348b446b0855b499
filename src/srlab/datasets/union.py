"""Several sources as one data set."""

from collections import Counter
from pathlib import Path

from hydra.utils import instantiate
from omegaconf import OmegaConf
from omegaconf.errors import InterpolationKeyError

from srlab.datasets.folders import is_folder
from srlab.datasets.sources import Folder, Source, checked_count, spread
from srlab.errors import SrlabError
from srlab.files import anchored


class Union(Source):
    """All pictures of the sources that `of` lists, "t91 + bsds200 + ~/my photos": files of `conf`, and folders.

    A picture is called "t91_<its name there>", since two sources may use one name. `num_images` of all are taken,
    spread evenly. SrlabError if a word is neither a source that needs no more than its name, nor a folder.
    """

    def __init__(self, of: str, num_images: int | None, conf: str) -> None:
        self.wanted = checked_count(num_images)
        self.parts = {word: _part(word, Path(conf)) for word in (word.strip() for word in of.split("+"))}

    def __str__(self) -> str:
        return " + ".join(map(str, self.parts.values()))

    def files(self) -> list[tuple[str, Path]]:
        """(name, file) of every source in turn."""
        found = [
            (f"{Path(word).name}_{name}", file) for word, part in self.parts.items() for name, file in part.files()
        ]
        names = Counter(name.casefold() for name, _ in found)
        if twice := [name for name, number in names.items() if number > 1]:
            raise SrlabError(f"{self} has two pictures called {twice[0]}: rename one of the folders in `of`")
        return spread(found, self.wanted)


def _part(word: str, conf: Path) -> Source:
    if is_folder(anchored(word)):
        return Folder(word, None)
    file = conf / f"{word}.yaml"
    if not file.is_file():
        known = ", ".join(sorted(path.stem for path in conf.glob("*.yaml")))
        raise SrlabError(f"{word!r} in `of` is neither a folder nor a source: choose of {known}")
    alone = {"name": word, "datasets": {word: {"num_images": None}}}
    try:
        return instantiate(OmegaConf.merge(alone, OmegaConf.load(file)).source)
    except InterpolationKeyError as error:
        raise SrlabError(f"{word!r} cannot be in `of`, since it needs settings of its own: give it a line") from error
