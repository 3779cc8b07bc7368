"""Keys in text that are neither PEM nor SSH: usign, signify, minisign, WireGuard, JSON."""

import base64
import binascii
import json
import re
from collections.abc import Iterator
from typing import Any, Final

from holdfast.audit.facts.keys_private import raw_private
from holdfast.audit.facts.keys_public import UNKNOWN, Public, ec_public, raw_public, rsa_public
from holdfast.audit.facts.shapes import KeyFact

MOST_JSON_BYTES: Final = 1024 * 1024
_MOST_NODES: Final = 50_000
_COMMENT: Final = b"untrusted comment:"
_SIGNED: Final = re.compile(
    rb"untrusted comment:([^\r\n\0]{0,200})\r?\n([0-9A-Za-z+/]{50,300}={0,2})"
)
_PUBLIC_BYTES, _SECRET_BYTES = 42, 104  # algorithm, number, key; with salt and checksum
_WIREGUARD: Final = re.compile(
    rb"""(?:PrivateKey|private_key)["']?[ \t]{0,20}[=: \t][ \t]{0,20}["']?"""
    rb"""([A-Za-z0-9+/]{43}=)(?![A-Za-z0-9+/=])"""
)
_CURVES: Final = {
    "P-256": bytes.fromhex("2a8648ce3d030107"),
    "P-384": bytes.fromhex("2b81040022"),
    "P-521": bytes.fromhex("2b81040023"),
    "secp256k1": bytes.fromhex("2b8104000a"),
}
_RAW: Final = {"Ed25519": "ed25519", "Ed448": "ed448", "X25519": "x25519", "X448": "x448"}
_ED25519_HEX: Final = re.compile(r"[0-9a-f]{64}")


def decoded(text: bytes) -> bytes | None:
    """Read base64 with blanks in it; None if it is none."""
    try:
        return base64.b64decode(b"".join(text.split()), validate=True)
    except binascii.Error:
        return None


def comment_of(raw: bytes) -> str:
    """Make a comment fit to be shown: one line, at most 100 characters."""
    text = raw.decode(errors="replace").strip()[:100]
    return "".join(sign if sign.isprintable() else "?" for sign in text)


def signify_keys(content: bytes, most: int) -> Iterator[KeyFact]:
    """Give the keys of usign, signify and minisign; their signatures are none."""
    at = content.find(_COMMENT)
    while at >= 0 and most:
        most -= 1
        match = _SIGNED.match(content, at)
        raw = decoded(match[2]) if match is not None else None
        if match is not None and raw is not None and raw.startswith(b"Ed"):
            subject = comment_of(match[1])
            kind, public = "usign-secret-key", Public("ed25519", 256)
            if len(raw) == _PUBLIC_BYTES:
                kind, public = "usign-public-key", raw_public("ed25519", raw[10:])
            elif raw[2:8] == b"BK\0\0\0\0" and len(raw) == _SECRET_BYTES:  # no passphrase
                public = raw_public("ed25519", raw[72:])
            if kind == "usign-public-key" or raw[2:4] in {b"BK", b"Sc"}:
                yield KeyFact(kind=kind, offset=at, subject=subject, **public._asdict())
        at = content.find(_COMMENT, at + 1)


def wireguard_keys(content: bytes, most: int) -> Iterator[KeyFact]:
    """Give the private keys of WireGuard's configuration."""
    for word in (b"PrivateKey", b"private_key"):
        at, tries = content.find(word), most
        while at >= 0 and tries:
            tries -= 1
            match = _WIREGUARD.match(content, at)
            raw = decoded(match[1]) if match is not None else None
            if raw is not None and any(raw):
                public = raw_private("x25519", raw)
                yield KeyFact(kind="wireguard-private-key", offset=at, **public._asdict())
            at = content.find(word, at + 1)


def json_keys(content: bytes) -> Iterator[KeyFact]:
    """Give the keys of JSON Web Keys (RFC 7517) and of TUF metadata."""
    if len(content) > MOST_JSON_BYTES or content.lstrip()[:1] not in {b"{", b"["}:
        return
    if b'"kty"' not in content and b'"keyval"' not in content:
        return
    try:
        todo: list[Any] = [json.loads(content)]
    except (ValueError, RecursionError):
        return
    seen = 0
    while todo and seen < _MOST_NODES:
        seen += 1
        node = todo.pop()
        if isinstance(node, list):
            todo += node
        elif isinstance(node, dict):
            todo += node.values()
            yield from _from_json(node, content)


def _from_json(node: dict[str, Any], content: bytes) -> Iterator[KeyFact]:
    public, shown = UNKNOWN, node.get("x") or node.get("n")
    match node:
        case {"kty": "RSA", "n": str(n), "e": str(e)}:
            public = rsa_public(int.from_bytes(_url(n)), int.from_bytes(_url(e)))
        case {"kty": "EC", "crv": str(crv), "x": str(x), "y": str(y)} if crv in _CURVES:
            public = ec_public(_CURVES[crv], b"\x04" + _url(x) + _url(y))
        case {"kty": "OKP", "crv": str(crv), "x": str(x)} if crv in _RAW:
            public = raw_public(_RAW[crv], _url(x))
        case {"keytype": "ed25519", "keyval": {"public": str(shown)}}:
            if _ED25519_HEX.fullmatch(shown):
                public = raw_public("ed25519", bytes.fromhex(shown))
    if public is not UNKNOWN:
        private = isinstance(node.get("d"), str) and "kty" in node
        offset = content.find(str(shown)[:64].encode(errors="replace"))
        kind = "private-key" if private else "public-key"
        yield KeyFact(kind=kind, offset=max(offset, 0), **public._asdict())


def _url(text: str) -> bytes:
    """Read base64url without padding, at most 2 KiB; b"" if it is none."""
    raw = text[:4096].encode(errors="replace")
    try:
        return base64.urlsafe_b64decode(raw + b"=" * (-len(raw) % 4))
    except binascii.Error:
        return b""
