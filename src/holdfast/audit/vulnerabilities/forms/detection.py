"""Telling by the content which form a document has, and taking it in."""

from collections.abc import Callable
from pathlib import Path

import msgspec

from holdfast.audit.vulnerabilities.errors import DataError
from holdfast.audit.vulnerabilities.forms import cve5, distributions, exploitation, nvd, osv
from holdfast.audit.vulnerabilities.forms.kernel import Collection
from holdfast.audit.vulnerabilities.forms.reading import (
    BOUNDS,
    Bounds,
    Document,
    Progress,
    documents,
)
from holdfast.audit.vulnerabilities.identifiers import number_of
from holdfast.audit.vulnerabilities.writing import Writer

_TOP = msgspec.json.Decoder(dict[str, msgspec.Raw])
_LIST = msgspec.json.Decoder(list[msgspec.Raw])
_MOST_WRONG = 0.02  # of the records of a file; more, and it is not what it seems
_FORMS = (
    "NVD 2.0, CVE 5, OSV, Alpine secdb, Debian fixes, kernel stream fixes, KEV, EPSS, "
    "or a signed export of Holdfast"
)

_UNREADABLE = (msgspec.MsgspecError, UnicodeError)  # bytes that are not UTF-8 raise the latter

_Take = Callable[[msgspec.Raw], None]


class Intake:
    """One import: any number of files into one writer."""

    def __init__(self, writer: Writer, bounds: Bounds = BOUNDS) -> None:
        """Begin.

        Args:
            writer: Where it goes.
            bounds: How much is opened.
        """
        self._writer = writer
        self._bounds = bounds
        self._streams = Collection()
        self._alpine = distributions.Fixes("alpine", "alpine")
        self._debian = distributions.Fixes("debian", "debian")

    def file(self, path: Path, progress: Progress | None = None) -> None:
        """Take a file or folder in.

        Raises:
            DataError: It cannot be read, or holds nothing that is known.
        """
        known = unknown = 0
        first = ""
        for document in documents(path, self._bounds, progress):
            try:
                took = self._document(document)
            except _UNREADABLE as error:
                if document.alone:
                    raise DataError(f"{document.name}: {_plain(error)}") from error
                self._writer.skip(f"{document.name}: {_plain(error)}")
                took = False
            except RecursionError as error:
                raise DataError(f"{document.name} is nested too deeply") from error
            known += took
            unknown += not took
            first = first or ("" if took else document.name)
        if not known:
            raise _foreign(first or path.name)
        if unknown > max(known * _MOST_WRONG, 20):
            raise DataError(f"{path.name}: {unknown} of {known + unknown} documents are unreadable")

    def finish(self) -> None:
        """Write what had to be brought together first."""
        self._streams.write(self._writer)
        self._alpine.write(self._writer)
        self._debian.write(self._writer)

    def _document(self, document: Document) -> bool:
        """Take one document in; tell whether it was of a known form."""
        head = document.content[:4096].lstrip()
        if head.startswith(b"{"):
            return self._object(document)
        if head.startswith(b"["):
            return self._list(document, _LIST.decode(document.content))
        if exploitation.looks_like_epss(document.content):
            exploitation.take_epss(self._writer, document.content, document.name)
            return True
        return False

    def _object(self, document: Document) -> bool:
        fields = _TOP.decode(document.content)
        if "vulnerabilities" in fields and "catalogVersion" in fields:
            exploitation.take_kev(self._writer, document.content)
        elif "vulnerabilities" in fields:
            self._each(document, fields["vulnerabilities"], self._nvd_wrapped)
        elif "cve_items" in fields:
            self._each(document, fields["cve_items"], self._nvd_bare)
        elif "records" in fields or "cves" in fields or "packages" in fields:
            return self._slim(document, fields)
        elif {"cve_id", "affected_versions"} <= fields.keys():
            return False
        elif fields and all(number_of(name) is not None for name in list(fields)[:50]):
            self._kernel(document.content)
        elif (take := self._single(fields)) is not None:
            take(msgspec.Raw(document.content))
        elif _is_tracker(fields):
            distributions.take_tracker(self._debian, document.content)
        else:
            return False
        return True

    def _slim(self, document: Document, fields: dict[str, msgspec.Raw]) -> bool:
        if "records" in fields:
            return self._list(document, _LIST.decode(fields["records"]))
        if "cves" in fields:
            self._streams.take(fields["cves"])
            return True
        if bytes(fields["packages"]).lstrip().startswith(b"["):
            distributions.take_secdb(self._alpine, document.content)
            return True
        try:
            distributions.take_slim_secdb(self._alpine, fields["packages"])
        except _UNREADABLE:
            distributions.take_changelog(self._debian, fields["packages"])
        return True

    def _list(self, document: Document, records: list[msgspec.Raw]) -> bool:
        takes: dict[frozenset[str], _Take | None] = {}
        known = wrong = 0
        for place, raw in enumerate(records):
            try:
                fields = _TOP.decode(raw)
                kind = frozenset(fields)
                if kind not in takes:
                    takes[kind] = self._single(fields)
                if (take := takes[kind]) is None:
                    wrong += 1
                    self._writer.skip(f"{document.name}, record {place}: of no known form")
                    continue
                take(raw)
                known += 1
            except _UNREADABLE as error:
                wrong += 1
                self._writer.skip(f"{document.name}, record {place}: {_plain(error)}")
        self._must_be_mostly_sound(document, known, wrong)
        return bool(known)

    def _each(self, document: Document, raw: msgspec.Raw, take: _Take) -> None:
        known = wrong = 0
        for place, record in enumerate(_LIST.decode(raw)):
            try:
                take(record)
                known += 1
            except _UNREADABLE as error:
                wrong += 1
                self._writer.skip(f"{document.name}, record {place}: {_plain(error)}")
        self._must_be_mostly_sound(document, known, wrong)

    @staticmethod
    def _must_be_mostly_sound(document: Document, known: int, wrong: int) -> None:
        if wrong > max(known * _MOST_WRONG, 3):
            raise DataError(
                f"{document.name}: {wrong} of {known + wrong} records are of no known form"
            )

    def _single(self, fields: dict[str, msgspec.Raw]) -> _Take | None:
        """Tell by its keys what form one record has."""
        if "cveMetadata" in fields:
            return lambda raw: cve5.take(self._writer, raw)
        if "cve" in fields and bytes(fields["cve"]).lstrip().startswith(b"{"):
            return self._nvd_wrapped
        if "id" in fields and ("sourceIdentifier" in fields or "configurations" in fields):
            return self._nvd_bare
        if {"id", "modified"} <= fields.keys():
            return lambda raw: osv.take(self._writer, raw)
        if {"id", "affected"} <= fields.keys():
            return lambda raw: cve5.take_slim(self._writer, raw)
        return None

    def _nvd_wrapped(self, raw: msgspec.Raw) -> None:
        nvd.take(self._writer, raw, wrapped=True)

    def _nvd_bare(self, raw: msgspec.Raw) -> None:
        nvd.take(self._writer, raw, wrapped=False)

    def _kernel(self, content: bytes) -> None:
        try:
            self._streams.take_streams(content)
        except _UNREADABLE:
            self._streams.take(content)


def _is_tracker(fields: dict[str, msgspec.Raw]) -> bool:
    """Tell whether it is the file of Debian's security tracker: package, CVE, releases."""
    first = next(iter(fields.values()), None)
    try:
        records = _TOP.decode(first) if first is not None else {}
        record = next(iter(records.values()), None)
        return record is not None and "releases" in _TOP.decode(record)
    except _UNREADABLE:
        return False


def _plain(error: Exception) -> str:
    return f"not as its form wants it: {str(error)[:160]}"


def _foreign(name: str) -> DataError:
    error = DataError(f"{name} is of no form that is known here")
    error.hint = f"Known are {_FORMS}; packed as .gz, .xz or .zip, or in a folder."
    return error
