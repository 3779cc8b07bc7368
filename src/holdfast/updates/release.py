"""One signed software version of one product, and the rules that a device holds it to."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Self

from holdfast.core.clock import moment, stamp
from holdfast.updates.errors import (
    BelowFloorError,
    ExpiredError,
    MetadataError,
    ReleaseError,
    RollbackError,
    UpdateError,
    VersionError,
    WrongHardwareError,
    WrongProductError,
)

SCHEMA = 1
NOTES_CHARS = 4000
FIXES_MOST = 200
SIZE_MOST_BYTES = 1 << 40
SIDE_FILES = ("product.toml", "sbom.json", "audit.json")
RESERVED = frozenset({"root", "targets", "snapshot", "timestamp"})
"""Names of the roles that every repository has; no product may be called so."""

_PRODUCT = re.compile(r"[a-z][a-z0-9-]{1,30}")
_PART = r"(0|[1-9][0-9]{0,2})"
_VERSION = re.compile(rf"{_PART}\.{_PART}(?:\.{_PART})?", re.ASCII)
_HARDWARE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")
_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,127}")
_CVE = re.compile(r"CVE-[0-9]{4}-[0-9]{4,19}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_PATH_PARTS = 3


def is_product(text: str) -> bool:
    """Tell whether a text can be the id of a product (and so the name of its role)."""
    return _PRODUCT.fullmatch(text) is not None and text not in RESERVED


def is_cve(text: str) -> bool:
    """Tell whether a text has the form of a CVE id."""
    return _CVE.fullmatch(text) is not None


def is_sha256(text: str) -> bool:
    """Tell whether a text is a SHA-256 digest in lower-case hexadecimal."""
    return _SHA256.fullmatch(text) is not None


class Severity(StrEnum):
    """How urgent a release is for its owner."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """0 for low to 3 for critical."""
        return list(Severity).index(self)


@dataclass(frozen=True, slots=True, order=True, kw_only=True)
class Version:
    """A version that counts upward for ever; compared as numbers, never as text.

    Attributes:
        major: 0 to 999.
        minor: 0 to 999.
        patch: 0 to 999; left out of the label when 0.
    """

    major: int
    minor: int
    patch: int = 0

    def __post_init__(self) -> None:
        """Refuse parts that do not fit the number."""
        for part in (self.major, self.minor, self.patch):
            if not 0 <= part <= 999:  # noqa: PLR2004 - three decimal digits
                raise VersionError(f"{part} is not a number from 0 to 999.")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `1.1` or `1.2.3`.

        Raises:
            VersionError: It is neither.
        """
        found = _VERSION.fullmatch(text)
        if found is None:
            raise VersionError(f"{text[:40]!r} is not a version.")
        major, minor, patch = found.groups()
        return cls(major=int(major), minor=int(minor), patch=int(patch or 0))

    @classmethod
    def from_number(cls, number: int) -> Self:
        """Undo `number`."""
        return cls(major=number // 1_000_000, minor=number // 1_000 % 1_000, patch=number % 1_000)

    @property
    def number(self) -> int:
        """One integer below 2^30 that orders versions."""
        return self.major * 1_000_000 + self.minor * 1_000 + self.patch

    def __str__(self) -> str:
        """Write the label; `1.2.0` is written `1.2`."""
        label = f"{self.major}.{self.minor}"
        return f"{label}.{self.patch}" if self.patch else label


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """One signed software version offered to the devices of one product.

    Attributes:
        product: Id of the product.
        version: Newer than every version published before.
        hardware: Revisions that it fits, at least one.
        floor: Security floor: a device that has confirmed this release never goes below it.
        severity: How urgent it is.
        notes: What changes, in plain words, 1 to 4000 characters.
        fixes: CVE ids that it closes.
        artifact: File name of the image.
        size_bytes: Length of the image.
        sha256: Digest of the image, lower-case hexadecimal.
        made: When it was built, aware, UTC, whole seconds.
        expires: Moment after which no device may install it, aware, UTC, whole seconds.
        profile_sha256: Digest of the product profile that was signed with it.
        sbom_sha256: Digest of its list of components, if there is one.
        audit_sha256: Digest of its audit report, if there is one.

    Source:
        TUF specification, section 1.5.2: rollback, freeze, and wrong software attacks.
    """

    product: str
    version: Version
    hardware: tuple[str, ...]
    floor: Version
    severity: Severity
    notes: str
    fixes: tuple[str, ...]
    artifact: str
    size_bytes: int
    sha256: str
    made: datetime
    expires: datetime
    profile_sha256: str
    sbom_sha256: str | None = None
    audit_sha256: str | None = None

    def __post_init__(self) -> None:
        """Refuse nonsense, naming every fault at once."""
        faults = list(_faults(self))
        if faults:
            raise ReleaseError("; ".join(faults) + ".")

    @property
    def path(self) -> str:
        """Name of the image in the signed lists: product, version and file."""
        return f"{self.product}/{self.version}/{self.artifact}"

    def must_follow(self, current: Version, floor: Version) -> None:
        """Refuse a step back, the same step twice, and a step below the security floor.

        Raises:
            RollbackError: Not newer than `current`.
            BelowFloorError: Older than `floor`.
        """
        if self.version == current:
            raise RollbackError(f"Version {self.version} is already installed.")
        if self.version < current:
            raise RollbackError(
                f"The offered version {self.version} is older than version {current}, "
                "which is installed."
            )
        if self.version < floor:
            raise BelowFloorError(
                f"The offered version {self.version} has holes that were closed in version {floor}."
            )

    def must_fit(self, product: str, hardware: str) -> None:
        """Refuse software of another product or for other hardware revisions.

        Raises:
            WrongProductError: Made for another product.
            WrongHardwareError: Does not fit this revision.
        """
        if self.product != product:
            raise WrongProductError(
                f"The offered software was made for the product {self.product}; "
                f"this device is a {product}."
            )
        if hardware not in self.hardware:
            raise WrongHardwareError(
                f"The offered software fits hardware revision {', '.join(self.hardware)}; "
                f"this device has revision {hardware}."
            )

    def must_be_fresh(self, now: datetime) -> None:
        """Refuse a release after its own expiry.

        Raises:
            ExpiredError: `now` is at or past `expires`.
        """
        if now >= self.expires:
            raise ExpiredError(
                f"Version {self.version} may be installed until {stamp(self.expires)} only."
            )

    def to_custom(self) -> dict[str, Any]:
        """Return what is signed beside the length and digest of the image."""
        manifest: dict[str, Any] = {
            "schema": SCHEMA,
            "product": self.product,
            "version": str(self.version),
            "hardware": list(self.hardware),
            "floor": str(self.floor),
            "severity": str(self.severity),
            "notes": self.notes,
            "fixes": list(self.fixes),
            "made": stamp(self.made),
            "expires": stamp(self.expires),
            "profile_sha256": self.profile_sha256,
        }
        if self.sbom_sha256 is not None:
            manifest["sbom_sha256"] = self.sbom_sha256
        if self.audit_sha256 is not None:
            manifest["audit_sha256"] = self.audit_sha256
        return {"holdfast": manifest}

    @classmethod
    def from_target(cls, path: str, length: int, hashes: Mapping[str, str], custom: object) -> Self:
        """Read a release out of a signed list.

        Unknown keys are left alone, so that an old device can read a newer manifest.

        Args:
            path: `<product>/<version>/<file>`.
            length: Signed length in bytes.
            hashes: Signed digests by algorithm; `sha256` is needed.
            custom: What `to_custom` returned.

        Raises:
            WrongProductError: Path and manifest name different products.
            MetadataError: It is not the description of a release.
        """
        parts = path.split("/")
        manifest = custom.get("holdfast") if isinstance(custom, Mapping) else None
        if len(parts) != _PATH_PARTS or not isinstance(manifest, Mapping):
            raise MetadataError(f"{path[:200]!r} is not a release.")
        if manifest.get("schema") != SCHEMA:
            raise MetadataError(
                f"The description of {path[:200]!r} has a form that this program does not know."
            )
        try:
            release = cls(
                artifact=parts[2], size_bytes=length, sha256=hashes["sha256"], **_read(manifest)
            )
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise MetadataError(
                f"The description of {path[:200]!r} is incomplete or has values of a wrong kind."
            ) from error
        except UpdateError as error:
            raise MetadataError(f"The description of {path[:200]!r} is wrong: {error}") from error
        if parts[0] != release.product:
            raise WrongProductError(
                f"The list of {parts[0]} describes software of the product {release.product}."
            )
        if parts[1] != str(release.version):
            raise MetadataError(f"{path[:200]!r} describes itself as version {release.version}.")
        return release


def _read(manifest: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "product": _text(manifest["product"]),
        "version": Version.parse(_text(manifest["version"])),
        "hardware": tuple(_text(word) for word in _list(manifest["hardware"])),
        "floor": Version.parse(_text(manifest["floor"])),
        "severity": Severity(_text(manifest["severity"])),
        "notes": _text(manifest["notes"]),
        "fixes": tuple(_text(word) for word in _list(manifest["fixes"])),
        "made": moment(_text(manifest["made"])),
        "expires": moment(_text(manifest["expires"])),
        "profile_sha256": _text(manifest["profile_sha256"]),
        "sbom_sha256": _text_or_none(manifest.get("sbom_sha256")),
        "audit_sha256": _text_or_none(manifest.get("audit_sha256")),
    }


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _text_or_none(value: object) -> str | None:
    return None if value is None else _text(value)


def _list(value: object) -> list[object]:
    if not isinstance(value, list):
        raise TypeError
    return value


def _faults(release: Release) -> Iterator[str]:
    if not is_product(release.product):
        yield f"{release.product[:40]!r} is not the id of a product"
    if not release.hardware or not all(_HARDWARE.fullmatch(name) for name in release.hardware):
        yield "hardware revisions are missing or have signs other than A-Z a-z 0-9 . _ -"
    if len(set(release.hardware)) != len(release.hardware):
        yield "a hardware revision is named twice"
    if release.floor > release.version:
        yield f"the security floor {release.floor} is above the version {release.version} itself"
    yield from _faults_of_text(release)
    yield from _faults_of_file(release)
    if any(time.tzinfo is not UTC or time.microsecond for time in (release.made, release.expires)):
        yield "times are not whole seconds in UTC"
    elif release.expires <= release.made:
        yield "it expires before it is made"


def _faults_of_text(release: Release) -> Iterator[str]:
    if not release.notes.strip():
        yield "the notes are empty; say in plain words what changes for the owner"
    if len(release.notes) > NOTES_CHARS:
        yield f"the notes have more than {NOTES_CHARS} characters"
    if not all(sign.isprintable() or sign in "\n\t" for sign in release.notes):
        yield "the notes have control characters"
    for name in release.fixes:
        if not is_cve(name):
            yield f"{name[:40]!r} is not a CVE id (such as CVE-2026-12345)"
    if len(release.fixes) > FIXES_MOST or len(set(release.fixes)) != len(release.fixes):
        yield f"CVE ids are repeated or more than {FIXES_MOST}"


def _faults_of_file(release: Release) -> Iterator[str]:
    if not _FILE.fullmatch(release.artifact) or release.artifact in SIDE_FILES:
        yield f"{release.artifact[:40]!r} cannot be the file name of an image"
    if not 0 < release.size_bytes <= SIZE_MOST_BYTES:
        yield "the image is empty or larger than a tebibyte"
    digests = [release.sha256, release.profile_sha256, release.sbom_sha256, release.audit_sha256]
    if not all(digest is None or is_sha256(digest) for digest in digests):
        yield "a digest is not 64 lower-case hexadecimal digits"
