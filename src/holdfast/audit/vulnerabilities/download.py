"""Fetching of the publishers' files: whole, resumed where it broke off, and only when changed."""

import http.client
import json
import os
import re
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from urllib.parse import urljoin, urlsplit

from holdfast import __version__
from holdfast.audit.vulnerabilities.errors import DownloadError, UnreachableError
from holdfast.audit.vulnerabilities.settings import Source
from holdfast.core.files import CHUNK_BYTES, full_disk_named, write_whole

_TIMEOUT_S = 30
_MOST_REDIRECTS = 5
_TRIES = 4
_PAUSE_S = 0.5
_FIRST_YEAR = 2002
_REDIRECTS = {301, 302, 303, 307, 308}
_RANGE = re.compile(r"bytes (\d+)-\d+/(?:\d+|\*)")

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """What came of one address.

    Attributes:
        path: The file.
        changed: False if the publisher says that it is the one that we have.
        size_bytes: Its length.
    """

    path: Path
    changed: bool
    size_bytes: int


def addresses(source: Source, year: int) -> list[Source]:
    """Write out the years of an address."""
    if "{year}" not in source.address:
        return [source]
    return [
        replace(source, address=source.address.replace("{year}", str(each)))
        for each in range(_FIRST_YEAR, year + 1)
    ]


class Downloads:
    """A folder of files that were fetched, each with what its publisher says of its version."""

    def __init__(self, folder: Path, *, authority: Path | None = None) -> None:
        """Open the folder.

        Args:
            folder: Made if there is none.
            authority: Certificates to check servers against; the system's unless told.

        Raises:
            DownloadError: The certificates cannot be read.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        try:
            self._trust = ssl.create_default_context(cafile=authority and str(authority))
        except (OSError, ssl.SSLError) as error:
            raise DownloadError(f"{authority} holds no certificates: {error}") from error

    def fetch(self, source: Source, progress: Progress | None = None) -> Fetched:
        """Fetch a file, or find that it has not changed.

        Raises:
            DownloadError: The publisher cannot be reached, refuses, or sends too much.
            NoSpaceError: The disk is full.
        """
        name = sha256(source.address.encode()).hexdigest()[:24]
        path, note = self._folder / name, self._folder / f"{name}.json"
        known = _read_note(note) if path.exists() else {}
        part = self._folder / f"{name}.part"
        last: DownloadError | None = None
        for attempt in range(_TRIES):
            if attempt:
                time.sleep(_PAUSE_S * attempt)
            try:
                headers = self._transfer(source, part, known, progress)
            except _BrokenError as error:
                last = DownloadError(f"{_host(source.address)} broke off: {error}")
                continue
            if headers is None:
                return Fetched(path=path, changed=False, size_bytes=path.stat().st_size)
            part.replace(path)
            (self._folder / f"{name}.part.json").unlink(missing_ok=True)
            write_whole(note, json.dumps(headers).encode())
            return Fetched(path=path, changed=True, size_bytes=path.stat().st_size)
        assert last is not None  # noqa: S101 - every try that ends here failed
        raise last

    def forget(self, source: Source) -> None:
        """Fetch a file again next time, because it could not be used."""
        name = sha256(source.address.encode()).hexdigest()[:24]
        for suffix in ("", ".json", ".part", ".part.json"):
            (self._folder / f"{name}{suffix}").unlink(missing_ok=True)

    def _transfer(
        self, source: Source, part: Path, known: dict[str, str], progress: Progress | None
    ) -> dict[str, str] | None:
        """Bring the rest of a file; None if the one that is here is still the newest."""
        begun = _read_note(part.with_name(part.name + ".json"))
        have = part.stat().st_size if part.exists() and begun.get("etag") else 0
        wanted = {"User-Agent": f"holdfast/{__version__}", "Accept-Encoding": "identity"}
        if have:
            wanted |= {"Range": f"bytes={have}-", "If-Range": begun["etag"]}
        else:
            if known.get("etag"):
                wanted["If-None-Match"] = known["etag"]
            if known.get("modified"):
                wanted["If-Modified-Since"] = known["modified"]
        with self._ask(source.address, wanted) as answer:
            if answer.status == http.HTTPStatus.NOT_MODIFIED and not have:
                return None
            if answer.status == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                part.unlink(missing_ok=True)
                raise _BrokenError("the part that is here does not fit")
            headers = {
                "etag": answer.headers.get("ETag", ""),
                "modified": answer.headers.get("Last-Modified", ""),
            }
            span = _RANGE.match(answer.headers.get("Content-Range", ""))
            resumed = answer.status == http.HTTPStatus.PARTIAL_CONTENT
            if resumed and (span is None or int(span[1]) != have):
                part.unlink(missing_ok=True)
                raise _BrokenError("it sent another part than asked for")
            if not resumed:
                have = 0
                # A weak ETag does not promise the same bytes, so such a part is not resumed.
                strong = headers if not headers["etag"].startswith("W/") else headers | {"etag": ""}
                write_whole(part.with_name(part.name + ".json"), json.dumps(strong).encode())
            _save(answer, part, have, source, progress)
            return headers

    @contextmanager
    def _ask(self, address: str, headers: dict[str, str]) -> Iterator[http.client.HTTPResponse]:
        """Give the answer of a server, after redirections; closes it afterwards."""
        first = urlsplit(address).scheme
        for _ in range(_MOST_REDIRECTS + 1):
            parts = urlsplit(address)
            if parts.scheme not in {"http", "https"} or (first, parts.scheme) == ("https", "http"):
                raise DownloadError(f"{_host(address)} leads away from https")
            link = self._link(parts.scheme, parts.netloc)
            try:
                path = parts.path or "/"
                link.request("GET", f"{path}?{parts.query}" if parts.query else path, None, headers)
                answer = link.getresponse()
                if answer.status in _REDIRECTS and answer.headers.get("Location"):
                    address = urljoin(address, answer.headers["Location"])
                    continue
                if answer.status not in {200, 206, 304, 416}:
                    raise DownloadError(
                        f"{_host(address)} answers {answer.status} {answer.reason[:60]}"
                    )
                yield answer
            except ssl.SSLCertVerificationError as error:
                raise DownloadError(
                    f"{_host(address)} cannot prove who it is: {error.verify_message}"
                ) from error
            except (TimeoutError, ConnectionResetError, http.client.HTTPException) as error:
                raise _BrokenError(str(error) or type(error).__name__) from error
            except OSError as error:
                if error.errno is not None and error.strerror and error.filename:
                    raise  # of the disk, not of the network
                raise UnreachableError(_host(address), error.strerror or str(error)) from error
            finally:
                link.close()
            return
        raise DownloadError(f"{_host(address)} redirects in circles")

    def _link(self, scheme: str, place: str) -> http.client.HTTPConnection:
        try:
            if scheme == "https":
                return http.client.HTTPSConnection(place, timeout=_TIMEOUT_S, context=self._trust)
            return http.client.HTTPConnection(place, timeout=_TIMEOUT_S)
        except http.client.InvalidURL as error:
            raise DownloadError(f"{place} is no address") from error


class _BrokenError(Exception):
    """The transfer broke off, and may be tried again."""


def _save(
    answer: http.client.HTTPResponse,
    part: Path,
    have: int,
    source: Source,
    progress: Progress | None,
) -> None:
    length = answer.length
    whole = have + (length or 0)
    _must_fit(whole, source)
    done = have
    with full_disk_named(part), part.open("ab" if have else "wb") as file:
        while chunk := answer.read(CHUNK_BYTES):
            done += len(chunk)
            _must_fit(done, source)
            file.write(chunk)
            if progress:
                progress(done, max(whole, done))
        file.flush()
        os.fsync(file.fileno())
    if length is not None and done != whole:
        raise _BrokenError(f"{done} of {whole} bytes came")


def _must_fit(size: int, source: Source) -> None:
    if size > source.most_bytes:
        raise DownloadError(
            f"{_host(source.address)} sends more than {source.most_bytes} bytes for {source.name}"
        )


def _host(address: str) -> str:
    return urlsplit(address).netloc or address[:60]


def _read_note(path: Path) -> dict[str, str]:
    try:
        fields = json.loads(path.read_bytes()[:4096])
    except (OSError, ValueError):
        return {}
    if not isinstance(fields, dict):
        return {}
    return {str(key): str(value) for key, value in fields.items()}
