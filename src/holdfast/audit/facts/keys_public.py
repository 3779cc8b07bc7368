"""The public half of a key, whichever way it is written; old and short ones too."""

import hashlib
from collections.abc import Mapping
from typing import Final, NamedTuple

from holdfast.audit.facts.der import (
    BITS,
    INTEGER,
    NULL,
    OID,
    SEQUENCE,
    Part,
    made,
    made_number,
    number,
    part,
    parts,
    tags,
    value,
)
from holdfast.audit.facts.shapes import KeyFact

SMALLEST_RSA_BITS: Final = 256

RSA: Final = bytes.fromhex("2a864886f70d010101")
RSA_PSS: Final = bytes.fromhex("2a864886f70d01010a")
EC: Final = bytes.fromhex("2a8648ce3d0201")
DSA: Final = bytes.fromhex("2a8648ce380401")
DH: Final = bytes.fromhex("2a864886f70d010301")
DH_X942: Final = bytes.fromhex("2a8648ce3e0201")
RAW: Final[Mapping[bytes, tuple[str, int]]] = {
    bytes.fromhex("2b656e"): ("x25519", 256),
    bytes.fromhex("2b656f"): ("x448", 448),
    bytes.fromhex("2b6570"): ("ed25519", 256),
    bytes.fromhex("2b6571"): ("ed448", 456),
}
CURVES: Final[Mapping[bytes, tuple[str, int]]] = {
    bytes.fromhex("2a8648ce3d030101"): ("secp192r1", 192),
    bytes.fromhex("2a8648ce3d030107"): ("secp256r1", 256),
    bytes.fromhex("2b81040021"): ("secp224r1", 224),
    bytes.fromhex("2b81040022"): ("secp384r1", 384),
    bytes.fromhex("2b81040023"): ("secp521r1", 521),
    bytes.fromhex("2b8104000a"): ("secp256k1", 256),
    bytes.fromhex("2b2403030208010107"): ("brainpoolP256r1", 256),
    bytes.fromhex("2b240303020801010b"): ("brainpoolP384r1", 384),
    bytes.fromhex("2b240303020801010d"): ("brainpoolP512r1", 512),
}


class Public(NamedTuple):
    """What the public half of a key says."""

    algorithm: str = "unknown"
    bits: int = 0
    fingerprint: str = ""


UNKNOWN: Final = Public()


def rsa_public(modulus: int, exponent: int) -> Public:
    """Describe an RSA key by its numbers."""
    if modulus.bit_length() < SMALLEST_RSA_BITS or exponent <= 1 or not modulus & 1:
        return UNKNOWN
    key = made(SEQUENCE, made_number(modulus), made_number(exponent))
    spki = made(SEQUENCE, made(SEQUENCE, made(OID, RSA), made(NULL)), made(BITS, b"\0", key))
    return Public("rsa", modulus.bit_length(), fingerprint_of(spki))


def dsa_public(p: int, q: int, g: int, y: int) -> Public:
    """Describe a DSA key by its numbers."""
    if not p or not y:
        return UNKNOWN
    numbers = made(SEQUENCE, made_number(p), made_number(q), made_number(g))
    algorithm = made(SEQUENCE, made(OID, DSA), numbers)
    spki = made(SEQUENCE, algorithm, made(BITS, b"\0", made_number(y)))
    return Public("dsa", p.bit_length(), fingerprint_of(spki))


def ec_public(curve: bytes, point: bytes) -> Public:
    """Describe a key on a named curve.

    Args:
        curve: Its object identifier, encoded.
        point: As in SEC 1.
    """
    algorithm = made(SEQUENCE, made(OID, EC), made(OID, curve))
    spki = made(SEQUENCE, algorithm, made(BITS, b"\0", point))
    bits = CURVES[curve][1] if curve in CURVES else (len(point) - 1) // 2 * 8
    return Public("ec", bits, fingerprint_of(spki))


def raw_public(algorithm: str, key: bytes) -> Public:
    """Describe a key of the families Ed25519 and X25519 by its bytes."""
    for oid, (name, bits) in RAW.items():
        if name == algorithm:
            spki = made(SEQUENCE, made(SEQUENCE, made(OID, oid)), made(BITS, b"\0", key))
            return Public(name, bits, fingerprint_of(spki))
    return UNKNOWN


def fingerprint_of(spki: bytes) -> str:
    """Give the SHA-256 of a SubjectPublicKeyInfo."""
    return hashlib.sha256(spki).hexdigest()


def spki_of(content: bytes, whole: Part) -> Public | None:
    """Read a SubjectPublicKeyInfo; None if it is none."""
    members = parts(content, whole)
    if whole.tag != SEQUENCE or tags(members) != [SEQUENCE, BITS]:
        return None
    algorithm = parts(content, members[0])
    if not algorithm or algorithm[0].tag != OID:
        return None
    oid, key = value(content, algorithm[0]), value(content, members[1])[1:]
    print_ = fingerprint_of(content[whole.at : whole.end])
    if oid in {RSA, RSA_PSS}:
        bits = _modulus_bits(key)
        return Public("rsa", bits, print_) if bits else None
    if oid == EC:
        named = len(algorithm) > 1 and algorithm[1].tag == OID
        curve = value(content, algorithm[1]) if named else b""
        bits = CURVES[curve][1] if curve in CURVES else (len(key) - 1) // 2 * 8
        return Public("ec", max(bits, 0), print_)
    if oid in {DSA, DH, DH_X942}:
        numbers = parts(content, algorithm[1]) if len(algorithm) > 1 else []
        bits = number(content, numbers[0]).bit_length() if numbers else 0
        return Public("dsa" if oid == DSA else "dh", bits, print_)
    name, bits = RAW.get(oid, ("unknown", 0))
    return Public(name, bits, print_)


def _modulus_bits(key: bytes) -> int:
    whole = part(key, 0)
    members = parts(key, whole) if whole is not None and whole.tag == SEQUENCE else []
    if tags(members) != [INTEGER, INTEGER]:
        return 0
    bits = number(key, members[0]).bit_length()
    return bits if bits >= SMALLEST_RSA_BITS else 0


def dh_of(content: bytes) -> KeyFact | None:
    """Read the parameters of a Diffie-Hellman exchange."""
    whole = part(content, 0)
    members = parts(content, whole) if whole is not None else []
    if tags(members)[:2] != [INTEGER, INTEGER]:
        return None
    bits = number(content, members[0]).bit_length()
    print_ = fingerprint_of(content)
    return KeyFact(kind="dh-parameters", offset=0, algorithm="dh", bits=bits, fingerprint=print_)


def pkcs1_public_of(content: bytes, at: int) -> tuple[Public, int] | None:
    """Read the bare numbers of an RSA key, as PKCS#1 writes them; gives where they end."""
    whole = part(content, at)
    members = parts(content, whole) if whole is not None and whole.tag == SEQUENCE else []
    if whole is None or tags(members) != [INTEGER, INTEGER]:
        return None
    public = rsa_public(number(content, members[0]), number(content, members[1]))
    return (public, whole.end) if public.bits else None
