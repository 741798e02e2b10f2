"""One file from one address: resumed, timed out, checked, put in place only when whole."""

import http.client
import logging
import os
import re
import urllib.error
import urllib.request
from pathlib import Path
from typing import IO, Any

from dlexp.console.long_step import Report, progress
from dlexp.data.fetch.files import md5_of
from dlexp.errors import UserError

log = logging.getLogger(__name__)

TIMEOUT_SECONDS = 30.0  # for connecting and for each read: a slow server is waited for, a silent one is not
MAX_INTERRUPTIONS = 20  # of a server that breaks off but sends something each time
BLOCK = 1 << 16


class TransferFailed(Exception):
    """This address did not deliver; the message is the reason, in words that fit after the address."""


def transfer(url: str, target: Path, *, md5: str, timeout: float = TIMEOUT_SECONDS) -> None:
    """Fetches `url` (http, https, file) to `target`, continuing `target`.part where there is one.

    Raises TransferFailed if the address does not deliver the file with this MD5 (the next one may go on from
    the .part file), UserError if the disk does not take it.
    """
    part = target.with_name(target.name + ".part")
    resumed = _size(part) > 0
    with progress(target.name, unit="bytes") as report:
        _fill(url, part, timeout, report)
    if md5_of(part) != md5:
        size = _size(part)
        part.unlink()
        if resumed:  # the old beginning may have been the bad half
            return transfer(url, target, md5=md5, timeout=timeout)
        raise TransferFailed(f"sent {size} bytes with another checksum than the published file's {md5}")
    os.replace(part, target)


def _fill(url: str, part: Path, timeout: float, report: Report) -> None:
    """Streams until all the server announced is in `part`; goes on after a break that brought something."""
    for _ in range(MAX_INTERRUPTIONS):
        before = _size(part)
        try:
            if _stream(url, part, timeout, report):
                return
            reason = f"broke off after {_size(part)} bytes"
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and before:
                part.unlink()  # longer than the file there: start again
                continue
            raise TransferFailed(f"answered {error.code} {error.reason}") from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = _reason(error, timeout)
        if _size(part) <= before:
            raise TransferFailed(reason)
        log.info("%s: %s; going on from there.", url, reason)
    raise TransferFailed(f"broke off {MAX_INTERRUPTIONS} times")


def _stream(url: str, part: Path, timeout: float, report: Report) -> bool:
    """Appends one answer to `part`; returns False if the connection ended before the announced length."""
    offset = _size(part)
    headers = {"User-Agent": "dlexp", "Accept-Encoding": "identity"}
    if offset:
        headers["Range"] = f"bytes={offset}-"
    if not re.match(r"(https?|file)://", url):
        raise ValueError(f"{url} is no http, https or file address")
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=timeout) as response:
        if offset and not _continues(response, offset):
            offset = 0  # the server sends the whole file, whatever was asked
        length = response.headers.get("Content-Length")
        total = offset + int(length) if length is not None else None
        with _opened(part, "ab" if offset else "wb") as file:
            done = offset
            while block := response.read(BLOCK):
                _write(file, block, part)
                done += len(block)
                report(done, total)
            _write(file, b"", part)
    return total is None or done >= total


def _continues(response: Any, offset: int) -> bool:
    begins = re.match(r"bytes (\d+)-", response.headers.get("Content-Range") or "")
    return response.status == http.HTTPStatus.PARTIAL_CONTENT and begins is not None and int(begins[1]) == offset


def _opened(part: Path, mode: str) -> IO[bytes]:
    try:
        return part.open(mode)
    except OSError as error:
        raise UserError(f"{part} cannot be written: {error.strerror or error}.") from error


def _write(file: IO[bytes], block: bytes, part: Path) -> None:
    """Writes a block; an empty one means: everything onto the disk."""
    try:
        file.write(block)
        if not block:
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise UserError(
            f"{part} cannot be written: {error.strerror or error}. What is there is kept; the same command "
            "goes on from it, or give a folder on another disk with data.root=FOLDER."
        ) from error


def _reason(error: Exception, timeout: float) -> str:
    cause = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(cause, TimeoutError):
        return f"did not answer within {timeout:g} s"
    text = cause.strerror if isinstance(cause, OSError) and cause.strerror else str(cause)
    return text or type(cause).__name__


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
