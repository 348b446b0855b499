"""Training images that a test set shows as well: one that is published, or one of the same run."""

from collections.abc import Iterable, Mapping
from itertools import product
from pathlib import Path
from typing import Any

from srlab.datasets.verification import CROPS, Picture
from srlab.errors import SrlabError
from srlab.files import read_json, write_json


class LeakCheck:
    """Refuses to train on pictures that a test set shows: its own images, their crops, and those of leaks.json.

    `digests` is the folder with leaks.json and the digests of the test sets; `allow` is the user's reason, in words,
    to train on them all the same; sets of any `role` but "train" pass unseen.
    """

    def __init__(self, role: str, digests: str, allow: str | None) -> None:
        self.role = role
        self.allow = _in_words(allow)
        self.by_pixels: dict[str, str] = {}
        self.by_name: dict[tuple[str, str], str] = {}
        for content in map(read_json, sorted(Path(digests).glob("*.json"))):
            for image, entry in content.get("images", {}).items():
                for variant in ("sha256", *CROPS):
                    if variant in entry:
                        crop = "" if variant == "sha256" else f" ({variant} crop)"
                        self.by_pixels.setdefault(entry[variant], f"{content['name']}'s {image}{crop}")
        for leak in read_json(Path(digests) / "leaks.json")["leaks"]:
            what = f"{leak['test']} ({leak['reason']})"
            self.by_pixels = dict.fromkeys(leak["sha256"], what) | self.by_pixels
            self.by_name |= {(name.casefold(), leak["image"].casefold()): what for name in leak["sets"]}

    def check(self, pictures: Iterable[Picture], set_name: str) -> dict[str, Any]:
        """{} if none leaks, else {"allowed": the words, "images": {name: what it is}}.

        SrlabError with a line per picture if there are some and `allow` is null.
        """
        if self.role != "train":
            return {}
        leaking: dict[str, str] = {}
        for picture in pictures:
            by_pixels = self.by_pixels.get(picture.sha256) or self.by_pixels.get(picture.other or "")
            if what := by_pixels or self.by_name.get((set_name.casefold(), picture.name.casefold())):
                leaking[picture.name] = what
        if leaking and self.allow is None:
            cure = 'leave it out (`exclude` in conf/dataset/) or say in params.yaml why not (`allow_leaks: "..."`)'
            raise SrlabError("\n".join(f"{name} is {what}, a test image: {cure}" for name, what in leaking.items()))
        return {"allowed": self.allow, "images": leaking} if leaking else {}


def compare_sets(
    sets: Mapping[str, Mapping[str, Any]], manifests: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    """{training set: {"allowed": the words, "shared": {test set: [[its own image, the same there], ...]}}}.

    `sets` are the lines of `datasets` in params.yaml, `manifests` what `fetch_images` wrote for each. A grey picture is
    the same as its RGB version. SrlabError, with a line for each pair of sets, where `allow_leaks` does not allow it.
    """
    pictures = {name: _by_pixels(manifests[name]) for name in sets}
    roles = {role: [name for name, line in sets.items() if line["role"] == role] for role in ("train", "test")}
    found: dict[str, dict[str, Any]] = {}
    problems = []
    for train, test in product(roles["train"], roles["test"]):
        shared = sorted([pictures[train][one], pictures[test][one]] for one in pictures[train].keys() & pictures[test])
        allowed = _in_words(sets[train].get("allow_leaks"))
        if shared and allowed is None:
            problems.append(
                f"training set {train} and test set {test} show the same images ({len(shared)}, such as {train}'s "
                f"{shared[0][0]}, {test}'s {shared[0][1]}): take others for one of them, or say in the line of {train} "
                'in params.yaml why not (`allow_leaks: "..."`)'
            )
        elif shared:
            found.setdefault(train, {"allowed": allowed, "shared": {}})["shared"][test] = shared
    if problems:
        raise SrlabError("\n".join(problems))
    return found


def write_comparison(found: Mapping[str, Mapping[str, Any]], folder: Path) -> None:
    """Write what `compare_sets` found to `folder`/shared.json, and passed.json.

    Trainings depend on passed.json, which has always the same bytes: so no training begins before the sets were
    compared, and none is stale because a test set was edited.
    """
    for train, one in found.items():
        for test, shared in one["shared"].items():
            print(f"note: {train} holds {len(shared)} of {test}'s images, allowed in words ({one['allowed']})")
    write_json(folder / "shared.json", found)
    write_json(folder / "passed.json", {"training sets": "show nothing that a test set shows, or are allowed to"})


def _by_pixels(manifest: Mapping[str, Any]) -> dict[str, str]:
    return {entry.get("as_grey", entry["sha256"]): name for name, entry in manifest["images"].items()}


def _in_words(allow: object) -> str | None:
    if allow is not None and (not isinstance(allow, str) or len(allow.split()) < 2):
        raise SrlabError(f"allow_leaks is {allow!r}: say in words why, or null to refuse, in params.yaml")
    return allow
