"""Private keys in DER: told by their public half, which is computed where it is not beside it."""

from collections.abc import Callable, Mapping
from typing import Final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, x448, x25519

from holdfast.audit.facts.der import (
    BITS,
    FIELD_0,
    FIELD_1,
    INTEGER,
    OCTETS,
    OID,
    SEQUENCE,
    Part,
    number,
    part,
    parts,
    tags,
    value,
)
from holdfast.audit.facts.keys_public import (
    CURVES,
    DSA,
    EC,
    RAW,
    RSA,
    RSA_PSS,
    UNKNOWN,
    Public,
    dsa_public,
    ec_public,
    raw_public,
    rsa_public,
)
from holdfast.audit.facts.shapes import KeyFact

MOST_BYTES: Final = 64 * 1024  # of one key
MOST_MATH_BITS: Final = 4096  # what is computed with, not only counted
MOST_EXPONENT_BITS: Final = 512

_MATHEMATICS: Final[Mapping[str, ec.EllipticCurve]] = {
    "secp256r1": ec.SECP256R1(),
    "secp384r1": ec.SECP384R1(),
    "secp521r1": ec.SECP521R1(),
    "secp256k1": ec.SECP256K1(),
}
_PUBLIC_HALF: Final[Mapping[str, Callable[[bytes], bytes]]] = {
    "ed25519": lambda raw: (
        ed25519.Ed25519PrivateKey.from_private_bytes(raw).public_key().public_bytes_raw()
    ),
    "ed448": lambda raw: (
        ed448.Ed448PrivateKey.from_private_bytes(raw).public_key().public_bytes_raw()
    ),
    "x25519": lambda raw: (
        x25519.X25519PrivateKey.from_private_bytes(raw).public_key().public_bytes_raw()
    ),
    "x448": lambda raw: x448.X448PrivateKey.from_private_bytes(raw).public_key().public_bytes_raw(),
}
_PKCS12_DATA: Final = bytes.fromhex("2a864886f70d010701")


def private_of(content: bytes, at: int = 0) -> tuple[KeyFact, int] | None:
    """Read a private key in PKCS#1, SEC 1, the old form of DSA, or PKCS#8; never its secret."""
    whole = part(content, at)
    if whole is None or whole.tag != SEQUENCE or whole.end - at > MOST_BYTES:
        return None
    members = parts(content, whole)
    public, kind = _private(content, members), "private-key"
    if public is None and _is_encrypted(content, members):
        public, kind = UNKNOWN, "encrypted-private-key"
    if public is None:
        return None
    return KeyFact(kind=kind, offset=at, **public._asdict()), whole.end


def _private(content: bytes, members: list[Part]) -> Public | None:
    kinds = tags(members)
    if kinds[:9] == [INTEGER] * 9:
        n, e, p = (number(content, members[index]) for index in (1, 2, 4))
        return rsa_public(n, e) if p and n % p == 0 and e else None
    if kinds == [INTEGER] * 6:
        p, q, g, y = (number(content, one) for one in members[1:5])
        return dsa_public(p, q, g, y) if p and y < p and (p - 1) % (q or p) == 0 else None
    if kinds[:2] == [INTEGER, OCTETS] and value(content, members[0]) == b"\x01":
        return _ec_private(content, members, b"")
    if kinds[:3] == [INTEGER, SEQUENCE, OCTETS]:
        return _pkcs8(content, members)
    return None


def _is_encrypted(content: bytes, members: list[Part]) -> bool:
    """Tell whether it is an EncryptedPrivateKeyInfo: PKCS#5 or PKCS#12 around octets."""
    if tags(members) != [SEQUENCE, OCTETS]:
        return False
    algorithm = parts(content, members[0])
    known = (bytes.fromhex("2a864886f70d0105"), bytes.fromhex("2a864886f70d010c01"))
    return bool(algorithm) and value(content, algorithm[0]).startswith(known)


def _pkcs8(content: bytes, members: list[Part]) -> Public | None:
    algorithm = parts(content, members[1])
    key = part(content, members[2].start, members[2].end)
    if not algorithm or algorithm[0].tag != OID or key is None:
        return None
    oid, inner = value(content, algorithm[0]), parts(content, key)
    if oid in {RSA, RSA_PSS} and tags(inner)[:9] == [INTEGER] * 9:
        return _private(content, inner)
    if oid == EC and tags(inner)[:2] == [INTEGER, OCTETS]:
        named = len(algorithm) > 1 and algorithm[1].tag == OID
        return _ec_private(content, inner, value(content, algorithm[1]) if named else b"")
    if oid == DSA and key.tag == INTEGER and len(algorithm) > 1:
        return _dsa_private(content, parts(content, algorithm[1]), number(content, key))
    if oid in RAW and key.tag == OCTETS:
        return raw_private(RAW[oid][0], value(content, key))
    return None


def _dsa_private(content: bytes, numbers: list[Part], x: int) -> Public:
    if tags(numbers) != [INTEGER, INTEGER, INTEGER]:
        return UNKNOWN
    p, q, g = (number(content, one) for one in numbers)
    if not 1 < p < 1 << MOST_MATH_BITS or not 0 < x < q < 1 << MOST_EXPONENT_BITS:
        return UNKNOWN
    return dsa_public(p, q, g, pow(g, x, p))


def _ec_private(content: bytes, members: list[Part], curve: bytes) -> Public | None:
    point = b""
    for field in members[2:]:
        inner = part(content, field.start, field.end)
        if field.tag == FIELD_0 and inner is not None and inner.tag == OID:
            curve = value(content, inner)
        elif field.tag == FIELD_1 and inner is not None and inner.tag == BITS:
            point = value(content, inner)[1:]
    if not curve:
        return None
    if point:
        return ec_public(curve, point)
    return _ec_computed(curve, int.from_bytes(value(content, members[1])[:80]))


def _ec_computed(curve: bytes, secret: int) -> Public:
    name, bits = CURVES.get(curve, ("", 0))
    kind = _MATHEMATICS.get(name)
    if kind is None:
        return Public("ec", bits)
    try:
        key = ec.derive_private_key(secret, kind).public_key()
    except ValueError:
        return Public("ec", bits)
    point = serialization.PublicFormat.UncompressedPoint
    return ec_public(curve, key.public_bytes(serialization.Encoding.X962, point))


def raw_private(algorithm: str, secret: bytes) -> Public:
    """Describe a private key of the families Ed25519 and X25519 by its public half."""
    try:
        return raw_public(algorithm, _PUBLIC_HALF[algorithm](secret))
    except ValueError:
        return Public(algorithm)


def pkcs12_of(content: bytes) -> KeyFact | None:
    """Recognise a PKCS#12 store; what is in it stays closed."""
    whole = part(content, 0)
    members = parts(content, whole) if whole is not None and whole.tag == SEQUENCE else []
    if tags(members)[:2] != [INTEGER, SEQUENCE] or value(content, members[0]) != b"\x03":
        return None
    inner = parts(content, members[1])
    if not inner or value(content, inner[0]) != _PKCS12_DATA:
        return None
    return KeyFact(kind="pkcs12", offset=0)
