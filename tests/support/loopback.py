"""A web server on this machine that cuts the line, forgets ranges or lies, for the tests of downloads."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Page:
    """What is served: `cuts` are the bytes after which the line is cut, one per request; then it holds."""

    body: bytes
    ranges: bool = True
    cuts: list[int] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)  # of the first requests; 200 serves the page
    tag: str = '"a"'
    says_length: bool = True
    longest_range: int | None = None
    encoding: str | None = None


class Site:
    """The pages by path, and what was asked: (path, Range header)."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.pages: dict[str, Page] = {}
        self.asked: list[tuple[str, str | None]] = []

    def put(self, path: str, page: Page) -> str:
        self.pages[path] = page
        return f"{self.address}{path}"


@contextmanager
def serving() -> Iterator[Site]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.site = Site(f"http://127.0.0.1:{server.server_port}")  # pyright: ignore[reportAttributeAccessIssue]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.site  # pyright: ignore[reportAttributeAccessIssue]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        site: Site = self.server.site  # pyright: ignore[reportAttributeAccessIssue]
        wanted = self.headers.get("Range")
        site.asked.append((self.path, wanted))
        page = site.pages.get(self.path)
        status = 404 if page is None else page.statuses.pop(0) if page.statuses else 200
        if page is None or status != 200:
            self.send_error(status)
            return
        fresh = self.headers.get("If-Range") in (None, page.tag)
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and page.ranges and fresh else 0
        if start >= len(page.body) > 0:
            self.send_error(416)
            return
        end = min(len(page.body), start + page.longest_range) if start and page.longest_range else len(page.body)
        self.send_response(206 if start else 200)
        if page.ranges:
            self.send_header("Accept-Ranges", "bytes")
            self.send_header("ETag", page.tag)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{len(page.body)}")
        if page.encoding:
            self.send_header("Content-Encoding", page.encoding)
        if page.says_length:
            self.send_header("Content-Length", str(end - start))
        self.end_headers()
        rest = page.body[start:end]
        self.wfile.write(rest[: page.cuts.pop(0)] if page.cuts else rest)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""
