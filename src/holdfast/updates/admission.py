"""What the hub lets into its repository: everything is proved before anything is moved."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from holdfast.updates import waiver
from holdfast.updates.client import NAME
from holdfast.updates.errors import (
    MetadataError,
    MixedMetadataError,
    ReleaseError,
    RollbackError,
    TamperedError,
    UnknownReleaseError,
    WrongProductError,
)
from holdfast.updates.inspection import (
    Envelope,
    delegation_of,
    must_be_fresh,
    must_be_signed,
    parse,
    products_of,
)
from holdfast.updates.online import ROLES, OnlineKeys
from holdfast.updates.release import Release, is_product, is_sha256

_FILES_MOST = 2048
_CLOCKS_DIFFER = timedelta(days=1)
_PATH_PARTS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Statements:
    """Everything that people have signed and that holds together.

    Attributes:
        roots: Every root from version 1 on, without a gap.
        targets: The newest list of products.
        products: The newest list of releases of each product that has one.
    """

    roots: tuple[Envelope, ...]
    targets: Envelope
    products: Mapping[str, Envelope] = field(default_factory=dict)

    @property
    def root(self) -> Envelope:
        """The newest root."""
        return self.roots[-1]

    def named(self) -> dict[str, bytes]:
        """Return the files by the names under which they are served, roots first."""
        files = {f"{each.version}.root.json": each.raw for each in self.roots}
        files[f"{self.targets.version}.targets.json"] = self.targets.raw
        for product, listed in self.products.items():
            files[f"{listed.version}.{product}.json"] = listed.raw
        return files


def read(files: Mapping[str, bytes]) -> dict[str, dict[int, Envelope]]:
    """Sort signed files by role and version; what the hub signs itself is left out.

    Raises:
        MetadataError: A name or content makes no sense.
    """
    if len(files) > _FILES_MOST:
        raise MetadataError(f"More than {_FILES_MOST} metadata files at once.")
    found: dict[str, dict[int, Envelope]] = {}
    for name, raw in files.items():
        match = NAME.fullmatch(name)
        if match is None:
            raise MetadataError(f"{name[:80]!r} is not the name of a metadata file.")
        version, role = match.groups()
        if role in ROLES:
            continue
        kind = role if role == "root" else "targets"
        envelope = parse(raw, kind=kind, name=role)
        if version is None or int(version) != envelope.version:
            raise MixedMetadataError(
                f"The file {name} calls itself version {envelope.version} inside."
            )
        found.setdefault(role, {})[envelope.version] = envelope
    return found


def admit(
    files: Mapping[str, bytes], *, current: Statements | None, online: OnlineKeys, now: datetime
) -> Statements:
    """Prove a set of files, together with what is published already.

    Files older than the published ones are not an attack here (a folder may have been made before
    another product was added); the newer ones are used, and all must hold together in the end.

    Args:
        files: Content by name, `1.root.json`, `2.targets.json`, `7.camera.json`.
        current: What is published; `None` for the first time.
        online: The hub's own keys; the root must name just these.
        now: The present moment.

    Raises:
        UpdateError: One of its kinds, saying what does not hold.
    """
    by_role = read(files)
    roots = _chain(by_role.pop("root", {}), current.roots if current else ())
    root = roots[-1]
    must_be_fresh(root, now)
    must_name(root, online)
    targets = _newest(
        by_role.pop("targets", {}), current.targets if current else None, name="targets"
    )
    must_be_signed(targets, delegation_of(root, "targets"))
    must_be_fresh(targets, now)
    _must_only_delegate(targets)
    products = dict(current.products) if current else {}
    listed = products_of(targets)
    for product, versions in by_role.items():
        if product not in listed:
            raise UnknownReleaseError(f"The targets file does not name the product {product}.")
        products[product] = _newest(versions, products.get(product), name=product)
    for product, statement in products.items():
        if product not in listed:
            # Devices refuse a snapshot from which a file has vanished.
            raise RollbackError(f"The targets file no longer names the product {product}.")
        must_be_signed(statement, delegation_of(targets, product))
        if current is None or current.products.get(product) is not statement:
            # What has expired already must not keep other products from being published.
            must_be_fresh(statement, now)
        _must_stay(product, statement, current)
    return Statements(roots=roots, targets=targets, products=products)


def releases_of(listed: Envelope) -> dict[str, Release]:
    """Return the releases on the list of a product by path.

    Raises:
        MetadataError: A description makes no sense.
        WrongProductError: A path lies outside of the product.
    """
    found = {}
    for path in _targets(listed):
        size_bytes, sha256, custom = entry(listed, path)
        if custom is not None:
            release = Release.from_target(path, size_bytes, {"sha256": sha256}, custom)
            found[path] = release
    return found


def entry(listed: Envelope, path: str) -> tuple[int, str, object]:
    """Return length, SHA-256 and description of one entry on a list.

    Raises:
        MetadataError: It makes no sense.
        UnknownReleaseError: There is no such entry.
    """
    target = _targets(listed).get(path)
    if target is None:
        raise UnknownReleaseError(f"{path[:200]} is not on the signed list of {listed.name}.")
    try:
        size_bytes, sha256 = target["length"], target["hashes"]["sha256"]
        custom = target.get("custom")
    except (KeyError, TypeError, AttributeError) as error:
        raise MetadataError(f"The entry {path[:200]} on a signed list makes no sense.") from error
    if type(size_bytes) is not int or not isinstance(sha256, str) or not is_sha256(sha256):
        raise MetadataError(f"The entry {path[:200]} on a signed list makes no sense.")
    if set(target["hashes"]) != {"sha256"}:
        # The file name of a target holds one of its digests; two would make that a guess.
        raise MetadataError(f"The entry {path[:200]} has other digests than SHA-256.")
    return size_bytes, sha256, custom


def the_release(listed: Envelope, paths: Iterable[str], now: datetime) -> Release:
    """Find the one release that files with these paths make up, and judge its description.

    Raises:
        ReleaseError: None or several, or files are missing or do not belong.
        ExpiredError: It may not be installed any more.
    """
    offered = set(paths)
    releases = [each for path, each in releases_of(listed).items() if path in offered]
    if len(releases) != 1:
        raise ReleaseError(
            f"The folder must hold one signed release, but holds {len(releases)} of {listed.name}."
        )
    (release,) = releases
    beside = release.path.removesuffix(release.artifact)
    wanted = {
        release.path: release.sha256,
        f"{beside}product.toml": release.profile_sha256,
        f"{beside}sbom.json": release.sbom_sha256,
        f"{beside}audit.json": release.audit_sha256,
    }
    waived = f"{beside}{waiver.NAME}"
    if waived in _targets(listed):
        wanted[waived] = entry(listed, waived)[1]
    wanted = {path: sha256 for path, sha256 in wanted.items() if sha256 is not None}
    if offered != set(wanted):
        odd = ", ".join(sorted(offered ^ set(wanted)))
        raise ReleaseError(f"Files are missing or do not belong to the release: {odd}.")
    for path, sha256 in wanted.items():
        if entry(listed, path)[1] != sha256:
            raise MixedMetadataError(
                f"The description of {release.path} and the signed list disagree about {path}."
            )
    release.must_be_fresh(now)
    if release.made > now + _CLOCKS_DIFFER:
        raise ReleaseError(
            f"The release says that it was made on {release.made:%Y-%m-%d}, which is still to come."
        )
    return release


def _targets(listed: Envelope) -> Mapping[str, dict[str, Any]]:
    targets = listed.body.get("targets")
    if not isinstance(targets, dict) or not all(isinstance(t, dict) for t in targets.values()):
        raise MetadataError(f"The list of {listed.name} makes no sense.")
    return targets


def _chain(offered: Mapping[int, Envelope], known: tuple[Envelope, ...]) -> tuple[Envelope, ...]:
    """Continue the chain of roots; every step is signed by the people before and after it."""
    chain = list(known)
    for version in sorted(offered):
        envelope = offered[version]
        if version <= len(chain):
            if envelope.payload != chain[version - 1].payload:
                raise TamperedError(
                    f"Root {version} is another one than the root {version} published here."
                )
            continue
        if version != len(chain) + 1:
            raise MetadataError(f"The root {len(chain) + 1} is missing in the chain of roots.")
        if chain:
            must_be_signed(envelope, delegation_of(chain[-1], "root"))
        must_be_signed(envelope, delegation_of(envelope, "root"))
        if envelope.body.get("consistent_snapshot") is not True:
            raise MetadataError("The root does not ask for consistent snapshots.")
        chain.append(envelope)
    if not chain:
        raise MetadataError("There is no root file.")
    return tuple(chain)


def must_name(root: Envelope, online: OnlineKeys) -> None:
    """Refuse to go on with online keys that the root does not name.

    Raises:
        MetadataError: The hub has got other keys, or the root was rotated to other ones.
    """
    for key in (online.snapshot.public, online.timestamp.public):
        delegation = delegation_of(root, key.role)
        if delegation.keys != {key.keyid: key.public} or delegation.threshold != 1:
            error = MetadataError(
                f"The root names another {key.role} key than the one of this hub."
            )
            error.hint = (
                "Rotate the hub's keys in the workshop: fetch its public keys and run "
                "`holdfast keys rotate --online FILE`."
            )
            raise error


def _newest(offered: Mapping[int, Envelope], known: Envelope | None, *, name: str) -> Envelope:
    newest = max(offered.values(), key=lambda each: each.version, default=None)
    if newest is None or (known is not None and newest.version < known.version):
        if known is None:
            raise MetadataError(f"There is no {name} file.")
        return known
    if known is not None and newest.version == known.version:
        if newest.payload != known.payload:
            raise TamperedError(
                f"Version {newest.version} of {name} is another one than the one published here."
            )
        return known
    return newest


def _must_only_delegate(targets: Envelope) -> None:
    if _targets(targets):
        raise WrongProductError("The targets file lists files itself; only products may do so.")
    for product in products_of(targets):
        delegation = delegation_of(targets, product)
        if not is_product(product) or delegation.paths != (f"{product}/*/*",):
            raise WrongProductError(
                f"The targets file lets {product[:40]!r} sign other files than its own."
            )


def _must_stay(product: str, listed: Envelope, current: Statements | None) -> None:
    """A path means the same file for ever, and lies within its product."""
    for path in _targets(listed):
        parts = path.split("/")
        if len(parts) != _PATH_PARTS or parts[0] != product:
            raise WrongProductError(f"The list of {product} names {path[:200]!r}, not its own.")
        entry(listed, path)
    releases_of(listed)
    before = current.products.get(product) if current else None
    if before is None or before is listed:
        return
    for path in _targets(before):
        if path in _targets(listed) and entry(before, path) != entry(listed, path):
            raise TamperedError(
                f"The new list of {product} changes {path}, which has been published."
            )
