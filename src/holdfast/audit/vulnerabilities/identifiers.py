"""Names that catalogues use: CVE ids, CPE names, and vendor and product as plain words."""

import re
from typing import NamedTuple

_CVE = re.compile(r"CVE-(\d{4})-(\d{4,9})", re.IGNORECASE)
_CVE_ANYWHERE = re.compile(r"\bCVE-\d{4}-\d{4,9}\b", re.IGNORECASE)
_PER_YEAR = 10**9
_CPE_PARTS = 13
_URI_PARTS = 5
_MOST_CHARS = 1000
_PERCENT = re.compile(r"%([0-9a-fA-F]{2})")


def number_of(cve: str) -> int | None:
    """Write a CVE id as a number that sorts like it; None if it is no CVE id."""
    found = _CVE.fullmatch(cve.strip())
    return int(found[1]) * _PER_YEAR + int(found[2]) if found else None


def cve_of(number: int) -> str:
    """Undo `number_of`."""
    year, serial = divmod(number, _PER_YEAR)
    return f"CVE-{year}-{serial:04d}"


def cves_in(text: str) -> list[str]:
    """Find the CVE ids in a text, each once, upper case."""
    return list(dict.fromkeys(found.upper() for found in _CVE_ANYWHERE.findall(text)))


class Cpe(NamedTuple):
    """What is used of a CPE name; values are lower case and without backslashes.

    Attributes:
        part: `a` application, `o` operating system or firmware, `h` hardware.
        vendor, product, version, update: As named; `*` any, `-` not applicable.
        edition: Software edition.
        target: Target software, for example `windows`.
    """

    part: str
    vendor: str
    product: str
    version: str = "*"
    update: str = "*"
    edition: str = "*"
    target: str = "*"

    @property
    def name(self) -> str:
        """Vendor and product, by which statements are found."""
        return f"{self.vendor}:{self.product}"

    @property
    def whole_version(self) -> str:
        """Version and update in one, `8.3p1` for `8.3:p1`."""
        return self.version if self.update in {"*", "-", ""} else f"{self.version}-{self.update}"


def read_cpe(text: str) -> Cpe | None:
    """Read a CPE 2.3 string or 2.2 URI; None if it is neither."""
    if len(text) > _MOST_CHARS:
        return None
    lower = text.strip().lower()
    if lower.startswith("cpe:2.3:"):
        parts = [re.sub(r"\\(.)", r"\1", part) for part in re.split(r"(?<!\\):", lower)]
        if len(parts) != _CPE_PARTS:
            return None
        _, _, part, vendor, product, version, update, _, _, edition, target, _, _ = parts
    elif lower.startswith("cpe:/"):
        fields = [_PERCENT.sub(_byte, field) for field in lower[5:].split(":")]
        fields += ["*"] * (_URI_PARTS - len(fields))
        part, vendor, product, version, update = (field or "*" for field in fields[:_URI_PARTS])
        edition = target = "*"
    else:
        return None
    if part not in {"a", "o", "h"} or vendor in {"", "*"} or product in {"", "*"}:
        return None
    return Cpe(part, vendor, product, version or "*", update or "*", edition or "*", target or "*")


def _byte(found: "re.Match[str]") -> str:
    return chr(int(found[1], 16))


_SPACES = re.compile(r"[\s_]+")
_COMPANY = re.compile(
    r",?_(?:inc|ltd|llc|gmbh|corp|corporation|co|company|project|foundation|systems|technologies)"
    r"\.?$"
)
NAMELESS = frozenset({"", "n/a", "na", "-", "*", "unknown", "unspecified", "none"})


def plain_name(text: str) -> str:
    """Write a vendor or product as CPE does; "" for `n/a` and its likes."""
    name = _SPACES.sub("_", text.strip().lower()[:200])
    return "" if name in NAMELESS else name


def plain_vendor(text: str) -> str:
    """Write a vendor as CPE does, without the form of its company."""
    name = plain_name(text)
    while (shorter := _COMPANY.sub("", name)) != name and shorter:
        name = shorter
    return name


def letters_of(text: str) -> str:
    """Keep letters and digits only, by which `D-Link`, `dlink` and `D LINK` are one."""
    return re.sub(r"[^a-z0-9]", "", text.lower())
