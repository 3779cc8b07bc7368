"""The maker's folder: what is signed, who has signed it, and what is to be done next.

Nothing here is secret but the sealed key files, and nothing here is ever on the hub. Several
people may each have a copy; `take_in` brings their signatures together.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Self

from holdfast.core.files import write_whole
from holdfast.updates.admission import read
from holdfast.updates.drafts import (
    ROOT,
    TARGETS,
    Shelf,
    Standing,
    custom_of,
    newest_complete,
    root_of,
    targets_of,
)
from holdfast.updates.errors import (
    ForeignKeyError,
    KeyFileError,
    MetadataError,
    RollbackError,
    WorkshopError,
)
from holdfast.updates.inspection import Delegation, Envelope, delegation_of, judge, products_of
from holdfast.updates.keys import PublicKey, SigningKey
from holdfast.updates.lifetimes import STANDARD, Lifetimes
from holdfast.updates.online import ROLES, read_online
from holdfast.updates.progress import RoleStatus, describe, differences, held_by_hub
from holdfast.updates.release import Release, is_product
from holdfast.updates.rosters import empty_roles, exchange, must_suffice, one_of, used
from holdfast.updates.upstream import (
    DelegatedRole,
    Delegations,
    Metadata,
    Root,
    TargetFile,
    Targets,
)

SCHEMA = 1
_SETTINGS = "workshop.json"
_SOON = timedelta(days=45)


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Who shall have a say when a workshop begins.

    Attributes:
        online: What `OnlineKeys.public_bytes` wrote on the hub.
        root: Public parts of the root keys.
        targets: Public parts of the targets keys.
        root_threshold: So many root keys must sign.
        targets_threshold: So many targets keys must sign.
    """

    online: bytes
    root: Sequence[PublicKey]
    targets: Sequence[PublicKey]
    root_threshold: int = 2
    targets_threshold: int = 1


class Workshop:
    """The folder `metadata/` with every version of every role, and `keys/` with sealed keys."""

    def __init__(self, folder: Path) -> None:
        """Open a workshop.

        Raises:
            WorkshopError: The folder is not a workshop.
        """
        self.folder = folder
        self.keys = folder / "keys"
        self._shelf = Shelf(folder / "metadata")
        self._lifetimes = _settings(folder)

    @classmethod
    def init(
        cls, folder: Path, start: Start, *, now: datetime, lifetimes: Lifetimes = STANDARD
    ) -> Self:
        """Begin a workshop: root and targets file in version 1, not signed yet.

        Raises:
            WorkshopError: There is a workshop already.
            KeyFileError: Keys of a wrong role, repeated keys, or a threshold that cannot be met.
        """
        if (folder / _SETTINGS).exists():
            error = WorkshopError(f"{folder} is a workshop already.")
            error.hint = "`holdfast keys status` shows what is in it."
            raise error
        must_suffice(start.root, start.root_threshold, ROOT)
        must_suffice(start.targets, start.targets_threshold, TARGETS)
        root = Root(
            version=1, expires=now + lifetimes.root, consistent_snapshot=True, roles=empty_roles()
        )
        for key in (*start.root, *start.targets, *read_online(start.online)):
            root.add_key(key.tuf_key(), key.role)
        root.roles[ROOT].threshold = start.root_threshold
        root.roles[TARGETS].threshold = start.targets_threshold
        targets = Targets(
            version=1, expires=now + lifetimes.targets, delegations=Delegations({}, {})
        )
        (folder / "metadata").mkdir(parents=True, exist_ok=True)
        (folder / "keys").mkdir(mode=0o700, exist_ok=True)
        shelf = Shelf(folder / "metadata")
        shelf.write(ROOT, Metadata(root))
        shelf.write(TARGETS, Metadata(targets))
        # The settings come last: with them the folder is a workshop.
        write_whole(folder / _SETTINGS, _written(lifetimes))
        return cls(folder)

    def add_product(
        self, product: str, keys: Sequence[PublicKey], *, threshold: int = 1, now: datetime
    ) -> None:
        """Let some keys sign the releases of one more product; the targets file must be signed.

        Raises:
            WorkshopError: The product has its keys already, or its id makes no sense.
            KeyFileError: Keys of a wrong role, repeated keys, or a threshold that cannot be met.
        """
        if not is_product(product):
            raise WorkshopError(f"{product[:40]!r} cannot be the id of a product.")
        must_suffice(keys, threshold, product)
        targets = targets_of(self._newest(TARGETS))
        delegations = targets.delegations or Delegations({}, {})
        if product in (delegations.roles or {}):
            error = WorkshopError(f"The product {product} has its keys already.")
            error.hint = "Exchange keys with `holdfast keys rotate`."
            raise error
        for key in keys:
            delegations.keys[key.keyid] = key.tuf_key()
        roles = delegations.roles or {}
        roles[product] = DelegatedRole(
            product, [key.keyid for key in keys], threshold, terminating=True,
            paths=[f"{product}/*/*"],
        )  # fmt: skip
        targets.delegations = Delegations(delegations.keys, roles)
        self._draft_targets(targets, now)

    def stage_release(
        self,
        release: Release,
        beside: Mapping[str, tuple[int, str]],
        *,
        now: datetime,
        discard_draft: bool = False,
    ) -> bool:
        """Put a release on the list of its product; the list must be signed.

        A second signer comes to the same list: if the newest version of it lacks signatures and
        holds just this release, it is left as it is.

        Args:
            release: What is to be signed.
            beside: Length and SHA-256 of `product.toml`, `sbom.json`, `audit.json` by path.
            now: The present moment.
            discard_draft: Give up another release that waits for signatures.

        Returns:
            Whether a new version of the list was made.

        Raises:
            RollbackError: The list has that version or a newer one.
            WorkshopError: The product has no keys, or another release waits for signatures.
        """
        standings = self._standings(release.product)
        base = self._base(release.product)
        before = targets_of(base) if base else Targets(version=1)
        wanted = dict(before.targets)
        wanted[release.path] = TargetFile(
            release.size_bytes,
            {"sha256": release.sha256},
            release.path,
            {"custom": release.to_custom()},
        )
        for path, (size_bytes, sha256) in beside.items():
            wanted[path] = TargetFile(size_bytes, {"sha256": sha256}, path)
        after = Targets(targets=wanted)
        newest = standings[-1] if standings else None
        if newest and custom_of(targets_of(newest.envelope)) == custom_of(after):
            return False
        self._must_be_newer(release, before)
        if newest and not newest.complete and not discard_draft:
            error = WorkshopError(
                f"Version {newest.envelope.version} of the list of {release.product} holds "
                "something else and waits for signatures."
            )
            error.hint = "Sign that one first (see `holdfast keys status`), or --discard-draft."
            raise error
        after.version = newest.envelope.version + 1 if newest else 1
        after.expires = now + self._lifetimes.product
        self._shelf.write(release.product, Metadata(after))
        return True

    def sign(self, role: str, key: SigningKey) -> bool:
        """Add one signature to the newest version of a role.

        Returns:
            Whether the version now has all the signatures that it needs.

        Raises:
            ForeignKeyError: The key has no say in the role.
            WorkshopError: There is nothing to sign.
        """
        newest = self._newest(role)
        if not any(key.public.keyid in each.keys for each in self._groups(role)):
            error = ForeignKeyError(
                f"The key {key.public.keyid[:12]}, made for {key.public.role}, "
                f"has no say in {role}."
            )
            error.hint = "`holdfast keys status` shows whose signature is needed."
            raise error
        metadata: Metadata[Root] | Metadata[Targets] = Metadata.from_bytes(newest.raw)
        metadata.sign(key.signer, append=True)
        self._shelf.write(role, metadata)
        return self._standings(role)[-1].complete

    def renew(self, role: str, *, now: datetime) -> None:
        """Make a new version with the same content and a later expiry; it must be signed.

        Raises:
            WorkshopError: There is nothing to renew.
        """
        newest = self._newest(role)
        if role == ROOT:
            self._draft_root(root_of(newest), now)
        elif role == TARGETS:
            self._draft_targets(targets_of(newest), now)
        else:
            self._draft_list(role, targets_of(self._base(role) or newest), now)

    def rotate(self, role: str, *, old: str, new: PublicKey, now: datetime) -> list[str]:
        """Put a new key in the place of an old one; the old one has no say any more.

        Args:
            role: `root`, `targets`, or a product.
            old: Id of the key that goes, or its first 8 digits or more.
            new: The key that comes.
            now: The present moment.

        Returns:
            The roles that must be signed now.

        Raises:
            KeyFileError: The old key has no say, or the new one has one already or is of
                another role.
        """
        must_suffice([new], 1, role)
        delegation = self._groups(role)[-1]
        keyid = self.must_have(role, old)
        if new.keyid in delegation.keys or new.public in delegation.keys.values():
            raise KeyFileError(f"The new key {new.keyid[:12]} has a say in {role} already.")
        if role in {ROOT, TARGETS}:
            root = root_of(self._newest(ROOT))
            exchange(root.roles[role].keyids, keyid, new.keyid)
            root.keys[new.keyid] = new.tuf_key()
            root.keys = used(root.keys, list(root.roles.values()))
            if role == TARGETS:
                # First the harmless half: a power cut between the two loses nothing.
                self._draft_targets(targets_of(self._newest(TARGETS)), now)
            self._draft_root(root, now)
            return [ROOT, TARGETS] if role == TARGETS else [ROOT]
        targets = targets_of(self._newest(TARGETS))
        delegations = targets.delegations
        if delegations is None or delegations.roles is None:
            raise WorkshopError(f"The product {role} has no keys yet.")
        exchange(delegations.roles[role].keyids, keyid, new.keyid)
        delegations.keys[new.keyid] = new.tuf_key()
        delegations.keys = used(delegations.keys, list(delegations.roles.values()))
        waiting = [TARGETS]
        base = self._base(role)
        if base is not None:
            self._draft_list(role, targets_of(base), now)
            waiting.append(role)
        self._draft_targets(targets, now)
        return waiting

    def must_have(self, role: str, keyid: str) -> str:
        """Find a key that has a say in a role by the beginning of its id.

        Raises:
            KeyFileError: No key of the role has such an id.
            WorkshopError: The role does not exist.
        """
        return one_of(self._groups(role)[-1].keys, keyid, role)

    def rotate_online(self, online: bytes, *, now: datetime) -> list[str]:
        """Let the root name other keys of the hub; the root must be signed.

        Args:
            online: What `OnlineKeys.public_bytes` wrote on the hub.
            now: The present moment.

        Returns:
            The roles that must be signed now.

        Raises:
            KeyFileError: It is not such a file, or the root names these keys already.
        """
        root = root_of(self._newest(ROOT))
        keys = read_online(online)
        if all(root.roles[key.role].keyids == [key.keyid] for key in keys):
            raise KeyFileError("The root names these keys of the hub already.")
        for key in keys:
            root.roles[key.role].keyids = [key.keyid]
            root.keys[key.keyid] = key.tuf_key()
        root.keys = used(root.keys, list(root.roles.values()))
        self._draft_root(root, now)
        return [ROOT]

    def products(self) -> tuple[str, ...]:
        """Return the products that have keys."""
        return products_of(self._newest(TARGETS))

    def status(self, now: datetime) -> list[RoleStatus]:
        """Say of every role where it stands and what to do next."""
        found = [
            describe(role, self._groups(role), self._standings(role), now)
            for role in (ROOT, TARGETS, *self.products())
        ]
        root = self._newest(ROOT)
        return found + [held_by_hub(role, delegation_of(root, role)) for role in ROLES]

    def changes(self, role: str) -> list[str]:
        """Say in words what the newest version of a role changes: what a signer agrees to."""
        standings = self._standings(role)
        if not standings:
            return []
        newest = standings[-1].envelope
        if role in {ROOT, TARGETS}:
            earlier = [each.envelope for each in standings[:-1] if each.complete]
            before = earlier[-1] if earlier else None
        else:
            before = self._base(role, below=newest.version)
        return differences(before, newest)

    def take_in(self, files: Mapping[str, bytes]) -> list[str]:
        """Take in versions and signatures from another copy of the workshop, or a release folder.

        Nothing is believed: a version counts only with its signatures, whoever brings it, and one
        without a single good signature is left out.

        Returns:
            The roles of which something was new.

        Raises:
            WorkshopError: Two different files claim to be the same version.
        """
        by_role = read(files)
        changed = set()
        for role in sorted(by_role, key=lambda each: (each != ROOT, each != TARGETS)):
            if role not in {ROOT, TARGETS, *self.products()}:
                raise MetadataError(f"The targets file does not name the product {role}.")
            for version in sorted(by_role[role]):
                if role == ROOT and version > self._newest(ROOT).version + 1:
                    raise WorkshopError(f"The root {version - 1} is missing in that folder.")
                envelope = by_role[role][version]
                if self.is_ours(role, envelope) and self._shelf.merge(role, envelope):
                    changed.add(role)
        return sorted(changed)

    def files(self, product: str | None = None) -> dict[str, bytes]:
        """Return what a hub needs: roots, targets file, and lists of releases, by name.

        A list that still lacks signatures is given as well when it is the newest of `product`;
        the hub refuses it and says so.

        Args:
            product: Only the list of this product; `None` for all.

        Raises:
            WorkshopError: Root or targets file lack signatures.
        """
        roots = [each for each in self._shelf.roots() if each.complete]
        if not roots:
            raise _unfinished(ROOT)
        root = roots[-1].envelope
        targets = newest_complete(self._shelf.standings(TARGETS, delegation_of(root, TARGETS)))
        if targets is None:
            raise _unfinished(TARGETS)
        found = {f"{each.envelope.version}.root.json": each.envelope.raw for each in roots}
        found[f"{targets.envelope.version}.targets.json"] = targets.envelope.raw
        for name in products_of(targets.envelope):
            if product not in {None, name}:
                continue
            lists = self._shelf.standings(name, delegation_of(targets.envelope, name))
            chosen = lists[-1] if product and lists else newest_complete(lists)
            if chosen is not None:
                found[f"{chosen.envelope.version}.{name}.json"] = chosen.envelope.raw
        return found

    def is_ours(self, role: str, envelope: Envelope) -> bool:
        """Tell whether somebody with a say here has signed it."""
        groups = self._groups(role)
        if role == ROOT:
            groups = [*groups, delegation_of(self._newest(ROOT), ROOT)]
        return any(judge(envelope, group).valid for group in groups)

    def _groups(self, role: str) -> list[Delegation]:
        """Return those who must sign the newest version of a role."""
        if role == ROOT:
            roots = [each.envelope for each in self._shelf.roots()[-2:]]
            return [delegation_of(each, ROOT) for each in roots]
        parent = self._newest(ROOT if role == TARGETS else TARGETS)
        if role != TARGETS and role not in products_of(parent):
            error = WorkshopError(f"The product {role[:40]} has no keys yet.")
            error.hint = f"Run `holdfast keys add-product {role[:40]}`."
            raise error
        return [delegation_of(parent, role)]

    def _standings(self, role: str) -> list[Standing]:
        if role == ROOT:
            return self._shelf.roots()
        return self._shelf.standings(role, self._groups(role)[0])

    def _base(self, product: str, *, below: int | None = None) -> Envelope | None:
        """Return the newest list that was complete once, under the keys of then or of now."""
        parents = [each for each in self._shelf.versions(TARGETS) if product in products_of(each)]
        for envelope in reversed(self._shelf.versions(product)):
            if below is not None and envelope.version >= below:
                continue
            if any(judge(envelope, delegation_of(each, product)).enough for each in parents):
                return envelope
        return None

    def _newest(self, role: str) -> Envelope:
        versions = self._shelf.versions(role)
        if not versions:
            raise WorkshopError(f"There is nothing of {role[:40]} yet.")
        return versions[-1]

    def _draft_root(self, root: Root, now: datetime) -> None:
        """Write the next root; one that was not complete yet is changed and signed again."""
        newest = self._shelf.roots()[-1]
        root.version = newest.envelope.version + (1 if newest.complete else 0)
        root.expires = now + self._lifetimes.root
        self._shelf.write(ROOT, Metadata(root))

    def _draft_targets(self, targets: Targets, now: datetime) -> None:
        targets.version = self._newest(TARGETS).version + 1
        targets.expires = now + self._lifetimes.targets
        self._shelf.write(TARGETS, Metadata(targets))

    def _draft_list(self, product: str, listed: Targets, now: datetime) -> None:
        listed.version = self._newest(product).version + 1
        listed.expires = now + self._lifetimes.product
        self._shelf.write(product, Metadata(listed))

    def _must_be_newer(self, release: Release, before: Targets) -> None:
        for path, target in before.targets.items():
            if target.custom is None:
                continue
            each = Release.from_target(path, target.length, target.hashes, target.custom)
            if each.version >= release.version:
                raise RollbackError(
                    f"Version {release.version} is not newer than version {each.version}, "
                    f"which is on the signed list of {release.product}."
                )


def _unfinished(role: str) -> WorkshopError:
    error = WorkshopError(f"The {role} file lacks signatures, so no hub would take it.")
    error.hint = f"Run `holdfast keys sign --role {role}` with each key that is missing."
    return error


def _settings(folder: Path) -> Lifetimes:
    try:
        fields = json.loads((folder / _SETTINGS).read_bytes())
        if fields["schema"] != SCHEMA:
            raise ValueError  # noqa: TRY301 - becomes ours below
        days = {name: timedelta(seconds=fields["lifetimes_s"][name]) for name in _NAMES}
    except (OSError, ValueError, KeyError, TypeError) as error:
        refusal = WorkshopError(f"{folder} is not a workshop.")
        refusal.hint = "Begin one with `holdfast keys init`, or give another folder."
        raise refusal from error
    return Lifetimes(**days)


_NAMES = ("root", "targets", "product", "snapshot", "timestamp")


def _written(lifetimes: Lifetimes) -> bytes:
    seconds = {name: int(getattr(lifetimes, name).total_seconds()) for name in _NAMES}
    return json.dumps({"schema": SCHEMA, "lifetimes_s": seconds}, indent=2).encode() + b"\n"
