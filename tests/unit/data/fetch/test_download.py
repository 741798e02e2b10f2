"""Downloading against a server on this machine that fails in every way servers fail."""

import errno
import hashlib
import io
import logging
import os
import re
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from dlexp.console import long_step
from dlexp.data.fetch import transfer
from dlexp.data.fetch.download import obtain
from dlexp.data.fetch.files import Source
from dlexp.data.fetch.transfer import TransferFailed
from dlexp.errors import UserError
from dlexp.machine import lock_file
from dlexp.machine.lock_file import locked

FILES = {"one": os.urandom(200_000), "two": os.urandom(1000)}


def md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def packed() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, content in FILES.items():
            member = tarfile.TarInfo(f"toy/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return out.getvalue()


ARCHIVE = packed()


@dataclass
class Server:
    """What the server does, and what it was asked."""

    url: str = ""
    content: bytes = ARCHIVE
    ranges: bool = True
    break_after: int | None = None  # bytes of each answer
    status: int = 200
    silent: bool = False
    length: bool = True
    wrong_range: bool = False
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    release: threading.Event = field(default_factory=threading.Event)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            requested = self.headers.get("Range")
            state.asked.append((self.path, requested))
            if state.silent:
                state.release.wait(20)
                return
            if state.status != 200:
                self.send_error(state.status)
                return
            first = int(re.findall(r"\d+", requested)[0]) if requested and state.ranges else 0
            if requested and state.ranges and first >= len(state.content):
                self.send_error(416)
                return
            body = state.content[first:]
            self.send_response(206 if requested and state.ranges else 200)
            if requested and state.ranges:
                begins = first + 1 if state.wrong_range else first
                self.send_header("Content-Range", f"bytes {begins}-{len(state.content) - 1}/{len(state.content)}")
            if state.length:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body if state.break_after is None else body[: state.break_after])

        def log_message(self, *ignored: Any) -> None:
            pass

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    state.url = f"http://127.0.0.1:{httpd.server_port}/"
    yield state
    state.release.set()
    httpd.shutdown()
    httpd.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("DLEXP_DATA", raising=False)


def source(*mirrors: str) -> Source:
    checksums = {name: md5(content) for name, content in FILES.items()}
    return Source("toy", "toy", checksums, {"toy.tar.gz": md5(ARCHIVE)}, mirrors)


def fetch(of: Source, root: Path, url: str | None = None) -> Path:
    return obtain(of, root=str(root), download=True, url=url)


def is_complete(folder: Path) -> bool:
    """All files as published, and nothing half-written beside them."""
    names = {path.name for path in folder.iterdir()}
    return names - {".toy.lock"} == set(FILES) and all((folder / name).read_bytes() == FILES[name] for name in FILES)


def test_download(server: Server, tmp_path: Path) -> None:
    folder = fetch(source(server.url), tmp_path / "data")
    assert folder == tmp_path / "data" / "toy" and is_complete(folder)
    assert server.asked == [("/toy.tar.gz", None)]
    assert fetch(source(server.url), tmp_path / "data") == folder and len(server.asked) == 1


@pytest.mark.parametrize("ending", ["", "one.npz"])
def test_a_file_that_is_kept_as_it_is(server: Server, tmp_path: Path, ending: str) -> None:
    sums = {"one.npz": md5(ARCHIVE)}
    of = Source("toy", "toy", sums, sums, (), words="data.name=one")
    with pytest.raises(UserError, match=r"for toy/ with one\.npz\. .*`python -m dlexp download toy data\.name=one`"):
        obtain(of, root=str(tmp_path / "data"), download=False, url=None)
    folder = fetch(of, tmp_path / "data", server.url + ending)
    assert (folder / "one.npz").read_bytes() == ARCHIVE and server.asked == [("/one.npz", None)]
    assert fetch(of, tmp_path / "data", server.url) == folder and len(server.asked) == 1
    two = replace(of, files=sums | {"two.npz": md5(ARCHIVE)}, archives=sums | {"two.npz": md5(ARCHIVE)})
    assert fetch(two, tmp_path / "data", server.url) == folder, "only what is missing is fetched"
    assert [path for path, _ in server.asked] == ["/one.npz", "/two.npz"]


def test_without_a_root_the_cache_is_used(server: Server, tmp_path: Path) -> None:
    folder = obtain(source(server.url), root=None, download=True, url=None)
    assert folder == tmp_path / "cache" / "dlexp" / "toy" and is_complete(folder)


def test_server_without_a_length(server: Server, tmp_path: Path) -> None:
    server.length = False
    assert is_complete(fetch(source(server.url), tmp_path))


def test_resume(server: Server, tmp_path: Path) -> None:
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy" / "toy.tar.gz.part").write_bytes(ARCHIVE[:1234])
    assert is_complete(fetch(source(server.url), tmp_path))
    assert server.asked == [("/toy.tar.gz", "bytes=1234-")]


@pytest.mark.parametrize(
    "beginning",
    [b"x" * 1234, ARCHIVE[:50] + b"?" + ARCHIVE[51:100], ARCHIVE + b"more", ARCHIVE],
    ids=["another file's", "damaged", "too long", "complete"],
)
@pytest.mark.parametrize("ranges", [True, False])
def test_a_bad_or_complete_beginning_is_no_obstacle(
    server: Server, tmp_path: Path, beginning: bytes, ranges: bool
) -> None:
    server.ranges = ranges
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy" / "toy.tar.gz.part").write_bytes(beginning)
    assert is_complete(fetch(source(server.url), tmp_path))


@pytest.mark.parametrize("ranges", [False, True])
def test_server_that_ignores_or_misreads_the_range(server: Server, tmp_path: Path, ranges: bool) -> None:
    server.ranges, server.wrong_range = ranges, ranges
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy" / "toy.tar.gz.part").write_bytes(ARCHIVE[:1000])
    assert is_complete(fetch(source(server.url), tmp_path))


def test_server_that_breaks_off_again_and_again(server: Server, tmp_path: Path) -> None:
    server.break_after = 20_000
    assert is_complete(fetch(source(server.url), tmp_path))
    assert len(server.asked) == -(-len(ARCHIVE) // 20_000)
    assert server.asked[3] == ("/toy.tar.gz", "bytes=60000-")


def test_next_mirror_goes_on_where_the_first_broke(server: Server, tmp_path: Path) -> None:
    server.break_after = 30_000
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transfer, "MAX_INTERRUPTIONS", 2)
        assert is_complete(
            fetch(source(server.url + "a", server.url + "b", server.url + "c", server.url + "d"), tmp_path)
        )
    assert ("/b/toy.tar.gz", "bytes=60000-") in server.asked


def test_every_mirrors_reason_is_told(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "TIMEOUT_SECONDS", 0.3)
    server.status = 503
    mirrors = (
        "http://127.0.0.1:9/",
        server.url,
        "http://no.such.host.invalid/",
        "ftp://x/",
        (tmp_path / "no").as_uri() + "/",
    )
    with pytest.raises(UserError) as caught:
        fetch(source(*mirrors), tmp_path)
    text = str(caught.value)
    for words in (*mirrors, "answered 503", "refused", "no http", "No such file", "data.url=", "download toy"):
        assert words in text, words
    assert "\n" not in text and not (tmp_path / "toy").exists()


def test_silent_server_times_out(server: Server, tmp_path: Path) -> None:
    server.silent = True
    began = time.monotonic()
    with pytest.raises(TransferFailed, match="did not answer within 0.3 s"):
        transfer.transfer(server.url, tmp_path / "x", md5=md5(ARCHIVE), timeout=0.3)
    assert time.monotonic() - began < 5
    assert not list(tmp_path.glob("x*"))


def test_wrong_content_is_refused(server: Server, tmp_path: Path) -> None:
    server.content = b"<html>Please log in</html>"
    with pytest.raises(UserError, match="sent 26 bytes with another checksum"):
        fetch(source(server.url), tmp_path)
    assert not (tmp_path / "toy").exists()


@pytest.mark.parametrize("ending", ["", "folder/", "folder", "any-name.tar.gz", "file?id=3"])
def test_url_replaces_the_mirrors(server: Server, tmp_path: Path, ending: str) -> None:
    assert is_complete(fetch(source("http://no.such.host.invalid/"), tmp_path, url=server.url + ending))
    expected = {"": "/toy.tar.gz", "folder/": "/folder/toy.tar.gz", "folder": "/folder/toy.tar.gz"}
    assert server.asked == [(expected.get(ending, "/" + ending), None)]


def test_url_of_one_of_several_archives_stands_for_their_folder(server: Server, tmp_path: Path) -> None:
    several = replace(source(), archives={"a.gz": "0" * 32, "b.gz": "0" * 32})
    with pytest.raises(UserError, match="another checksum"):
        fetch(several, tmp_path, url=server.url + "x/b.gz")
    assert server.asked == [("/x/a.gz", None)]


@pytest.mark.parametrize("as_path", [True, False])
def test_files_of_this_machine(tmp_path: Path, as_path: bool) -> None:
    place = tmp_path / "a folder"
    place.mkdir()
    (place / "toy.tar.gz").write_bytes(ARCHIVE)
    assert is_complete(fetch(source(), tmp_path / "data", url=str(place) if as_path else place.as_uri()))
    assert (place / "toy.tar.gz").is_file()


def test_full_disk_is_a_sentence_and_keeps_what_came(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match="No space left"):
        fetch(source(server.url), tmp_path)
    monkeypatch.undo()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert (tmp_path / "toy" / "toy.tar.gz.part").stat().st_size == len(ARCHIVE)
    assert is_complete(fetch(source(server.url), tmp_path))


def test_nowhere_to_write_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(UserError, match="Nothing can be written"):
        fetch(source(), tmp_path / "file")


def test_two_threads_download_once(server: Server, tmp_path: Path) -> None:
    found: list[Path] = []
    threads = [threading.Thread(target=lambda: found.append(fetch(source(server.url), tmp_path))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [tmp_path / "toy"] * 4 and is_complete(tmp_path / "toy") and len(server.asked) == 1


HOLDER = """
import sys, time
from pathlib import Path
from dlexp.machine.lock_file import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_lock_of_a_killed_process_is_free(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "lock"
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == b"held\n"
        timer = threading.Timer(0.5, holder.kill)
        timer.start()
        with caplog.at_level(logging.INFO), locked(path, poll_seconds=0.05):
            assert holder.wait(10) != 0
        timer.join()
    assert caplog.text.count("waiting for it") == 1


def test_asking_who_holds_a_lock_leaves_its_file_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    assert not lock_file.is_held(path) and not path.exists()
    path.write_text("kept", encoding="utf-8")
    with locked(path):
        assert lock_file.is_held(path)
    assert not lock_file.is_held(path) and path.read_text(encoding="utf-8") == "kept"


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS])
def test_file_system_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def unsupported(descriptor: int, operation: int) -> None:
        raise OSError(number, "No locks available")

    fcntl = pytest.importorskip("fcntl")
    monkeypatch.setattr(fcntl, "flock", unsupported)
    with locked(tmp_path / "lock"):
        assert not lock_file.is_held(tmp_path / "lock")


def test_progress_off_a_terminal_is_a_line_now_and_then(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO), long_step.progress("file", unit="bytes") as report:
        for done in range(0, 5_000_001, 1000):
            report(done, 5_000_000)
    assert caplog.messages == ["file: 5.0 MB (100 %)"]


def test_progress_on_a_terminal_is_a_bar(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    for unit in ("bytes", "images"):
        with long_step.progress("file", unit=unit) as report:
            report(1, None)
            report(2, 2)
    assert "file" in capsys.readouterr().err


def test_a_failed_download_leaves_nothing_that_was_not_there(server: Server, tmp_path: Path) -> None:
    server.status = 404
    with pytest.raises(UserError, match="could not be downloaded"):
        fetch(source(server.url), tmp_path / "data")
    assert not (tmp_path / "data").exists()
    (tmp_path / "data" / "toy").mkdir(parents=True)
    with pytest.raises(UserError, match="could not be downloaded"):
        fetch(source(server.url), tmp_path / "data")
    assert (tmp_path / "data" / "toy").is_dir()
    server.status, server.break_after = 200, 0
    (tmp_path / "data" / "toy" / "toy.tar.gz.part").write_bytes(ARCHIVE[:1234])
    with pytest.raises(UserError, match="could not be downloaded"):
        fetch(source(server.url), tmp_path / "data")
    assert (tmp_path / "data" / "toy" / "toy.tar.gz.part").read_bytes() == ARCHIVE[:1234]
