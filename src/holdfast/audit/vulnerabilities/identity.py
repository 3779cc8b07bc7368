"""Which product an image is for: from the profile, the header, or the image's own files."""

import re
import struct
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from posixpath import basename
from typing import Final

from holdfast.audit.errors import FormatError
from holdfast.audit.tree import Tree
from holdfast.audit.vulnerabilities.identifiers import letters_of
from holdfast.product.profile import Profile

MOST_FILES = 400
MOST_BYTES = 4 * 1024 * 1024
MOST_FILE_BYTES = 64 * 1024
HEAD_BYTES = 1024 * 1024
"""How much of the beginning of an image is looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What product an image is for.

    Attributes:
        vendor: The maker, as written.
        model: Model, as written.
        revisions: Hardware revisions; empty if not known.
        version: Of the firmware; "" if not known.
        where: Places that say so, `path:line` or `:image@offset`, the best first.
        sure: Whether it stands where the maker puts it, not only on a page.
    """

    vendor: str
    model: str
    revisions: tuple[str, ...] = ()
    version: str = ""
    where: tuple[str, ...] = ()
    sure: bool = True


@dataclass(slots=True)
class _Clue:
    kind: str  # vendor, model, revision, version
    value: str
    where: str


def identify(tree: Tree, *, head: bytes = b"", profile: Profile | None = None) -> Identity | None:
    """Tell which product an image is for.

    Args:
        tree: The image's files.
        head: Beginning of the image file, if there is one; `HEAD_BYTES` are looked at.
        profile: What the maker declares; it is believed.

    Returns:
        The product; None if vendor or model cannot be told.
    """
    if profile is not None:
        who = profile.identity
        return Identity(
            vendor=who.vendor, model=who.model, revisions=who.hardware, where=("product.toml",)
        )
    clues = [*_from_head(head[:HEAD_BYTES]), *_from_files(tree)]
    found = _together(clues)
    return found or _from_pages(tree, clues)


def _together(clues: list[_Clue]) -> Identity | None:
    vendor, model = _first(clues, "vendor"), _first(clues, "model")
    if vendor is None or model is None:
        return None
    models = {letters_of(clue.value) for clue in clues if clue.kind == "model"}
    revision, version = _first(clues, "revision"), _first(clues, "version")
    used = [clue for clue in (model, vendor, revision, version) if clue is not None]
    return Identity(
        vendor=vendor.value,
        model=model.value,
        revisions=(revision.value.lower(),) if revision else (),
        version=version.value if version else "",
        where=tuple(dict.fromkeys(clue.where for clue in used)),
        sure=len(models) == 1,
    )


def _first(clues: list[_Clue], kind: str) -> _Clue | None:
    return next((clue for clue in clues if clue.kind == kind), None)


# What the first eight digits of a TP-Link header's hardware id stand for; the last four are the
# revision in decimal digits.
_TP_LINK: Final = {
    0x0703: "TL-WR703N", 0x0740: "TL-WR740N", 0x0741: "TL-WR741ND", 0x0841: "TL-WR841N",
    0x0842: "TL-WR842ND", 0x0843: "TL-WR843ND", 0x0940: "TL-WR940N", 0x0941: "TL-WR941ND",
    0x1043: "TL-WR1043ND", 0x3020: "TL-MR3020", 0x3040: "TL-MR3040", 0x3220: "TL-MR3220",
    0x3420: "TL-MR3420", 0x3600: "TL-WDR3600", 0x4300: "TL-WDR4300",
}  # fmt: skip
_TP_LINK_AT: Final = {1: 0x40, 2: 0x40, 3: 0x34}  # by the version of the header
_HEAD_LEAST = 0x48
_SUPPORTED = re.compile(rb"\{?product_name:([\w .-]{2,40}),\s?product_ver:(\d{1,2})\.\d")
_SIGNATURE = re.compile(rb"signature=([a-z0-9_-]{4,60})\0")
_D_LINK_MODEL = re.compile(
    r"(dir|dap|dwr|dwl|dsl|dcs|dns|dva|dsr|dhp|dsp|dch)[_-]?(\d{2,4}[a-z]{0,2}?)"
    r"(?:_?([a-e]\d?))?(?:_.*)?"
)
_NETGEAR = re.compile(rb"device:([A-Z]{1,6}\d{2,5}[A-Za-z0-9v-]{0,10})\nversion:V?([\w.]{3,30})\n")


def _from_head(head: bytes) -> Iterator[_Clue]:
    if len(head) >= _HEAD_LEAST:
        number = struct.unpack_from("<I", head)[0]
        number = number if number < max(_TP_LINK_AT) + 1 else number >> 24
        place = _TP_LINK_AT.get(number, 0)
        hardware, revision = struct.unpack_from(">HH", head, place)
        if place and hardware in _TP_LINK and revision and f"{revision:x}".isdigit():
            where = f":image@{place:#x}"
            yield _Clue("vendor", "TP-Link", where)
            yield _Clue("model", _TP_LINK[hardware], where)
            yield _Clue("revision", f"v{revision:x}", where)
    if (found := _SUPPORTED.search(head)) is not None:
        where = f":image@{found.start():#x}"
        yield _Clue("vendor", "TP-Link", where)
        yield _Clue("model", found[1].decode(), where)
        yield _Clue("revision", f"v{found[2].decode()}", where)
    if (found := _SIGNATURE.search(head[:4096])) is not None:
        yield from _from_signature(found[1].decode(), f":image@{found.start():#x}")
    if (found := _NETGEAR.search(head[:1024])) is not None:
        where = f":image@{found.start():#x}"
        yield _Clue("vendor", "Netgear", where)
        yield _Clue("model", found[1].decode(), where)
        yield _Clue("version", found[2].decode(), where)


def _from_signature(signature: str, where: str) -> Iterator[_Clue]:
    """Read D-Link's `wrgn49_dlob_dir300b5`: board, maker, model and revision."""
    words = signature.split("_")
    if "dlob" not in words and "dlwbr" not in words:
        return
    found = _D_LINK_MODEL.fullmatch("_".join(words[2:]))
    if found is not None:
        yield _Clue("vendor", "D-Link", where)
        yield _Clue("model", f"{found[1].upper()}-{found[2].upper()}", where)
        if found[3]:
            yield _Clue("revision", found[3], where)


_KINDS: Final = {
    "vendor": "vendor", "vendorname": "vendor", "manufacturer": "vendor", "oem": "vendor",
    "devicemanufacturer": "vendor", "modelname": "model", "productmodel": "model",
    "devicemodel": "model", "model": "model", "modelnumber": "model", "productname": "model",
    "deviceproduct": "model", "hwversion": "revision", "hardwareversion": "revision",
    "hwver": "revision", "hwrev": "revision", "hardwarerevision": "revision",
    "devicerevision": "revision", "productver": "revision", "firmwareversion": "version",
    "fwversion": "version", "softwareversion": "version", "buildver": "version",
}  # fmt: skip
_NAMES = re.compile(
    r"(?:.*(?:version|model|device|product|sysinfo|board|vendor|identity|brand|oem).*"
    r"|image_sign|fw_sign|buildver|.*\.(?:xml|conf|cfg|ini|json|txt))",
    re.IGNORECASE,
)
_PLACES = ("etc", "usr/etc", "etc_ro", "etc/config", "etc/defnodes", "usr/share/misc")
_PAIR = re.compile(
    r"""<(?P<tag>[A-Za-z_]{3,30})>(?P<inside>[^<>{}$?]{1,60})</(?P=tag)>"""
    r"""|^[ \t]*["']?(?P<key>[A-Za-z_]{3,30})["']?[ \t]*[=:][ \t]*["']?"""
    r"""(?P<value>[^"'\s;,$<>{}`]{1,60})""",
    re.MULTILINE,
)
_NOTHING = {"generic", "unknown", "none", "default", "openwrt", "lede", "linux", "router", "v0", ""}
_MODEL = re.compile(r"(?=.*\d)[A-Za-z][A-Za-z0-9 ._/+-]{2,30}")
_VENDOR = re.compile(r"[A-Za-z][A-Za-z0-9 .,&_-]{1,30}")
_VERSION = re.compile(r"[vV]?\d[\w.-]{0,30}")


def _from_files(tree: Tree) -> Iterator[_Clue]:
    for path, text in _texts(tree):
        name = basename(path)
        if name in {"image_sign", "fw_sign"}:
            yield from _from_signature(text.strip()[:60], f"{path}:1")
        elif name == "buildver" and _VERSION.fullmatch(text.strip()[:40]):
            yield _Clue("version", text.strip(), f"{path}:1")
        for found in _PAIR.finditer(text):
            key = found["tag"] or found["key"]
            kind = _KINDS.get(key.lower().replace("_", ""))
            value = (found["inside"] or found["value"] or "").strip()
            if kind is None or value.lower() in _NOTHING or not _sound(kind, value):
                continue
            yield _Clue(kind, value, f"{path}:{text.count(chr(10), 0, found.start()) + 1}")


def _sound(kind: str, value: str) -> bool:
    form = {"vendor": _VENDOR, "model": _MODEL, "version": _VERSION}.get(kind)
    if kind == "revision":
        return (
            re.fullmatch(r"(?:v|rev\.?)? ?(?:[a-h]\d{0,2}|\d{1,2}(?:\.\d)?)", value.lower())
            is not None
        )
    return form is not None and form.fullmatch(value) is not None


def _texts(tree: Tree) -> Iterator[tuple[str, str]]:
    files = total = 0
    for place in _PLACES:
        for name in tree.names(place):
            path = f"{place}/{name}"
            node = tree.resolve(path)
            if node is None or node.read is None or not _NAMES.fullmatch(name):
                continue
            if not 0 < node.size_bytes <= MOST_FILE_BYTES:
                continue
            files += 1
            total += node.size_bytes
            if files > MOST_FILES or total > MOST_BYTES:
                return
            try:
                content = node.read()
            except FormatError:
                continue
            if b"\0" not in content:
                yield path, content.decode(errors="replace")


_ROOTS = ("www", "web", "htdocs", "htdocs/web", "usr/www", "var/www", "home/httpd", "webroot")
_FRONT = re.compile(
    r"(?:index|login|home|main|default)\.(?:html?|asp|php|cgi|lp|jsp)", re.IGNORECASE
)
_TITLE = re.compile(r"<title>\s*([^<>{}$]{3,60}?)\s*</title>", re.IGNORECASE)
_TITLE_MODEL = re.compile(r"(?<![\w-])([A-Z]{2,5}[- ]?[A-Z]{0,4}\d{2,5}[A-Z]{0,3})(?![\w])")
_KNOWN: Final = (
    "D-Link", "TP-Link", "Netgear", "ASUS", "Linksys", "Tenda", "Zyxel", "TRENDnet", "Belkin",
    "Buffalo", "DrayTek", "Edimax", "Hikvision", "Dahua", "Ubiquiti", "MikroTik", "Huawei", "ZTE",
    "Mercusys", "Totolink", "Netis", "Xiaomi", "Cisco", "AVM", "Axis", "Foscam", "QNAP",
    "Synology", "Western Digital", "Moxa", "Teltonika", "Reolink", "Arris", "Technicolor",
)  # fmt: skip


def _from_pages(tree: Tree, clues: list[_Clue]) -> Identity | None:
    """Tell it from the titles of the pages that people see first; help pages are often borrowed."""
    found: Counter[str] = Counter()
    vendors: Counter[str] = Counter()
    where: dict[str, str] = {}
    for root in _ROOTS:
        for name in tree.names(root):
            if not _FRONT.fullmatch(name):
                continue
            text = _page(tree, f"{root}/{name}")
            for title in _TITLE.findall(text):
                vendors.update(one for one in _KNOWN if one.lower() in title.lower())
                for model in _TITLE_MODEL.findall(title):
                    found[model] += 1
                    where.setdefault(model, f"{root}/{name}")
    vendor = _first(clues, "vendor")
    maker = vendor.value if vendor else next(iter(vendors), "")
    if len(found) != 1 or not maker or (vendor is None and len(vendors) != 1):
        return None
    (model,) = found
    return Identity(vendor=maker, model=model, where=(where[model],), sure=False)


def _page(tree: Tree, path: str) -> str:
    try:
        content = tree.read(path, MOST_FILE_BYTES)
    except FormatError:
        return ""
    return content.decode(errors="replace") if content else ""
