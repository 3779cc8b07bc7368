"""Keys and certificates in any content: told by their form, named by their public half."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Final

from holdfast.audit.facts.der import part
from holdfast.audit.facts.keys_certificate import certificate_of, request_of
from holdfast.audit.facts.keys_pgp import BINARY_STARTS, pgp_key
from holdfast.audit.facts.keys_private import pkcs12_of, private_of
from holdfast.audit.facts.keys_public import Public, dh_of, pkcs1_public_of, spki_of
from holdfast.audit.facts.keys_ssh import dropbear_key, openssh_private, public_lines, putty_keys
from holdfast.audit.facts.keys_text import decoded, json_keys, signify_keys, wireguard_keys
from holdfast.audit.facts.shapes import KeyFact

MOST_KEYS: Final = 1000  # of one content; the longest bundle of authorities has some 150
MOST_TRIES: Final = 2000  # of one form
MOST_PLACES: Final = 200_000  # of one mark in a binary, nearly all of them noise
MOST_PEM: Final = 1024 * 1024  # bytes between BEGIN and END
LEAST_BODY: Final = 16  # bytes; less is a mark in a program, or an example cut short

_BEGIN: Final = b"-----BEGIN "
_LABEL: Final = re.compile(rb"-----BEGIN ([A-Za-z0-9][A-Za-z0-9 ]{2,40})-----")
_ESCAPED_END: Final = re.compile(rb"\\r|\\n")
_HEADER: Final = re.compile(rb"[A-Za-z0-9-]{2,30}: ?[^\r\n]*")
_NOT_PEM: Final = re.compile(rb"[^0-9A-Za-z+/=\s\"'\\]")
_CLUTTER: Final = re.compile(rb"[\s\"'\\]")

# What stands at a fixed place near the start of a key in DER, and tells it from noise.
_CERTIFICATE_3: Final = b"\xa0\x03\x02\x01\x02\x02"
_RSA_START: Final = b"\x02\x01\x00\x02"
_EC_START: Final = b"\x02\x01\x01\x04"
_PUBLIC_STARTS: Final = (
    b"\x30\x81\x89\x02\x81\x81\x00",
    b"\x30\x82\x01\x0a\x02\x82\x01\x01\x00",
    b"\x30\x82\x01\x8a\x02\x82\x01\x81\x00",
    b"\x30\x82\x02\x0a\x02\x82\x02\x01\x00",
)
_ALGORITHMS: Final = tuple(
    bytes.fromhex(text)
    for text in (
        "06092a864886f70d0101010500",  # RSA
        "06072a8648ce3d020106",  # EC with a named curve
        "06072a8648ce38040130",  # DSA
        "06032b657004",  # Ed25519 before octets or a bit string
        "06032b657003",
    )
)
_VERSION_0: Final = b"\x02\x01\x00"


def keys_in(content: bytes) -> tuple[KeyFact, ...]:
    """Find the keys and certificates of a content, by their places.

    Nothing of a private half leaves this function. Hostile content costs time in proportion to its
    length, and gives less, never an error.
    """
    found: dict[int, tuple[KeyFact, int]] = {}
    until = 0
    for fact, end in _searched(content):
        found.setdefault(fact.offset, (fact, end))
    facts: list[KeyFact] = []
    for offset in sorted(found):
        fact, end = found[offset]
        if offset < until:
            continue  # a part of the key before it
        facts.append(fact)
        until = end
        if len(facts) == MOST_KEYS:
            break
    return tuple(facts)


def _searched(content: bytes) -> Iterator[tuple[KeyFact, int]]:
    whole = len(content)
    for once in (dropbear_key, pkcs12_of, _pgp_ring):
        fact = once(content)
        if fact is not None:
            yield fact, whole
            return
    yield from _pem_keys(content)
    yield from putty_keys(content, MOST_TRIES)
    yield from public_lines(content, MOST_TRIES)
    for several in (signify_keys, wireguard_keys):
        for fact in several(content, MOST_TRIES):
            yield fact, fact.offset + 1
    for fact in json_keys(content):
        yield fact, fact.offset + 1
    yield from _der_keys(content)


def _pgp_ring(content: bytes) -> KeyFact | None:
    return pgp_key(content) if content.startswith(BINARY_STARTS) else None


# ---- PEM -----------------------------------------------------------------------------------------


def _pem_keys(content: bytes) -> Iterator[tuple[KeyFact, int]]:
    at = content.find(_BEGIN)
    while at >= 0:
        match = _LABEL.match(content, at)
        start = match.end() if match is not None else at + len(_BEGIN)
        end = content.find(b"-----", start, start + MOST_PEM) if match is not None else -1
        if match is not None and content.startswith(b"-----END " + match[1] + b"-----", end):
            fact = _from_pem(match[1].decode(), content[start:end])
            if fact is not None:
                yield replace(fact, offset=at), end
        at = content.find(_BEGIN, max(start, end))


def _from_pem(label: str, text: bytes) -> KeyFact | None:
    headers, body = _opened(text)
    if label.startswith("OpenVPN Static key"):
        secret = KeyFact(kind="private-key", offset=0, subject="static key of OpenVPN")
        return secret if len(body) >= LEAST_BODY else None
    if "PGP" in label:
        # The sum at the end of the armour begins on a line of its own with "=".
        raw = decoded(body.partition(b"\n=")[0])
        return pgp_key(raw) if raw is not None and "KEY BLOCK" in label else None
    raw = None if _NOT_PEM.search(body) else decoded(_CLUTTER.sub(b"", body))
    if raw is None or len(raw) < LEAST_BODY:
        return None
    if label.endswith("PRIVATE KEY"):
        return _private_pem(label, headers, raw)
    reader = _PEM_READERS.get(label)
    return reader(raw) if reader is not None else None


def _opened(text: bytes) -> tuple[bytes, bytes]:
    """Part headers, as RFC 1421 has them, from the body; undo the escapes of a program's source."""
    text = _ESCAPED_END.sub(b"\n", text)
    lines = text.split(b"\n")
    many = 0
    for line in lines:
        bare = line.strip(b" \t\r\"'")
        if bare and not _HEADER.fullmatch(bare):
            break
        many += 1
    return b"\n".join(lines[:many]), b"\n".join(line.strip() for line in lines[many:])


def _private_pem(label: str, headers: bytes, raw: bytes) -> KeyFact | None:
    if b"ENCRYPTED" in headers:
        algorithm = label.partition(" ")[0].lower()
        named = algorithm if algorithm in {"rsa", "dsa", "ec"} else "unknown"
        return KeyFact(kind="encrypted-private-key", offset=0, algorithm=named)
    if label.startswith("OPENSSH"):
        return openssh_private(raw, 0)
    found = private_of(raw)
    if found is not None:
        return found[0]
    whole = part(raw, 0)
    if whole is None or whole.end != len(raw):
        return None  # an example cut short
    kind = "encrypted-private-key" if label.startswith("ENCRYPTED") else "private-key"
    return KeyFact(kind=kind, offset=0)


def _certificate(raw: bytes) -> KeyFact | None:
    found = certificate_of(raw)
    return found[0] if found is not None else None


def _public(raw: bytes) -> KeyFact | None:
    whole = part(raw, 0)
    public = spki_of(raw, whole) if whole is not None else None
    return _as_public(public, 0) if public is not None else _pkcs1(raw)


def _pkcs1(raw: bytes) -> KeyFact | None:
    found = pkcs1_public_of(raw, 0)
    return _as_public(found[0], 0) if found is not None else None


def _as_public(public: Public, at: int) -> KeyFact:
    return KeyFact(kind="public-key", offset=at, **public._asdict())


_PEM_READERS: Final[Mapping[str, Callable[[bytes], KeyFact | None]]] = {
    "CERTIFICATE": _certificate,
    "X509 CERTIFICATE": _certificate,
    "TRUSTED CERTIFICATE": _certificate,
    "CERTIFICATE REQUEST": request_of,
    "NEW CERTIFICATE REQUEST": request_of,
    "PUBLIC KEY": _public,
    "RSA PUBLIC KEY": _pkcs1,
    "DH PARAMETERS": dh_of,
    "X9.42 DH PARAMETERS": dh_of,
}


# ---- DER -----------------------------------------------------------------------------------------


def _der_keys(content: bytes) -> Iterator[tuple[KeyFact, int]]:
    """Look where the marks of a key are, from there back to where it would start."""
    if b"\0" not in content:
        return  # text; each of the forms below holds a zero byte
    until = tries = 0
    for start in sorted(set(_der_starts(content)) - {-1}):
        found = _der_key(content, start) if start >= until else None
        if found is not None:
            yield found
            until = found[1]
        tries += start >= until
        if tries == MOST_TRIES:
            break


def _der_starts(content: bytes) -> Iterator[int]:
    if content[:1] == b"\x30":
        yield 0
    for at in _places(content, _CERTIFICATE_3):
        yield _before(content, _before(content, at))
    for mark in (_RSA_START, _EC_START):
        for at in _places(content, mark):
            yield _before(content, at)
    for mark in _PUBLIC_STARTS:
        yield from _places(content, mark)
    for mark in _ALGORITHMS:
        for at in _places(content, mark):
            algorithm = _before(content, at)
            numbered = algorithm >= 0 and content[max(algorithm - 3, 0) : algorithm] == _VERSION_0
            yield _before(content, algorithm - 3 if numbered else algorithm)


def _der_key(content: bytes, at: int) -> tuple[KeyFact, int] | None:
    found = certificate_of(content, at) or private_of(content, at)
    if found is not None:
        return found
    whole = part(content, at)
    public = spki_of(content, whole) if whole is not None else None
    if whole is not None and public is not None:
        return _as_public(public, at), whole.end
    bare = pkcs1_public_of(content, at)
    return (_as_public(bare[0], at), bare[1]) if bare is not None else None


def _places(content: bytes, mark: bytes) -> Iterator[int]:
    at, tries = content.find(mark), MOST_PLACES
    while at >= 0 and tries:
        yield at
        tries -= 1
        at = content.find(mark, at + 1)


def _before(content: bytes, at: int) -> int:
    """Find the sequence whose first member is at `at`; -1 if none can start there."""
    for size, form in ((4, b"\x30\x82"), (3, b"\x30\x81")):
        if at >= size and content.startswith(form, at - size):
            return at - size
    short = at >= 2 and content[at - 2] == 0x30 and content[at - 1] < 0x80  # noqa: PLR2004
    return at - 2 if short else -1
