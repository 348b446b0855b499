"""`python -m srlab.profile NAME`: lay conf/profile/NAME.yaml on the bench as params.yaml."""

import shutil
import sys
from pathlib import Path

import yaml

from srlab.errors import SrlabError
from srlab.files import replacing

PROFILES, PARAMS = Path("conf/profile"), Path("params.yaml")


def lay(name: str) -> None:
    """Make profile `name` the params.yaml, and take away outputs of data sets that it does not have.

    DVC's cache keeps what is taken away, so coming back to a profile is a check-out.

    Raises:
        SrlabError: no such profile, or params.yaml holds numbers of your own, which would be lost.
    """
    known = {path.stem: path.read_text() for path in sorted(PROFILES.glob("*.yaml"))}
    if name not in known:
        raise SrlabError(f"there is no profile {name}: choose one of {', '.join(known)}")
    if PARAMS.exists() and PARAMS.read_text() not in known.values():
        raise SrlabError(
            f"params.yaml holds numbers of your own: keep them with `mv params.yaml {PROFILES}/mine.yaml`, "
            f"then run `make repro PROFILE=mine` for them or this command again for {name}"
        )
    with replacing(PARAMS) as temporary:
        temporary.write_text(known[name])
    _forget_other_sets(yaml.safe_load(known[name])["datasets"])


def _forget_other_sets(datasets: dict[str, dict[str, str]]) -> None:
    wanted = {(entry["role"], name) for name, entry in datasets.items()}
    for path in Path("data").glob("*/*/*"):
        if path.parts[1] in ("images", "augmented", "pairs") and path.parts[2:] not in wanted:
            shutil.rmtree(path)


if __name__ == "__main__":
    try:
        for argument in sys.argv[1:]:
            lay(argument)
    except SrlabError as error:
        sys.exit(f"error: {error}")
