"""The signed and half-signed files in a workshop, and which of them count."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from holdfast.core.files import write_whole
from holdfast.updates.client import NAME
from holdfast.updates.errors import MetadataError, WorkshopError
from holdfast.updates.inspection import (
    Delegation,
    Envelope,
    Verdict,
    delegation_of,
    judge,
    parse,
)
from holdfast.updates.online import ROLES
from holdfast.updates.upstream import Metadata, Root, Targets

ROOT, TARGETS = "root", "targets"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One version of one role, held against those who have a say in it.

    Attributes:
        envelope: The file.
        verdicts: One for each group that must sign; a root after the first has two.
    """

    envelope: Envelope
    verdicts: tuple[Verdict, ...]

    @property
    def complete(self) -> bool:
        """Tell whether every group has signed enough."""
        return all(verdict.enough for verdict in self.verdicts)

    @property
    def signed_by(self) -> frozenset[str]:
        """Ids of the keys whose signature counts."""
        return frozenset().union(*(verdict.valid for verdict in self.verdicts))


class Shelf:
    """Every version of every role in a folder, by name `<version>.<role>.json`."""

    def __init__(self, folder: Path) -> None:
        """Name the folder."""
        self.folder = folder

    def versions(self, role: str) -> list[Envelope]:
        """Return every version of a role, oldest first.

        Raises:
            MetadataError: A file makes no sense.
        """
        found = []
        for path in self.folder.glob(f"*.{role}.json"):
            match = NAME.fullmatch(path.name)
            if match and match.group(2) == role:
                kind = ROOT if role == ROOT else TARGETS
                envelope = parse(path.read_bytes(), kind=kind, name=role)
                if f"{envelope.version}.{role}.json" != path.name:
                    raise MetadataError(f"{path} calls itself version {envelope.version} inside.")
                found.append(envelope)
        return sorted(found, key=lambda each: each.version)

    def products(self) -> list[str]:
        """Return the products that have a list of releases here."""
        names = {
            match.group(2) for path in self.folder.iterdir() if (match := NAME.fullmatch(path.name))
        }
        return sorted(names - {ROOT, TARGETS, *ROLES})

    def write(self, role: str, metadata: "Metadata[Root] | Metadata[Targets]") -> None:
        """Write one version, whole or not at all."""
        write_whole(self.folder / f"{metadata.signed.version}.{role}.json", metadata.to_bytes())

    def roots(self) -> list[Standing]:
        """Return the chain of roots; only the last may still lack signatures.

        Raises:
            WorkshopError: The chain has a gap.
        """
        chain: list[Standing] = []
        for number, envelope in enumerate(self.versions(ROOT), start=1):
            if envelope.version != number:
                raise WorkshopError(f"The workshop lacks {number}.root.json.")
            groups = [envelope] if number == 1 else [chain[-1].envelope, envelope]
            verdicts = tuple(judge(envelope, delegation_of(each, ROOT)) for each in groups)
            chain.append(Standing(envelope=envelope, verdicts=verdicts))
        if not chain:
            raise WorkshopError("The workshop has no root file.")
        return chain

    def standings(self, role: str, delegation: Delegation) -> list[Standing]:
        """Return every version of a role as one delegation judges it, oldest first."""
        return [
            Standing(envelope=each, verdicts=(judge(each, delegation),))
            for each in self.versions(role)
        ]

    def merge(self, role: str, envelope: Envelope) -> bool:
        """Take in a version from another workshop, or its signatures if we have that version.

        Returns:
            Whether anything was new.

        Raises:
            WorkshopError: We have another file of that version.
        """
        mine = {each.version: each for each in self.versions(role)}.get(envelope.version)
        if mine is None:
            write_whole(self.folder / f"{envelope.version}.{role}.json", envelope.raw)
            return True
        if mine.payload != envelope.payload:
            error = WorkshopError(
                f"Version {envelope.version} of {role} here is another one than in that folder."
            )
            error.hint = "Two people went on from the same state; one of them must begin again."
            raise error
        if envelope.signatures.keys() <= mine.signatures.keys():
            return False
        ours: Metadata[Targets] = Metadata.from_bytes(mine.raw)
        theirs: Metadata[Targets] = Metadata.from_bytes(envelope.raw)
        for keyid, signature in theirs.signatures.items():
            ours.signatures.setdefault(keyid, signature)
        self.write(role, ours)
        return True


def newest_complete(standings: list[Standing]) -> Standing | None:
    """Return the newest version that has all its signatures."""
    return next((each for each in reversed(standings) if each.complete), None)


def root_of(envelope: Envelope) -> Root:
    """Return a root as python-tuf sees it, to be changed."""
    metadata: Metadata[Root] = Metadata.from_bytes(envelope.raw)
    return metadata.signed


def targets_of(envelope: Envelope) -> Targets:
    """Return a targets file or list of releases as python-tuf sees it, to be changed."""
    metadata: Metadata[Targets] = Metadata.from_bytes(envelope.raw)
    return metadata.signed


def custom_of(targets: Targets) -> Mapping[str, object]:
    """Return what is listed, by path, comparable."""
    return {path: target.to_dict() for path, target in targets.targets.items()}
