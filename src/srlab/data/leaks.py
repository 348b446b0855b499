"""Training images that are known to be in a test set as well."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from srlab.data.verification import CROPS, Picture
from srlab.errors import SrlabError
from srlab.files import read_json


class LeakCheck:
    """Refuses to train on pictures that a test set shows: its own images, their crops, and those of leaks.json.

    `digests` is the folder with leaks.json and the digests of the test sets; `allow` is the user's reason, in words,
    to train on them all the same; sets of any `role` but "train" pass unseen.
    """

    def __init__(self, role: str, digests: str, allow: str | None) -> None:
        self.role = role
        self.allow = allow
        if allow is not None and (not isinstance(allow, str) or len(allow.split()) < 2):
            raise SrlabError(f"allow_leaks is {allow!r}: say in words why, or null to refuse, in params.yaml")
        self.by_pixels: dict[str, str] = {}
        self.by_name: dict[tuple[str, str], str] = {}
        for file in sorted(Path(digests).glob("*.json")):
            content = read_json(file)
            if "images" in content:
                self._learn_test_set(content)
        for leak in read_json(Path(digests) / "leaks.json")["leaks"]:
            self._learn_leak(leak)

    def check(self, pictures: Iterable[Picture], set_name: str) -> dict[str, Any]:
        """{} if none leaks, else {"allowed": the words, "images": {name: what it is}}.

        SrlabError with a line per picture if there are some and `allow` is null.
        """
        if self.role != "train":
            return {}
        leaking: dict[str, str] = {}
        for picture in pictures:
            known = [self.by_pixels.get(digest) for digest in (picture.sha256, picture.other) if digest]
            what = next(filter(None, known), None) or self.by_name.get((_key(set_name), _key(picture.name)))
            if what:
                leaking[picture.name] = what
        if leaking and self.allow is None:
            cure = 'leave it out (`exclude` in conf/dataset/) or say in params.yaml why not (`allow_leaks: "..."`)'
            raise SrlabError("\n".join(f"{name} is {what}, a test image: {cure}" for name, what in leaking.items()))
        return {"allowed": self.allow, "images": leaking} if leaking else {}

    def _learn_test_set(self, content: dict[str, Any]) -> None:
        for image, entry in content["images"].items():
            for variant in ("sha256", *CROPS):
                if variant in entry:
                    crop = "" if variant == "sha256" else f" ({variant} crop)"
                    self.by_pixels.setdefault(entry[variant], f"{content['name']}'s {image}{crop}")

    def _learn_leak(self, leak: dict[str, Any]) -> None:
        what = f"{leak['test']} ({leak['reason']})"
        for digest in leak["sha256"]:
            self.by_pixels.setdefault(digest, what)
        for set_name in leak["sets"]:
            self.by_name[_key(set_name), _key(leak["image"])] = what


def _key(name: str) -> str:
    return name.casefold()
