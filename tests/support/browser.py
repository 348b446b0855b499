"""A page in headless Chromium, which may reach nothing, and an HTML parser for where there is none."""

import json
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium, chromium-browser or google-chrome")
FLAGS = """--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking --disable-sync
--disable-component-update --host-resolver-rules=MAP\t*\t~NOTFOUND --virtual-time-budget=10000 --dump-dom"""
VOID = {"meta", "link", "img", "input", "br", "hr"}


def said_by(page: Path, script: str, folder: Path) -> Any:
    """What the body of a JavaScript function returns (JSON) in a copy of `page`, once its own scripts have run."""
    text = page.read_text(encoding="utf-8")
    ending = f"<script>document.title = JSON.stringify((() => {{ {script} }})());</script></body>"
    copy = folder / "copy.html"
    copy.write_text(text.replace("</body>", ending), encoding="utf-8")
    flags = [flag.replace("\t", " ") for flag in FLAGS.split(" ") for flag in flag.split("\n")]
    command = [str(CHROMIUM), *flags, f"--user-data-dir={folder / 'profile'}", copy.as_uri()]
    dom = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout
    parser = Parsed(dom, strict=False)
    return json.loads(parser.title)


class Parsed(HTMLParser):
    """The elements of a page, as (tag, attributes), its title and its words; AssertionError if tags do not match."""

    def __init__(self, text: str, strict: bool = True) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.title, self.open, self.strict = "", [], strict
        self.feed(text)
        assert not strict or self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert not self.strict or self.open[-1:] == [tag], (self.open, tag)
        if tag in self.open:
            del self.open[len(self.open) - 1 - self.open[::-1].index(tag) :]

    def handle_data(self, data: str) -> None:
        if self.open[-1:] == ["title"]:
            self.title += data
        if self.open[-1:] not in (["script"], ["style"]):
            self.words.append(data)

    def loads(self) -> list[str]:
        """All that the page would fetch: whatever is no part of it and no link to follow."""
        keys = ("src", "srcset", "data", "poster", "action")
        found = [value for tag, one in self.elements for key, value in one.items() if key in keys and value]
        found += [str(one["href"]) for tag, one in self.elements if tag != "a" and "href" in one]
        return [value for value in found if not value.startswith("data:")]
