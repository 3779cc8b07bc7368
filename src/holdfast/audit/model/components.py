"""The software in an image, each piece once: by texts, names, package databases, the kernel."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from packageurl import PackageURL

from holdfast.audit.errors import FormatError
from holdfast.audit.facts.shapes import FileFacts
from holdfast.audit.model.go_modules import go_modules
from holdfast.audit.model.packages import Package, packages_of
from holdfast.audit.model.shapes import Component, Kernel, Listener, Started, StartUp
from holdfast.audit.model.sightings import Sighting, sightings_in
from holdfast.audit.model.usage import Libraries, Usage, usage_of
from holdfast.audit.patterns.components import TABLE, Software
from holdfast.audit.tree import Tree

MOST_PLACES: Final = 20
_MOST_EVIDENCE: Final = 160
_PACKAGE_SURE: Final = 0.98
_MOST_RELEASE: Final = 64 * 1024
_MOST_VERSION: Final = 100
_MOST_VERSIONS: Final = 50
_MOST_HEADERS: Final = 2000
_PLAIN: Final = re.compile(r"\d[\d.]*[a-z]?\d*")
_COUNTED: Final = re.compile(r"\d{1,4}(?:\.|[a-z]?\d{0,2}$)")
_LOADERS: Final = frozenset({"u-boot", "cfe", "redboot", "barebox", "grub"})
_NO_SOFTWARE: Final = frozenset({"toolchain"})  # folders of a build system
_PLAIN_NAME: Final = re.compile(r"[a-z0-9._-]{1,60}")
_UPDATE: Final = re.compile(r"(\d[\d.]*)-?(p\d+|rc\d+|beta\d*)", re.IGNORECASE)
_INTERFACE: Final = re.compile(r"[-.]?\d[\d.]*[a-z]?$")
_FIELD: Final = re.compile(r"^([A-Z_]{1,40})=(.{1,200})$", re.MULTILINE)
_PURL_TYPES: Final = {"opkg": "opkg", "dpkg": "deb", "apk": "apk", "rpm": "rpm"}
_RELEASES: Final = ("etc/os-release", "usr/lib/os-release", "etc/openwrt_release")
_LINUX: Final = Software(name="linux", cpe=("linux:linux_kernel",), part="o")
_SYSTEMS: Final = {
    "openwrt": Software(name="openwrt", cpe=("openwrt:openwrt",), part="o"),
    "lede": Software(name="lede", cpe=("openwrt:lede",), part="o"),
    "alpine": Software(name="alpine", cpe=("alpinelinux:alpine_linux",), part="o"),
}
_OF_PACKAGE: Final = {name: row for row in TABLE for name in (row.name, *row.packages)}


def components_of(
    tree: Tree,
    facts: Mapping[str, FileFacts],
    digests: Mapping[str, str],
    start_up: StartUp,
    listeners: Iterable[Listener],
    kernel: Kernel,
) -> tuple[Component, ...]:
    """Find the software in an image; sorted by name and version, no pair twice."""
    seen: list[Sighting] = []
    for path in sorted(digests):
        known = facts.get(digests[path])
        if known is not None:
            seen.extend(sightings_in(path, known))
    libraries = Libraries(tree, facts, digests)
    headers = [each for each in seen if each.header][:_MOST_HEADERS]
    copies = [each for each in headers if not _uses(libraries, each)]
    seen = [*(each for each in seen if not each.header), *copies]
    usage = usage_of(tree, libraries, start_up, listeners)
    packages = packages_of(tree)
    where, release = _release(tree)
    drafts = _Drafts(seen, packages)
    for package in sorted(packages, key=lambda one: not drafts.seen_in(one)):
        drafts.take(package)
    system = release.get("ID", "").lower()
    made = [_finished(draft, drafts, system, usage) for draft in drafts.all()]
    made += [*_kernel(kernel, packages), *_distribution(where, release)]
    made += go_modules(tree, facts, digests, usage)
    unique: dict[tuple[str, str], Component] = {}
    for each in made:
        unique.setdefault((each.name, each.version), each)
    return tuple(unique[key] for key in sorted(unique))


def _uses(libraries: Libraries, seen: Sighting) -> bool:
    """Tell whether a file loads the library whose header it was built with."""
    names = libraries.asked_for(seen.path)
    return any(name.startswith(seen.software.libraries) for name in names)


@dataclass(kw_only=True, eq=False)
class _Draft:
    """A component in the making."""

    name: str
    version: str
    software: Software | None
    seen: list[Sighting] = field(default_factory=list)
    packages: list[Package] = field(default_factory=list)


class _Drafts:
    """All components in the making, found by name, by version, and by who owns their files."""

    def __init__(self, seen: Iterable[Sighting], packages: Iterable[Package]) -> None:
        self.owners = {path: package for package in packages for path in package.files}
        self._by_key: dict[tuple[str, str], _Draft] = {}
        self._by_name: dict[str, list[_Draft]] = defaultdict(list)
        self._by_owner: dict[int, list[tuple[_Draft, bool]]] = defaultdict(list)
        self._by_build: dict[tuple[str, str, str], _Draft] = {}
        for each in seen:
            draft = self.draft(each.software.name, each.version, each.software)
            draft.seen.append(each)
            owner = self.owners.get(each.path)
            if owner is not None:
                self._by_owner[id(owner)].append((draft, each.own))

    def draft(self, name: str, version: str, software: Software | None) -> _Draft:
        """Find the draft of a version, or begin it; nobody has that many versions of one thing."""
        draft = self._by_key.get((name, version))
        if draft is None and len(self._by_name[name]) >= _MOST_VERSIONS:
            return self._by_name[name][-1]
        if draft is None:
            draft = _Draft(name=name, version=version, software=software)
            self._by_key[name, version] = draft
            self._by_name[name].append(draft)
        return draft

    def seen_in(self, package: Package) -> bool:
        """Tell whether software was seen in a package's files."""
        return id(package) in self._by_owner

    def take(self, package: Package) -> None:
        """Put a package to what was seen in its files, or begin a component with it."""
        row = _row_of(package)
        name = row.name if row else package.source
        name = package.name if name in _NO_SOFTWARE else name
        if _is_kernel(package):
            return  # the kernel tells for itself
        built = (package.manager, package.source, package.version)
        mine = self._by_owner[id(package)]
        fitting = [
            *(draft for draft, own in mine if own and draft.version and draft.name == name),
            *(draft for draft in self._by_name[name] if _fits(draft.version, package.upstream)),
            *(draft for draft, _ in mine if _fits(draft.version, package.upstream)),
            *filter(None, (self._by_build.get(built),)),
        ]
        chosen = fitting[0] if fitting else self.draft(name, package.upstream, row)
        chosen.packages.append(package)
        self._by_build.setdefault(built, chosen)

    def all(self) -> Iterator[_Draft]:
        """Give what is one: a version, or what no version is known of at all."""
        for drafts in self._by_name.values():
            told = [draft for draft in drafts if draft.version]
            for draft in drafts:
                if not draft.version:
                    self._give(draft, told)
            yield from told or drafts

    def _give(self, untold: _Draft, told: list[_Draft]) -> None:
        """What a file of a package did not tell, its package does."""
        holders = {id(package): draft for draft in told for package in draft.packages}
        for each in untold.seen:
            draft = holders.get(id(self.owners.get(each.path)))
            if draft is not None:
                draft.seen.append(each)


def _row_of(package: Package) -> Software | None:
    """Look a package up; a library's name ends in the number of its interface: `libopenssl3`."""
    row = _OF_PACKAGE.get(package.source) or _OF_PACKAGE.get(package.name)
    if row is None and package.source == package.name and package.name.startswith("lib"):
        row = _OF_PACKAGE.get(_INTERFACE.sub("", package.name))
    return row


def _fits(version: str, upstream: str) -> bool:
    """A program may tell `252` where its package has `252.39`."""
    rest = upstream.removeprefix(version)
    return bool(version) and (not rest or (rest != upstream and not rest[0].isalnum()))


def _is_kernel(package: Package) -> bool:
    names = ("kmod-", "kernel-module-", "linux-image-", "linux-modules-")
    return package.source in {"linux", "kernel"} or package.name.startswith(names)


def _finished(draft: _Draft, drafts: _Drafts, system: str, usage: Usage) -> Component:
    files = {path for package in draft.packages for path in package.files}
    paths = {one.path for one in draft.seen}
    started, listening = usage.of(paths | files)
    if draft.name in _LOADERS and any(path.startswith(":") for path in paths):
        started = Started.BOOT  # it stands before the root file system
    best = sorted(draft.seen, key=lambda one: (-one.confidence, not one.own, one.path))
    first = best[0] if best else None
    package = draft.packages[0] if draft.packages else None
    owner = package or next(
        (drafts.owners[one.path] for one in best if one.path in drafts.owners), None
    )
    version = draft.version
    if package and _fits(version, package.upstream) and _PLAIN.fullmatch(package.upstream):
        version = package.upstream
    where = [one.path if one.offset is None else f"{one.path}@{one.offset}" for one in best]
    evidence = first.evidence if first else ""
    if package and not first:
        where, evidence = [package.where], f"{package.name} {package.version}"
    return Component(
        name=draft.name,
        version=version,
        purl=_purl(draft.name, version, package, system),
        cpe=cpe_of(draft.software, version),
        where=tuple(dict.fromkeys(where))[:MOST_PLACES],
        how="package" if package else first.how if first else "file",
        confidence=_PACKAGE_SURE if package else first.confidence if first else 0.0,
        copied=package is None and _copied(draft),
        evidence=evidence[:_MOST_EVIDENCE],
        package=f"{owner.name} {owner.version}" if owner else "",
        fixed=tuple(sorted({cve for one in draft.packages for cve in one.fixed})),
        started=started,
        listening=listening,
        licence=next((one.licence for one in draft.packages if one.licence), ""),
    )


def _copied(draft: _Draft) -> bool:
    """A renamed program is no copy; a library inside something else is."""
    row = draft.software
    library = row is not None and bool(row.libraries or row.symbols)
    return library and bool(draft.seen) and not any(one.own for one in draft.seen)


def cpe_of(software: Software | None, version: str) -> str:
    """Write the CPE 2.3 of a version; "" if the NVD has no name, or the version is a day."""
    if software is None or not software.cpe or not _COUNTED.match(version):
        return ""
    split = _UPDATE.fullmatch(version)
    number, update = (split[1], split[2].lower()) if split else (version, "")
    quoted = [re.sub(r"([^\w.-])", r"\\\1", word) for word in (number, update)]
    rest = ":".join([quoted[1] or "*", *["*"] * 6])
    return f"cpe:2.3:{software.part}:{software.cpe[0]}:{quoted[0]}:{rest}"


def _purl(name: str, version: str, package: Package | None, system: str) -> str:
    if package is None:
        return PackageURL(type="generic", name=name, version=version or None).to_string()
    namespace = system if package.manager != "opkg" else ""
    return PackageURL(
        type=_PURL_TYPES[package.manager],
        namespace=namespace or None,
        name=package.name,
        version=package.version,
        # Debian speaks of versions of the source: libldb2 2.6.2 is made of samba 4.17.12.
        qualifiers={"upstream": f"{package.source}@{package.built}"} if package.built else None,
    ).to_string()


def _kernel(kernel: Kernel, packages: Iterable[Package]) -> Iterator[Component]:
    mine = [package for package in packages if _is_kernel(package)]
    version = kernel.version or next((one.upstream for one in mine), "")
    if not version:
        return
    best = next((one for one in mine if _fits(version, one.upstream)), None)
    yield Component(
        name="linux",
        version=version,
        purl=PackageURL(type="generic", name="linux", version=version).to_string(),
        cpe=cpe_of(_LINUX, version),
        where=kernel.where or tuple(one.where for one in mine[:MOST_PLACES]),
        how="kernel",
        confidence=_PACKAGE_SURE,
        evidence=(kernel.banner or f"built for {version}")[:_MOST_EVIDENCE],
        package=f"{best.name} {best.version}" if best else "",
        fixed=tuple(sorted({cve for one in mine for cve in one.fixed})),
        started=Started.BOOT,
    )


def _release(tree: Tree) -> tuple[str, Mapping[str, str]]:
    """Read what the system calls itself, and where it does."""
    for path in _RELEASES:
        try:
            text = (tree.read(path, _MOST_RELEASE) or b"").decode(errors="replace")
        except FormatError:
            continue
        fields = dict(_FIELD.findall(text))
        if fields:
            return path, {key: value.strip("\"'") for key, value in fields.items()}
    return "", {}


def _distribution(path: str, release: Mapping[str, str]) -> Iterator[Component]:
    """The system as a whole; the NVD knows too much of Debian as a whole to be of use."""
    name = (release.get("ID") or release.get("DISTRIB_ID", "")).lower()
    version = release.get("VERSION_ID") or release.get("DISTRIB_RELEASE", "")
    if "DISTRIB_REVISION" in release and not version[:1].isdigit():
        version = release["DISTRIB_REVISION"]
    if not name or not _PLAIN_NAME.fullmatch(name):
        return
    row = _SYSTEMS.get(name)
    yield Component(
        name=name,
        version=version[:_MOST_VERSION],
        purl=PackageURL(type="generic", name=name, version=version or None).to_string(),
        cpe=cpe_of(row, version) if _PLAIN.fullmatch(version) else "",
        where=(path,),
        how="file",
        confidence=_PACKAGE_SURE,
        evidence=release.get("PRETTY_NAME", release.get("DISTRIB_DESCRIPTION", ""))[
            :_MOST_EVIDENCE
        ],
        started=Started.BOOT,
    )
