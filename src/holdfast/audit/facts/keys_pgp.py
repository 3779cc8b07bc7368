"""OpenPGP keys, armoured and binary: the first key of a ring, and whose it is."""

from typing import Final, NamedTuple

from holdfast.audit.facts.keys_public import UNKNOWN, Public, dsa_public, raw_public, rsa_public
from holdfast.audit.facts.keys_text import comment_of
from holdfast.audit.facts.shapes import KeyFact

SECRET_KEY, PUBLIC_KEY, USER_ID = 5, 6, 13
BINARY_STARTS: Final = (b"\x98", b"\x99", b"\xc6", b"\x94", b"\x95", b"\xc5")
_FEW: Final = 8  # packets that we look at
_RSA, _DSA, _EDDSA, _ED25519 = {1, 2, 3}, {17}, {22}, {27}
_ED25519_OID: Final = bytes.fromhex("2b06010401da470f01")
_MOST_NUMBER_BYTES: Final = 2048


class _Packet(NamedTuple):
    tag: int
    body: bytes


def _packets(content: bytes) -> list[_Packet]:
    found: list[_Packet] = []
    at = 0
    while at < len(content) and len(found) < _FEW:
        first = content[at]
        if not first & 0x80:
            break
        if first & 0x40:
            tag, kind = first & 0x3F, content[at + 1] if at + 1 < len(content) else 255
            octets = 1 if kind < 192 else 2 if kind < 224 else 5  # noqa: PLR2004 - RFC 9580 4.2.1
            raw = content[at + 1 : at + 1 + octets]
            size = kind if octets == 1 else int.from_bytes(raw[1:])
            size += ((kind - 192) << 8) + 192 if octets == 2 else 0  # noqa: PLR2004
        else:
            tag, octets = first >> 2 & 0xF, 1 << (first & 3)
            size = int.from_bytes(content[at + 1 : at + 1 + octets])
            if first & 3 == 3:  # noqa: PLR2004 - to the end of the file
                break
        start = at + 1 + octets
        if start + size > len(content):
            break
        found.append(_Packet(tag, content[start : start + size]))
        at = start + size
    return found


def pgp_key(content: bytes, at: int = 0) -> KeyFact | None:
    """Read a ring of keys; None if it does not begin with one."""
    packets = _packets(content)
    if not packets or packets[0].tag not in {SECRET_KEY, PUBLIC_KEY}:
        return None
    body = packets[0].body
    if len(body) < 12 or body[0] not in {3, 4, 5, 6}:  # noqa: PLR2004 - version, time, algorithm
        return None
    kind = "pgp-private-key" if packets[0].tag == SECRET_KEY else "pgp-public-key"
    owner = next((one.body for one in packets if one.tag == USER_ID), b"")
    public = _public(body)
    return KeyFact(kind=kind, offset=at, subject=comment_of(owner), **public._asdict())


def _public(body: bytes) -> Public:
    start = {3: 7, 4: 5}.get(body[0], 9)  # after version, time, and what else a version has
    algorithm, rest = body[start], body[start + 1 :]
    if algorithm in _RSA:
        n, rest = _number(rest)
        return rsa_public(n, _number(rest)[0])
    if algorithm in _DSA:
        numbers = []
        for _ in range(4):
            number, rest = _number(rest)
            numbers.append(number)
        return dsa_public(*numbers)
    if algorithm in _EDDSA and rest[1:10] == _ED25519_OID and rest[12:13] == b"\x40":
        return raw_public("ed25519", rest[13:45])
    if algorithm in _ED25519:
        return raw_public("ed25519", rest[:32])
    return UNKNOWN


def _number(raw: bytes) -> tuple[int, bytes]:
    size = (int.from_bytes(raw[:2]) + 7) // 8
    if size > _MOST_NUMBER_BYTES or len(raw) < 2 + size:
        return 0, b""
    return int.from_bytes(raw[2 : 2 + size]), raw[2 + size :]
