"""What the databases of package managers say is installed: opkg, dpkg, apk, rpm."""

import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from holdfast.audit.errors import FormatError
from holdfast.audit.model.package_headers import rpm_headers
from holdfast.audit.tree import Kind, Tree

MOST_PACKAGES: Final = 20_000
_MOST_FILES: Final = 500_000  # of all packages together
_MOST_DATABASE: Final = 64 * 1024 * 1024
_MOST_CHANGELOG: Final = 4 * 1024 * 1024
_MOST_FIXED: Final = 3000
_OPKG: Final = ("usr/lib/opkg", "var/lib/opkg", "lib/opkg")
_DPKG: Final = "var/lib/dpkg"
_APK: Final = ("lib/apk/db/installed", "usr/lib/apk/db/installed")
_RPM: Final = ("var/lib/rpm", "usr/lib/sysimage/rpm", "usr/share/rpm")
_RPM_READ: Final = ("rpmdb.sqlite", "Packages.db")
_RPM_UNREAD: Final = "Packages"
_DAY: Final = re.compile(r"20\d{2}-\d{2}-\d{2}(?:\.\d{1,2})?")
_KERNEL: Final = re.compile(
    r"(\d+(?:\.\d+){1,3})(?:~[0-9a-z]{3,64}(?:-r?\d+)?|-r?\d+-[0-9a-z]{3,64})"
)
"""Of a package of OpenWrt that has the digest of the kernel's configuration in its version."""
_CVE: Final = re.compile(r"CVE-(?:19|20)\d{2}-\d{4,7}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """One installed package.

    Attributes:
        manager: `opkg`, `dpkg`, `apk` or `rpm`.
        name: Of the package.
        version: As the database writes it, with epoch, revision and patches.
        source: What it was built from; its name if the database does not tell.
        built: Version of that source where it counts otherwise than the package, else "".
        upstream: Version as the makers of the software count.
        where: Place that says so, `path:line` where the database has lines.
        licence: As written.
        files: Paths in the tree.
        fixed: CVE ids that its change log says are fixed.
    """

    manager: str
    name: str
    version: str
    source: str
    upstream: str
    where: str
    licence: str = ""
    files: tuple[str, ...] = ()
    fixed: tuple[str, ...] = ()
    built: str = ""


def packages_of(tree: Tree) -> tuple[Package, ...]:
    """Read every package database of a root file system; sorted, each package once."""
    found: dict[tuple[str, str], Package] = {}
    files = 0
    for package in (*_opkg(tree), *_dpkg(tree), *_apk(tree), *_rpm(tree)):
        if len(found) >= MOST_PACKAGES:
            break
        files += len(package.files)
        kept = package if files <= _MOST_FILES else replace(package, files=())
        found.setdefault((kept.manager, kept.name), kept)
    return tuple(found[key] for key in sorted(found))


def unread(tree: Tree) -> tuple[str, ...]:
    """Name the package databases whose form cannot be read here: rpm in Berkeley DB."""
    paths = (f"{folder}/{_RPM_UNREAD}" for folder in _RPM)
    return tuple(path for path in paths if tree.resolve(path) is not None)


def upstream(version: str, manager: str) -> str:
    """Take off what a distribution adds to a version: epoch, revision, repacking."""
    version = re.sub(r"^\d+:", "", version)
    if manager == "apk":  # `9.0_p1-r2` is 9.0p1; what stands behind `~` is a commit, or a digest
        version = re.sub(r"(?:_(?:git|svn|cvs|hg)\d*)?(?:~[0-9a-z]+)?(?:-r\d+)?$", "", version)
        return re.sub(r"_(?=(?:alpha|beta|pre|rc|p)\d*$)", "", version)
    if manager == "opkg" and (day := _DAY.match(version)) is not None:
        return day[0]
    if manager == "opkg" and (kernel := _KERNEL.fullmatch(version)) is not None:
        return kernel[1]
    if manager in {"opkg", "dpkg"}:
        version = re.sub(r"-(?:r?\d+(?:\.\d+)?|[^-]*)$", "", version)
        version = re.sub(r"[+~.](?:dfsg|ds|repack|really|nmu|deb\d).*$", "", version)
    return version


def _text(tree: Tree, path: str, most: int = _MOST_DATABASE) -> str:
    try:
        return (tree.read(path, most) or b"").decode(errors="replace")
    except FormatError:
        return ""


def _paragraphs(text: str) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Give the paragraphs of a control file as fields, with the number of their first line."""
    fields: dict[str, str] = {}
    start = 1
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            if fields:
                yield start, fields
            fields = {}
        elif line[0] not in " \t":
            key, colon, value = line.partition(":")
            if colon:
                start = start if fields else number
                fields.setdefault(key.lower(), value.strip())
    if fields:
        yield start, fields


def _installed(fields: Mapping[str, str]) -> bool:
    return fields.get("status", "install ok installed").endswith(" installed")


def _listed(text: str) -> tuple[str, ...]:
    """Newer opkg writes mode and target behind a path."""
    lines = (line.partition("\t")[0].strip("/") for line in text.split("\n"))
    return tuple(line for line in lines if line and line != ".")


def _opkg(tree: Tree) -> Iterator[Package]:
    for folder in _OPKG:
        status = f"{folder}/status"
        for line, fields in _paragraphs(_text(tree, status)):
            name, version = fields.get("package", ""), fields.get("version", "")
            if not name or not version or not _installed(fields):
                continue
            control = f"{folder}/info/{name}.control"
            told = next((each for _, each in _paragraphs(_text(tree, control))), {})
            source = told.get("sourcename", "") or told.get("source", fields.get("source", ""))
            yield Package(
                manager="opkg",
                name=name,
                version=version,
                source=source.rstrip("/").rpartition("/")[2] or name,
                upstream=upstream(version, "opkg"),
                where=f"{status}:{line}",
                licence=told.get("license", fields.get("license", "")),
                files=_listed(_text(tree, f"{folder}/info/{name}.list")),
            )


def _dpkg(tree: Tree) -> Iterator[Package]:
    parts = [f"{_DPKG}/status.d/{name}" for name in tree.names(f"{_DPKG}/status.d")]
    changes: dict[str, tuple[str, ...]] = {}
    for path in [f"{_DPKG}/status", *(part for part in parts if not part.endswith(".md5sums"))]:
        for line, fields in _paragraphs(_text(tree, path)):
            name, version = fields.get("package", ""), fields.get("version", "")
            if not name or not version or not _installed(fields):
                continue
            source, _, built = fields.get("source", name).partition(" ")
            built = built.strip("()") or version
            if source not in changes:
                changes[source] = _fixed(tree, name)
            yield Package(
                manager="dpkg",
                name=name,
                version=version,
                source=source,
                upstream=upstream(built, "dpkg"),
                where=f"{path}:{line}",
                files=_dpkg_files(tree, name, fields.get("architecture", "")),
                fixed=changes[source],
                built=built if built != version else "",
            )


def _dpkg_files(tree: Tree, name: str, architecture: str) -> tuple[str, ...]:
    for form in (f"{name}.list", f"{name}:{architecture}.list"):
        path = f"{_DPKG}/info/{form}"
        if path in tree:
            return _listed(_text(tree, path))
    return ()


def _fixed(tree: Tree, name: str) -> tuple[str, ...]:
    """A distribution names in its change log what it has mended under the same version."""
    path = f"usr/share/doc/{name}/changelog.Debian.gz"
    node = tree.get(path)
    if node is None or node.kind is not Kind.FILE:
        return ()
    try:
        packed = tree.read(path, _MOST_CHANGELOG) or b""
        text = zlib.decompressobj(31).decompress(packed, _MOST_CHANGELOG)
    except (FormatError, zlib.error):
        return ()
    return tuple(sorted(set(_CVE.findall(text.decode(errors="replace")))))[:_MOST_FIXED]


def _apk(tree: Tree) -> Iterator[Package]:
    for path in _APK:
        start, fields, folder = 1, dict[str, str](), ""
        files: list[str] = []
        for number, line in enumerate((*_text(tree, path).split("\n"), ""), start=1):
            key, _, value = line.partition(":")
            if not line.strip():
                if fields.get("P") and fields.get("V"):
                    yield _apk_package(fields, files, f"{path}:{start}")
                start, fields, folder, files = number + 1, {}, "", []
            elif key == "F":
                folder = value.strip("/")
            elif key == "R":
                files.append(f"{folder}/{value}".lstrip("/"))
            else:
                fields.setdefault(key, value)


def _apk_package(fields: Mapping[str, str], files: Iterable[str], where: str) -> Package:
    return Package(
        manager="apk",
        name=fields["P"],
        version=fields["V"],
        source=fields.get("o") or fields["P"],
        upstream=upstream(fields["V"], "apk"),
        where=where,
        licence=fields.get("L", ""),
        files=tuple(files),
    )


def _rpm(tree: Tree) -> Iterator[Package]:
    for folder in _RPM:
        for name in _RPM_READ:
            path = f"{folder}/{name}"
            try:
                content = tree.read(path, _MOST_DATABASE)
            except FormatError:
                continue
            for header in rpm_headers(content) if content else ():
                yield Package(
                    manager="rpm",
                    name=header.name,
                    version=header.version + (f"-{header.release}" if header.release else ""),
                    source=re.sub(r"-[^-]+-[^-]+\.src\.rpm$", "", header.source) or header.name,
                    upstream=header.version,
                    where=path,
                    licence=header.licence,
                    files=header.files,
                )
