"""Certificates and requests for them, with signatures and sizes of every age."""

from calendar import timegm
from collections.abc import Mapping
from time import strptime
from typing import Final

from holdfast.audit.facts.der import (
    BITS,
    BOOLEAN,
    FIELD_0,
    FIELD_3,
    INTEGER,
    OID,
    SEQUENCE,
    UTC_TIME,
    WIDE_TEXT,
    Part,
    part,
    parts,
    tags,
    value,
)
from holdfast.audit.facts.keys_public import RSA_PSS, spki_of
from holdfast.audit.facts.shapes import KeyFact

MOST_BYTES: Final = 64 * 1024  # of one certificate

_PKCS1: Final = bytes.fromhex("2a864886f70d0101")
_HASHES: Final[Mapping[bytes, str]] = {
    _PKCS1 + b"\x02": "md2",
    _PKCS1 + b"\x03": "md4",
    _PKCS1 + b"\x04": "md5",
    _PKCS1 + b"\x05": "sha1",
    _PKCS1 + b"\x0b": "sha256",
    _PKCS1 + b"\x0c": "sha384",
    _PKCS1 + b"\x0d": "sha512",
    _PKCS1 + b"\x0e": "sha224",
    bytes.fromhex("2b0e03021d"): "sha1",
    bytes.fromhex("2a8648ce380403"): "sha1",
    bytes.fromhex("608648016503040301"): "sha224",
    bytes.fromhex("608648016503040302"): "sha256",
    bytes.fromhex("2a8648ce3d0401"): "sha1",
    bytes.fromhex("2a8648ce3d040301"): "sha224",
    bytes.fromhex("2a8648ce3d040302"): "sha256",
    bytes.fromhex("2a8648ce3d040303"): "sha384",
    bytes.fromhex("2a8648ce3d040304"): "sha512",
    bytes.fromhex("2b6570"): "ed25519",
    bytes.fromhex("2b6571"): "ed448",
}
_DIGESTS: Final[Mapping[bytes, str]] = {
    bytes.fromhex("2b0e03021a"): "sha1",
    bytes.fromhex("608648016503040201"): "sha256",
    bytes.fromhex("608648016503040202"): "sha384",
    bytes.fromhex("608648016503040203"): "sha512",
}
_NAMES: Final[Mapping[bytes, str]] = {
    bytes.fromhex("550403"): "CN",
    bytes.fromhex("550406"): "C",
    bytes.fromhex("550407"): "L",
    bytes.fromhex("550408"): "ST",
    bytes.fromhex("55040a"): "O",
    bytes.fromhex("55040b"): "OU",
    bytes.fromhex("0992268993f22c640119"): "DC",
}
_MAIL_NAME: Final = bytes.fromhex("2a864886f70d010901")
_BASIC_CONSTRAINTS: Final = bytes.fromhex("551d13")


def certificate_of(content: bytes, at: int = 0) -> tuple[KeyFact, int] | None:
    """Read a certificate that starts at `at`; gives its facts and where it ends."""
    whole = part(content, at)
    if whole is None or whole.tag != SEQUENCE or whole.end - at > MOST_BYTES:
        return None
    outer = parts(content, whole)
    if tags(outer) != [SEQUENCE, SEQUENCE, BITS]:
        return None
    inner = parts(content, outer[0])
    rest = inner[1:] if inner and inner[0].tag == FIELD_0 else inner
    if tags(rest)[:6] != [INTEGER, SEQUENCE, SEQUENCE, SEQUENCE, SEQUENCE, SEQUENCE]:
        return None
    public = spki_of(content, rest[5])
    validity = parts(content, rest[3])
    if public is None or not validity:
        return None
    fact = KeyFact(
        kind="certificate",
        offset=at,
        algorithm=public.algorithm,
        bits=public.bits,
        fingerprint=public.fingerprint,
        subject=_name(content, rest[4]),
        issuer=_name(content, rest[2]),
        not_after=_moment(content, validity[-1]),
        authority=_authority(content, rest[6:]),
        signature=_signature(content, outer[1]),
    )
    return fact, whole.end


def request_of(content: bytes) -> KeyFact | None:
    """Read a certificate request."""
    whole = part(content, 0)
    outer = parts(content, whole) if whole is not None else []
    if tags(outer) != [SEQUENCE, SEQUENCE, BITS]:
        return None
    inner = parts(content, outer[0])
    if tags(inner)[:3] != [INTEGER, SEQUENCE, SEQUENCE]:
        return None
    public = spki_of(content, inner[2])
    if public is None:
        return None
    subject = _name(content, inner[1])
    return KeyFact(kind="certificate-request", offset=0, subject=subject, **public._asdict())


def _name(content: bytes, whole: Part) -> str:
    """Write a name as RFC 4514 does, the last part first; at most 200 characters."""
    words = []
    for relative in parts(content, whole):
        for pair in parts(content, relative):
            both = parts(content, pair)
            if len(both) <= 1 or both[0].tag != OID:
                continue
            oid = value(content, both[0])
            wide = both[1].tag == WIDE_TEXT
            text = value(content, both[1])[:400].decode("utf-16-be" if wide else "utf-8", "replace")
            word = _NAMES.get(oid, "emailAddress" if oid == _MAIL_NAME else _dotted(oid))
            escaped = "".join(f"\\{sign}" if sign in ',+"\\<>;' else sign for sign in text)
            words.append(f"{word}={''.join(s if s.isprintable() else '?' for s in escaped)}")
    return ",".join(reversed(words))[:200]


def _dotted(oid: bytes) -> str:
    numbers, many = [], 0
    for byte in oid[:32]:
        many = many << 7 | byte & 0x7F
        if not byte & 0x80:
            numbers.append(many)
            many = 0
    if not numbers:
        return "?"
    first = min(numbers[0] // 40, 2)
    return ".".join(map(str, (first, numbers[0] - 40 * first, *numbers[1:])))


def _moment(content: bytes, one: Part) -> int:
    text = value(content, one)[:20].decode("ascii", "replace")
    if one.tag == UTC_TIME:  # two digits of the year, RFC 5280 4.1.2.5.1
        text = ("19" if text[:2] >= "50" else "20") + text
    digits = text[:14] if text[12:14].isdigit() else text[:12] + "00"
    try:
        return max(timegm(strptime(digits, "%Y%m%d%H%M%S")), 1)
    except ValueError:
        return 0


def _signature(content: bytes, whole: Part) -> str:
    members = parts(content, whole)
    if not members:
        return ""
    oid = value(content, members[0])
    if oid == RSA_PSS:
        return _pss_hash(content, members[1:])
    return _HASHES.get(oid, "")


def _pss_hash(content: bytes, parameters: list[Part]) -> str:
    for field in parts(content, parameters[0]) if parameters else []:
        if field.tag == FIELD_0:
            algorithm = part(content, field.start, field.end)
            oids = parts(content, algorithm) if algorithm is not None else []
            return _DIGESTS.get(value(content, oids[0]), "") if oids else ""
    return "sha1"  # the default, RFC 8017 A.2.3


def _authority(content: bytes, optional: list[Part]) -> bool:
    for field in optional:
        if field.tag != FIELD_3:
            continue
        whole = part(content, field.start, field.end)
        for extension in parts(content, whole) if whole is not None else []:
            members = parts(content, extension)
            if len(members) <= 1 or value(content, members[0]) != _BASIC_CONSTRAINTS:
                continue
            inner = part(content, members[-1].start, members[-1].end)
            said = parts(content, inner) if inner is not None else []
            return bool(said) and said[0].tag == BOOLEAN and any(value(content, said[0]))
    return False
