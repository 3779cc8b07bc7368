"""What distributions say about their own packages: Alpine's secdb, Debian's fixes."""

from collections.abc import Iterable, Mapping

import msgspec

from holdfast.audit.vulnerabilities.identifiers import cves_in
from holdfast.audit.vulnerabilities.ranges import Range, Statement
from holdfast.audit.vulnerabilities.versions import key_of
from holdfast.audit.vulnerabilities.writing import Told, Writer

_NEVER = "0"  # in secdb and the tracker: no version of the package was ever affected
_OPEN = ""  # no version of the package is fixed


class _Package(msgspec.Struct):
    name: str
    secfixes: dict[str, list[str] | None] | None = None


class _Holder(msgspec.Struct):
    pkg: _Package


class _Branch(msgspec.Struct):
    packages: list[_Holder]
    distroversion: str = ""


class _Repository(msgspec.Struct):
    fixed_version: str | None = None
    status: str | None = ""


class _Tracked(msgspec.Struct):
    releases: dict[str, _Repository] = {}


_BRANCH = msgspec.json.Decoder(_Branch)
_SLIM_ALPINE = msgspec.json.Decoder(dict[str, dict[str, dict[str, str]]])
_SLIM_DEBIAN = msgspec.json.Decoder(dict[str, dict[str, list[str]]])
_TRACKER = msgspec.json.Decoder(dict[str, dict[str, _Tracked]])

_CODENAMES: Mapping[str, str] = {
    "jessie": "8", "stretch": "9", "buster": "10", "bullseye": "11", "bookworm": "12",
    "trixie": "13", "forky": "14", "sid": "sid",
}  # fmt: skip


class Fixes:
    """Fixing versions of packages, brought together from all files before they are written."""

    def __init__(self, source: str, scheme: str) -> None:
        """Begin with nothing.

        Args:
            source: `alpine` or `debian`; also how product names begin.
            scheme: How its versions are compared.
        """
        self._source, self._scheme = source, scheme
        self._found: dict[str, dict[tuple[str, str], set[str]]] = {}

    def add(self, package: str, cves: Iterable[str], version: str, release: str) -> None:
        """Note that a version of a package closes something."""
        for cve in cves:
            places = self._found.setdefault(cve, {})
            places.setdefault((package.lower(), release), set()).add(version)

    def write(self, writer: Writer) -> None:
        """Write all of it in place of what was there."""
        if not self._found:
            return
        writer.start_over(self._source)
        for cve, places in self._found.items():
            statements = [
                (f"{self._source}/{package}", self._statement(versions, release))
                for (package, release), versions in places.items()
            ]
            writer.record(self._source, cve, statements, Told())

    def _statement(self, versions: set[str], release: str) -> Statement:
        """Write fixing versions as stretches; between two of them it cannot be told."""
        keys = {one: key for one in versions if (key := key_of(one, self._scheme)) is not None}
        sound = sorted(keys, key=keys.__getitem__)
        ranges: tuple[Range, ...]
        if _NEVER in versions:
            ranges = (Range(status="u"),)
        elif _OPEN in versions:
            ranges = (Range(),)
        elif not sound:
            ranges = tuple(Range(high=one) for one in sorted(versions)[:1])
        else:
            ranges = (Range(high=sound[0]), Range(status="u", low=sound[-1]))
            if len(sound) > 1:
                ranges += (Range(status="x", low=sound[0], high=sound[-1]),)
        return Statement(scheme=self._scheme, ranges=ranges, authority=3, release=release)


def take_secdb(fixes: Fixes, raw: bytes) -> None:
    """Take one branch of Alpine's secdb.

    Raises:
        MsgspecError: It is something else.
    """
    branch = _BRANCH.decode(raw)
    for holder in branch.packages:
        for version, names in (holder.pkg.secfixes or {}).items():
            found = [cve for name in names or () for cve in cves_in(name)]
            fixes.add(holder.pkg.name, found, version, branch.distroversion)


def take_slim_secdb(fixes: Fixes, raw: msgspec.Raw | bytes) -> None:
    """Take `{package: {cve: {branch: version}}}`.

    Raises:
        MsgspecError: It is something else.
    """
    for package, records in _SLIM_ALPINE.decode(raw).items():
        for name, branches in records.items():
            for branch, version in branches.items():
                fixes.add(package, cves_in(name), version, branch)


def take_changelog(fixes: Fixes, raw: msgspec.Raw | bytes) -> None:
    """Take `{source package: {version: [cve]}}`, as drawn from Debian's changelogs.

    Raises:
        MsgspecError: It is something else.
    """
    for package, versions in _SLIM_DEBIAN.decode(raw).items():
        for version, names in versions.items():
            found = [cve for name in names for cve in cves_in(name)]
            # What a changelog's trailing words were taken for is no version.
            if key_of(version, "debian") is not None:
                fixes.add(package, found, version, "")


def take_tracker(fixes: Fixes, raw: bytes) -> None:
    """Take the file of Debian's security tracker.

    Raises:
        MsgspecError: It is something else.
    """
    for package, records in _TRACKER.decode(raw).items():
        for name, record in records.items():
            for release, one in record.releases.items():
                number = _CODENAMES.get(release, release)
                if one.fixed_version and one.status == "resolved":
                    fixes.add(package, cves_in(name), one.fixed_version, number)
                elif one.status == "open":
                    fixes.add(package, cves_in(name), _OPEN, number)
