"""Fixtures of data that is fetched: a server on this machine that has what a set's publisher would have."""

import hashlib
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from dlexp.data.fetch.files import Source

Publish = Callable[[Source, dict[str, bytes]], tuple[Source, str]]


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *ignored: Any) -> None:
        pass


@pytest.fixture
def publish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Publish]:
    """Serves other content for a source's files: returns the source with their checksums, and the server's address. The
    cache is an empty folder.
    """
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "DLEXP_DATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "server"
    folder.mkdir()
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()

    def serve(source: Source, files: dict[str, bytes]) -> tuple[Source, str]:
        sums = {name: hashlib.md5(content, usedforsecurity=False).hexdigest() for name, content in files.items()}
        assert sums.keys() == source.files.keys()
        for name, content in files.items():
            (folder / name).write_bytes(content)
        own = Source(source.name, source.folder, sums, sums, (), source.words)
        return own, f"http://127.0.0.1:{httpd.server_port}/"

    yield serve
    httpd.shutdown()
    httpd.server_close()
    thread.join()
