"""Updaters of vendors, which have no name that everybody knows: told by name, function and deed."""

import re
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import Final

from holdfast.audit.facts.shapes import FileKind
from holdfast.audit.model.shapes import PlacedKey
from holdfast.audit.model.update_scene import Scene, Tool

_MOST_VENDOR: Final = 12
_MOST_LIBRARIES: Final = 40
_OPENWRT: Final = re.compile(r"lib/(upgrade|preinit)/|sbin/sysupgrade")
_NAMES: Final = re.compile(
    r"(?:auto|sys|soft|sw|net|web|http|remote|online|cloud)?[-_]?(?:fw|firmware|f?ota|img|image)s?"
    r"[-_]?(?:up|upd|update[rd]?|upgrade[rd]?|upgrad|upload|burn(?:er)?|flash(?:er)?|write[rd]?)"
    r"(?:d|_?daemon|_?client)?(?:\.cgi|\.sh|\.lua|\.py)?"
    r"|(?:update|upgrade|burn|flash|write|do)[-_]?(?:fw|firmware|image)(?:\.cgi|\.sh|\.lua|\.py)?"
    r"|(?:auto|sys|soft|sw|online|remote)[-_]?(?:update[rd]?|upgrade[rd]?)d?(?:\.cgi|\.sh)?"
    r"|f?ota[-_]?(?:d|client|agent|daemon)?|upgrade[dr]|updater|upgrade\.cgi|firmware\.cgi",
    re.IGNORECASE,
)
_NOT_UPDATERS: Final = frozenset(
    {
        "sysupgrade", "fwupdmgr", "fwupdtool", "fwupd", "rauc", "swupdate",
        # general tools that speak of firmware and flash
        "busybox", "toybox", "flashrom", "hdparm", "ethtool", "nvme", "mmc", "fastboot", "dfu-util",
        "avrdude", "openocd", "mtd", "mtdinfo", "mtd_debug", "flashcp", "nandwrite", "nanddump",
        "ubiupdatevol", "ubiformat", "fw_printenv", "fw_setenv", "qmi-firmware-update", "mkimage",
    }
)  # fmt: skip
_CHECKERS: Final = re.compile(
    r"(?:rsa|sig|sign|img|image|fw|firmware|secure|code)[-_]?(?:sign(?:ature)?)?[-_]?"
    r"(?:verif(?:y|ier)?|check(?:er)?|chk|auth)(?:_?image|_?fw|_?sign)?|(?:verify|check)[-_]?"
    r"(?:rsa|sig|sign|signature|img|image|fw|firmware)",
    re.IGNORECASE,
)
_FUNCTIONS: Final = re.compile(
    r"(?:update|upgrade|flash|burn|write)_?(?:firmware|fw_?image)"
    r"|firmware_?(?:update|upgrade|flash|burn|write)|fw_?(?:update|upgrade)",
    re.IGNORECASE,
)
_LIBRARIES_OF_OTHERS: Final = re.compile(
    r"lib(qmi|mbim|fwupd|usb|bluetooth|smbios|sane|gphoto|nvme|mm-|modemmanager|"
    r"c|m|pthread|dl|rt|z|ssl|crypto|curl|wolfssl|mbed|gnutls|gcrypt|nettle|upnp|"
    r"stdc\+\+|gcc_s|util|resolv|nsl|crypt)[-.0-9_]"
)
_VERIFY: Final = re.compile(
    r"RSA_verify|RSA_public_decrypt|EVP_(?:Digest)?Verify|EVP_PKEY_verify|ECDSA_(?:do_)?verify"
    r"|DSA_(?:do_)?verify|ED25519_verify|CMS_verify|PKCS7_verify"
    r"|mbedtls_(?:pk_verify|rsa_\w*verify|ecdsa_verify|ecdsa_read_signature|pkcs7_signed)"
    r"|wc_(?:RsaSSL_Verify|RsaPSS_\w*Verify|ecc_verify_hash|ed25519_verify|SignatureVerify"
    r"|PKCS7_Verify)|crypto_sign\w*_(?:open|verify)|ed25519_verify|uECC_verify"
    r"|gnutls_pubkey_verify|gnutls_pkcs7_verify|gcry_pk_verify|gpgme_op_verify|psa_verify"
    r"|(?i:(?:rsa|ecdsa|ed25519|sign|sig)_?\w{0,12}verif|verif\w{0,8}(?:signature|sign\b|rsa))"
)


def vendor_tools(scene: Scene, keys: Sequence[PlacedKey], taken: set[str]) -> Iterator[Tool]:
    """Find the updaters that no project is known for; `taken` are those that are known."""
    seen: set[str] = set()
    many = 0
    for name, path in _vendor_programs(scene):
        node = scene.tree.resolve(path)
        if node is None or node.path in seen or path in taken or many == _MOST_VENDOR:
            continue
        many += 1
        seen.add(node.path)
        tool = Tool(f"vendor:{name}", path)
        known = scene.fact(path)
        if known is not None and known.elf is not None:
            parts = _with_libraries(scene, path)
            seen.update(parts)  # their functions are a part of this one
            yield _vendor_binary(scene, tool, keys, parts)
        else:
            yield _vendor_script(scene, tool, keys)


def _vendor_programs(scene: Scene) -> Iterator[tuple[str, str]]:
    """Give name and path of what looks like a vendor's updater: by name, by function, by deed."""
    named = [
        (path, name)
        for name, paths in scene.names()
        for path in paths
        if _NAMES.fullmatch(name) and name not in _NOT_UPDATERS and _installs(scene, path)
    ]
    for path, name in sorted(named, key=lambda one: ("bin/" not in one[0], one)):
        yield name, path
    for path in sorted(scene.digests):
        name = PurePosixPath(path).name
        if not (_LIBRARIES_OF_OTHERS.match(name) or name in _NOT_UPDATERS or path.startswith(":")):
            known = scene.facts.get(scene.digests[path])
            if known is not None and known.elf is not None and known.module is None:
                both = scene.has_hit(path, "update-firmware"), scene.has_hit(path, "update-flash")
                if all(both) or any(map(_FUNCTIONS.search, known.elf.exports)):
                    yield name, path
    for path, _ in scene.hits("update-firmware"):
        known = scene.fact(path)
        script = known is not None and known.kind is FileKind.SCRIPT
        if script and not _OPENWRT.match(path) and _writes(scene, path):
            yield PurePosixPath(path).name, path
    for path, _ in scene.hits("update-fetch"):
        known = scene.fact(path)
        script = known is not None and known.kind is FileKind.SCRIPT
        if script and not _OPENWRT.match(path) and (_writes(scene, path) or _unpacks(scene, path)):
            yield PurePosixPath(path).name, path


def _installs(scene: Scene, path: str) -> bool:
    known = scene.fact(path)
    if known is None or known.module is not None:
        return False
    return known.elf is not None or (known.kind is FileKind.SCRIPT and _writes(scene, path))


_WRITING: Final = re.compile(
    r"(?:^|[;&|(`]|\b(?:then|do|else))\s*(?:/\S*/)?"
    r"(?:mtd\s+(?:-\S+\s+)*write|flashcp|nandwrite|mtd_write|flash_eraseall|ubiupdatevol"
    r"|dd\s[^#]*of=/dev/(?:mtd|mmcblk))"
)


_AT: Final = r"(?:^|[;&|(`]|\b(?:then|do|else|exec|sudo))\s{0,20}(?:/\S{0,200}/)?(?:busybox\s+)?"
_SYSTEM: Final = r"[\"']?/(?:(?:usr/(?:local/)?)?(?:s?bin|lib|opt)?/?)[\"']?(?=\s|$|[;&|)])"
_UNPACKING: Final = re.compile(
    rf"{_AT}(?:tar(?:\s[^;&|#]{{0,300}})?\s(?:-C\s*|--directory[= ]){_SYSTEM}"
    rf"|unzip(?:\s[^;&|#]{{0,300}})?\s-d\s*{_SYSTEM}|cp\s+-\w*[raR][^;&|#]{{0,300}}\s{_SYSTEM}"
    r"|dpkg\s+(?:-\S+\s+)*(?:-i|--install)\s|rpm\s+-\w*[iUF]"
    r"|(?:opkg|ipkg|apk)\s[^;&|#]{0,300}\b(?:install|add)\s[^;&|#]{0,300}(?:/\S|\.[ia]pk\b))"
)


def _unpacks(scene: Scene, path: str) -> bool:
    """Tell whether a script unpacks something over the system, or installs packages from files."""
    return scene.is_text(path) and any(_UNPACKING.search(line) for line in scene.lines(path))


def _writes(scene: Scene, path: str) -> bool:
    """Tell whether a script itself writes to the flash; else it only calls what does."""
    return scene.is_text(path) and any(_WRITING.search(line) for line in scene.lines(path))


def _vendor_script(scene: Scene, tool: Tool, keys: Sequence[PlacedKey]) -> Tool:
    if not scene.has_hit(tool.path, "update-verify-command"):
        does = "writes to the flash" if _writes(scene, tool.path) else "unpacks over the system"
        return tool._replace(lacking=f"{does} without a command that verifies")
    places = tuple(
        place for key in keys if key.purpose in {"update-verify", ""} and "public" in key.kind
        for place in key.where
    )[:20]  # fmt: skip
    if not places:
        return tool._replace(hint="has a command that verifies, but the image holds no public key")
    return tool._replace(verifier=tool.path, keys=places)


def _vendor_binary(
    scene: Scene, tool: Tool, keys: Sequence[PlacedKey], parts: Sequence[str]
) -> Tool:
    functions = sorted(
        {name for path in parts for name in _imports(scene, path) if _VERIFY.search(name)}
    )
    inside = [key for key in keys if key.kind in {"public-key", "certificate"}]
    places = tuple(
        place for key in inside for place in key.where
        if key.purpose == "update-verify" or place.partition("@")[0] in parts
    )[:20]  # fmt: skip
    commands = [path for path in parts if scene.has_hit(path, "update-verify-command")]
    if (functions or commands) and places:
        return tool._replace(verifier=tool.path, keys=places)
    if functions or commands:
        called = functions[0] if functions else f"a program that verifies (in {commands[0]})"
        return tool._replace(hint=f"calls {called}, but no public key was found")
    hint = _hint(scene, tool.path, parts)
    if hint:
        return tool._replace(hint=hint)
    checksum = any(scene.has_hit(path, "update-checksum") for path in parts)
    only = ", a checksum is all that it speaks of" if checksum else ""
    unused = "".join(
        f"; {path} offers {name}, but nothing calls it" for path, name in _offered(scene, parts[1:])
    )
    looked = ", ".join(parts[:4])
    return tool._replace(
        lacking=f"calls no function that verifies{only}; looked at {looked}{unused}"
    )


def _hint(scene: Scene, path: str, parts: Sequence[str]) -> str:
    """Say why a signature may be checked though no call of a known function was seen."""
    words = next((one for one in parts if scene.has_hit(one, "update-signature")), "")
    if words:
        return f"{words} speaks of a signature, but calls no known function"
    for _, name in _offered(scene, parts[:1]):
        return f"{path} offers {name}, and may call it itself"
    known = scene.fact(path)
    if known is not None and known.elf is not None and known.elf.static:
        return "linked statically: what it calls cannot be told"
    checker = next(_checkers(scene), "")
    return f"{checker} verifies something, and may be asked to" if checker else ""


def _checkers(scene: Scene) -> Iterator[str]:
    """Give programs that are named for checking and call a function that verifies."""
    for name, paths in scene.names():
        if _CHECKERS.fullmatch(name):
            for path in paths:
                if any(_VERIFY.search(one) for one in _imports(scene, path)):
                    yield path


def _offered(scene: Scene, parts: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Give the first function of each library that would verify."""
    for path in parts:
        known = scene.fact(path)
        exports = known.elf.exports if known is not None and known.elf is not None else ()
        name = next((one for one in exports if _VERIFY.search(one)), "")
        if name:
            yield path, name


def _with_libraries(scene: Scene, path: str) -> list[str]:
    """Give a program, the vendor's own libraries that it needs, and who calls it if it is one."""
    found = [path, *_callers(scene, path)]
    todo = list(found)
    while todo and len(found) < _MOST_LIBRARIES:
        known = scene.fact(todo.pop())
        for name in known.elf.needed if known is not None and known.elf is not None else ():
            library = "" if _LIBRARIES_OF_OTHERS.match(name) else scene.program(name)
            if library and library not in found:
                found.append(library)
                todo.append(library)
    return found


def _callers(scene: Scene, path: str) -> list[str]:
    """Give the programs that call the functions of a library that install firmware."""
    known = scene.fact(path)
    exports = known.elf.exports if known is not None and known.elf is not None else ()
    offered = {name for name in exports if _FUNCTIONS.search(name)}
    return [
        one for one, digest in sorted(scene.digests.items())
        if offered and (other := scene.facts.get(digest)) is not None and other.elf is not None
        and not offered.isdisjoint(other.elf.imports)
    ][:_MOST_LIBRARIES]  # fmt: skip


def _imports(scene: Scene, path: str) -> tuple[str, ...]:
    known = scene.fact(path)
    return known.elf.imports if known is not None and known.elf is not None else ()
