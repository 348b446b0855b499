"""Files from public homes: retried, resumed where the server can, whole or not at all."""

import hashlib
import math
import re
import time
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

import requests
import urllib3
from filelock import FileLock

from srlab.files import from_environment
from srlab.progress import track

CACHE_VARIABLE = "SRLAB_CACHE"
CHUNK = 1 << 20  # bytes; the progress bar counts MiB
TIMEOUT = (15, 60)  # seconds: to connect, and between two packets
PERMANENT_HTTP_ERRORS = (400, 401, 403, 404, 405, 410, 451)  # asking again does not change these


class SourceUnavailable(Exception):
    """Why one home did not give the images, for the list of all homes."""


class _Cut(Exception):
    """A transfer that ended early, and is worth another try."""


def cache_folder() -> Path:
    """The folder that $SRLAB_CACHE names, else ~/.cache/srlab; it need not exist yet."""
    return from_environment(CACHE_VARIABLE) or Path("~/.cache/srlab").expanduser()


def download(url: str, folder: Path, checksum: str | None, attempts: int = 4, pause: float = 1.0) -> Path:
    """The file at `url`, in `folder` under a name of its own; nothing is fetched if it lies there undamaged.

    A cut transfer is resumed by a range request where the server offers that (RFC 9110, section 14), else begun again;
    it ends after `attempts` in a row without progress, `pause` seconds apart, doubled each time. `checksum` is
    "md5:<hex>" or "sha256:<hex>", or None where no publisher states one. SourceUnavailable, with the reason,
    on failure.
    """
    folder.mkdir(parents=True, exist_ok=True)
    checksum = checksum and checksum.lower()
    name = re.sub(r"[^\w.-]", "_", _last_part(url)) or "archive"
    target = folder / f"{hashlib.sha256(url.encode()).hexdigest()[:10]}-{name}"  # no two URLs have the same
    with FileLock(f"{target}.lock"):  # two stages may want the same archive at once
        if target.exists() and _digest(target, checksum) != checksum:
            print(f"note: {target} was damaged since it was downloaded: downloading it again")
            target.unlink()
        if not target.exists():
            partial = target.with_name(target.name + ".partial")
            _fetch(url, partial, attempts, pause)
            if (got := _digest(partial, checksum)) != checksum:
                partial.unlink()
                raise SourceUnavailable(f"its checksum is {got}, not {checksum}")
            partial.replace(target)
            _validator_file(partial).unlink(missing_ok=True)
    return target


def _fetch(url: str, partial: Path, attempts: int, pause: float) -> None:
    """Bring the whole of `url` to `partial`, resuming what lies there."""
    fruitless = 0
    while True:
        before = _size(partial)
        try:
            return _request(url, partial)
        except (requests.RequestException, urllib3.exceptions.HTTPError, _Cut, OSError) as error:
            # Without ranges every request begins again: only then is a longer part no progress.
            gained = bool(_validator(partial)) and before < _size(partial)
            fruitless = 0 if gained else fruitless + 1
            if fruitless >= attempts:
                raise SourceUnavailable(f"{_reason(error)} ({attempts} tries in a row)") from error
            time.sleep(pause * 2 ** min(fruitless, 5))


def _request(url: str, partial: Path) -> None:
    """One request that adds to `partial` or writes it again; _Cut if the file is not whole afterwards."""
    start, validator = _size(partial), _validator(partial)
    headers = {"Accept-Encoding": "identity"}  # ranges then count the bytes that are stored
    if start and validator:
        headers |= {"Range": f"bytes={start}-", "If-Range": validator}
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
        if response.status_code in PERMANENT_HTTP_ERRORS:
            raise SourceUnavailable(f"the server answers {response.status_code} {response.reason}")
        if response.status_code == 416:  # what is stored is no beginning of what the server has now
            partial.unlink()
            raise _Cut("the server has no such range")
        response.raise_for_status()
        stated = response.headers.get("Content-Length", "")
        if response.status_code != 206:
            start = 0
        else:
            range_, _, stated = response.headers.get("Content-Range", "").partition("/")  # it may end before the file
            if not range_.startswith(f"bytes {start}-"):
                raise SourceUnavailable("the server answers a range request with another range")
        total = int(stated) if stated.isdigit() else None  # bytes of the whole file
        _validator_file(partial).write_text(_validator_of(response), encoding="utf-8")
        title = f"downloading {_last_part(url)} (MiB" + (f", resumed at {start / CHUNK:.0f})" if start else ")")
        # As it comes: some servers call the compression of a .tgz a transfer encoding, which must not be undone.
        pieces = response.raw.stream(CHUNK, decode_content=False)
        with partial.open("ab" if start else "wb") as file:
            for piece in track(pieces, title, None if total is None else math.ceil((total - start) / CHUNK)):
                file.write(piece)
    if total is not None and _size(partial) != total:
        raise _Cut(f"the connection was cut after {_size(partial)} of {total} bytes")


def _validator_of(response: requests.Response) -> str:
    """What If-Range may ask with: a strong ETag, else the date (RFC 9110, section 13.1.5); empty without ranges."""
    if response.status_code != 206 and response.headers.get("Accept-Ranges", "") != "bytes":
        return ""
    tag = response.headers.get("ETag", "")
    return tag if tag.startswith('"') else response.headers.get("Last-Modified", "")


def _validator(partial: Path) -> str:
    file = _validator_file(partial)
    return file.read_text(encoding="utf-8") if file.exists() else ""


def _validator_file(partial: Path) -> Path:
    return partial.with_name(partial.name + ".validator")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _last_part(url: str) -> str:
    return PurePosixPath(urlsplit(url).path).name


def _reason(error: Exception) -> str:
    """One short line: of a chain of wrapped network errors the innermost says what happened."""
    while isinstance(error.__context__, Exception):
        error = error.__context__
    return " ".join(str(error).split())[:160] or type(error).__name__


def _digest(path: Path, like: str | None) -> str | None:
    """The digest of a file in the form of `like`, "md5:<hex>" or "sha256:<hex>"; None of None."""
    if like is None:
        return None
    algorithm = like.partition(":")[0]
    with path.open("rb") as file:
        return f"{algorithm}:{hashlib.file_digest(file, algorithm).hexdigest()}"
