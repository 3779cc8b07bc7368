import base64
import json
import time
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa, x25519
from cryptography.hazmat.primitives.serialization import pkcs12
from hypothesis import given
from hypothesis import strategies as st

from holdfast.audit.facts.keys import MOST_KEYS, keys_in
from holdfast.audit.facts.shapes import KeyFact
from tests.audit import made
from tests.audit.facts import key_forms as forms

PKCS8 = serialization.PrivateFormat.PKCS8
OLD = serialization.PrivateFormat.TraditionalOpenSSL
OPENSSH = serialization.PrivateFormat.OpenSSH
DER = serialization.Encoding.DER


def one(content: bytes) -> KeyFact:
    (fact,) = keys_in(content)
    return fact


def certificate(**what: object) -> bytes:
    return bytes(made.MAKERS["certificate"](what))


def der_of(pem: bytes) -> bytes:
    return base64.b64decode(b"".join(pem.splitlines()[1:-1]))


@pytest.mark.parametrize("kind", ["rsa", "dsa", "p256", "p384", "ed25519"])
@pytest.mark.parametrize("form", [PKCS8, OLD])
def test_private_key_is_told_by_its_public_half(
    kind: str, form: serialization.PrivateFormat
) -> None:
    if kind == "ed25519" and form is OLD:
        form = PKCS8
    key = forms.private(kind)
    algorithm = {"p256": "ec", "p384": "ec"}.get(kind, kind)
    bits = {"rsa": 2048, "dsa": 1024, "p256": 256, "p384": 384, "ed25519": 256}[kind]
    pem = one(b"# a comment before\n" + forms.written(key, form))
    assert (pem.kind, pem.offset, pem.algorithm, pem.bits, pem.fingerprint) == (
        "private-key", 19, algorithm, bits, forms.fingerprint(key),
    )  # fmt: skip
    inside = one(b"\x7fELF" + bytes(300) + forms.written(key, form, DER) + b"\xff" * 40)
    assert (inside.kind, inside.offset, inside.fingerprint) == (
        "private-key", 304, forms.fingerprint(key),
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["rsa", "dsa", "p256", "ed25519"])
def test_public_halves_have_the_same_name(kind: str) -> None:
    key = forms.private(kind)
    spki = forms.spki(key)
    for content in (spki, b"\x01" * 90 + spki + b"\0" * 9, made.pem("PUBLIC KEY", spki)):
        fact = one(content)
        assert (fact.kind, fact.fingerprint) == ("public-key", forms.fingerprint(key))
    line = one(b'command="/bin/false" ' + forms.openssh_line(key))
    assert (line.kind, line.fingerprint, line.subject) == (
        "ssh-public-key", forms.fingerprint(key), "ada@work",
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["rsa", "p256", "ed25519"])
def test_openssh_private_key(kind: str) -> None:
    key = forms.private(kind)
    fact = one(forms.written(key, OPENSSH))
    assert (fact.kind, fact.fingerprint) == ("ssh-private-key", forms.fingerprint(key))


@pytest.mark.parametrize("kind", ["rsa", "dsa", "p256", "ed25519"])
def test_dropbear_host_key(kind: str) -> None:
    fact = one(forms.dropbear(kind))
    assert (fact.kind, fact.fingerprint) == (
        "dropbear-host-key", forms.fingerprint(forms.private(kind)),
    )  # fmt: skip


def test_what_has_a_passphrase_is_told_apart() -> None:
    key = forms.private("rsa")
    for form in (PKCS8, OLD):
        fact = one(forms.written(key, form, passphrase=b"good night"))
        assert fact.kind == "encrypted-private-key"
    locked = one(forms.openssh_locked())
    assert locked.kind == "encrypted-private-key"
    assert locked.fingerprint == forms.fingerprint(forms.private("ed25519"))
    assert one(forms.putty("aes256-cbc")).kind == "encrypted-private-key"
    assert one(forms.putty()).kind == "ssh-private-key"
    assert one(forms.putty()).fingerprint == forms.fingerprint(key)


def test_rsa_of_512_bits_does_not_frighten() -> None:
    pkcs1, modulus = forms.small_rsa()
    for content in (made.pem("RSA PRIVATE KEY", pkcs1), b"\x7fELF" + bytes(99) + pkcs1 + bytes(9)):
        fact = one(content)
        assert (fact.kind, fact.algorithm, fact.bits) == ("private-key", "rsa", 512)
        assert fact.bits == modulus.bit_length()
        assert fact.fingerprint


def test_certificate() -> None:
    content = certificate(days=30, ca=True, name="Nordlicht, Inc.")
    fact = one(content)
    assert (fact.kind, fact.algorithm, fact.bits, fact.signature) == (
        "certificate", "rsa", 2048, "sha256",
    )  # fmt: skip
    assert fact.authority
    assert fact.subject == "CN=Nordlicht\\, Inc."
    assert fact.issuer == fact.subject
    until = datetime.fromtimestamp(fact.not_after, UTC)
    assert until == made.NOW.replace(month=12, day=22)
    inside = one(b"\x7fELF" + bytes(77) + der_of(content) + bytes(9))
    assert (inside.offset, inside.fingerprint) == (81, fact.fingerprint)
    assert not one(certificate(ca=False)).authority
    assert one(certificate(hash="md5")).signature == "md5"


def test_a_key_and_its_certificate_in_one_file_have_one_name() -> None:
    private = bytes(made.MAKERS["key"]({"kind": "rsa"}))
    found = keys_in(certificate(bits=2048) + private)
    assert [fact.kind for fact in found] == ["certificate", "private-key"]
    assert found[0].fingerprint == found[1].fingerprint


def test_signify_and_usign() -> None:
    public, secret = one(forms.usign(secret=False)), one(forms.usign(secret=True))
    assert (public.kind, public.subject) == ("usign-public-key", "a key")
    assert secret.kind == "usign-secret-key"
    assert public.fingerprint
    assert secret.fingerprint
    signature = base64.b64encode(b"Ed" + bytes(8 + 64))
    assert not keys_in(b"untrusted comment: verify with key.pub\n" + signature + b"\n")


def test_wireguard() -> None:
    key = x25519.X25519PrivateKey.generate()
    text = base64.b64encode(key.private_bytes_raw())
    for content in (
        b"[Interface]\nPrivateKey = " + text + b"\n",
        b"\toption private_key '" + text + b"'\n",
    ):
        fact = one(content)
        assert (fact.kind, fact.algorithm) == ("wireguard-private-key", "x25519")
    assert not keys_in(b"PrivateKey = " + base64.b64encode(bytes(32)) + b"\n")


def _word(value: int) -> str:
    raw = value.to_bytes((value.bit_length() + 7) // 8)
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def test_json_web_keys_and_tuf_metadata() -> None:
    key = forms.private("rsa")
    assert isinstance(key, rsa.RSAPrivateKey)
    numbers = key.private_numbers()
    public = {"kty": "RSA", "n": _word(numbers.public_numbers.n), "e": "AQAB"}
    fact = one(json.dumps({"keys": [public]}).encode())
    assert (fact.kind, fact.fingerprint) == ("public-key", forms.fingerprint(key))
    assert one(json.dumps({**public, "d": _word(numbers.d)}).encode()).kind == "private-key"
    raw = forms.spki(forms.private("ed25519"))[-32:]
    tuf = {"signed": {"keys": {"0": {"keytype": "ed25519", "keyval": {"public": raw.hex()}}}}}
    assert one(json.dumps(tuf).encode()).fingerprint == forms.fingerprint(forms.private("ed25519"))
    assert not keys_in(b'{"kty": ' + b"[" * 100_000)


@pytest.mark.parametrize("private_half", [True, False])
def test_openpgp(private_half: bool) -> None:  # noqa: FBT001
    raw = forms.pgp(private_half=private_half)
    label = "PRIVATE" if private_half else "PUBLIC"
    for content in (raw, forms.armoured(raw, label)):
        fact = one(content)
        assert fact.kind == f"pgp-{label.lower()}-key"
        assert fact.fingerprint == forms.fingerprint(forms.private("rsa"))
        assert fact.subject == "Ada <ada@example.com>"


def test_pkcs12_openvpn_and_diffie_hellman() -> None:
    store = pkcs12.serialize_key_and_certificates(
        b"name", forms.private("rsa"), None, None, serialization.BestAvailableEncryption(b"word")
    )
    assert one(store).kind == "pkcs12"
    static = b"-----BEGIN OpenVPN Static key V1-----\n" + b"0123456789abcdef\n" * 16
    assert one(static + b"-----END OpenVPN Static key V1-----\n").kind == "private-key"
    parameters = one(made.pem("DH PARAMETERS", forms.dh_parameters(1024)))
    assert (parameters.kind, parameters.bits) == ("dh-parameters", 1024)


def test_pem_in_source_and_with_blanks() -> None:
    pem = forms.written(forms.private("p256"))
    escaped = b'static const char *key = "' + pem.replace(b"\n", b"\\n") + b'";\n'
    indented = b"key: |\n" + b"".join(b"    " + line + b"\n" for line in pem.splitlines())
    returns = pem.replace(b"\n", b"\r\n")
    for content in (escaped, indented, returns, pem + b"\0more"):
        assert one(content).fingerprint == forms.fingerprint(forms.private("p256"))


@pytest.mark.parametrize(
    "content",
    [
        b"-----BEGIN RSA PRIVATE KEY-----\0-----END RSA PRIVATE KEY-----\0",
        b"-----BEGIN %s-----\n",
        b"-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----\n",
        b"-----BEGIN PRIVATE KEY-----\nMIIEvgIBADANBgkqhkiG9w0BAQ==\n-----END PRIVATE KEY-----\n",
        b"ssh-rsa AAAAB3NzaC1yc2E is how such a line begins\n",
        b"untrusted comment: nothing\n",
        b"PrivateKey = yours\n",
        bytes.fromhex("06092a864886f70d010101"),
        b"",
    ],
)
def test_marks_alone_are_no_key(content: bytes) -> None:
    assert keys_in(content) == ()


def test_no_secret_leaves() -> None:
    key = forms.private("rsa")
    assert isinstance(key, rsa.RSAPrivateKey)
    numbers = key.private_numbers()
    shown = repr(keys_in(forms.written(key) + forms.putty() + forms.usign(secret=True)))
    for secret in (numbers.d, numbers.p, numbers.q):
        assert f"{secret:x}" not in shown
        assert str(secret) not in shown
    assert forms.written(key).splitlines()[3].decode() not in shown


def test_bundle_of_authorities() -> None:
    found = keys_in(certificate(bits=1024, ca=True, count=12))
    assert [fact.authority for fact in found] == [True] * 12
    assert len({fact.fingerprint for fact in found}) == 12


def test_there_is_an_end() -> None:
    line = forms.openssh_line(forms.private("ed25519"))
    assert len(keys_in(line * (MOST_KEYS + 500))) <= MOST_KEYS


HOSTILE = [
    bytes.fromhex("3082ffff02010002") * 200_000,
    bytes.fromhex("30820100308200fca00302010202") * 100_000,
    bytes.fromhex("301306072a8648ce3d020106") * 100_000,
    b"-----BEGIN PRIVATE KEY-----" * 100_000,
    b"-----BEGIN PRIVATE KEY-----\n" + b"A" * 2_000_000,
    b"AAAAB3NzaC1yc2E" * 150_000,
    b"untrusted comment:" * 100_000,
    b"PrivateKey = " * 150_000,
    b"PuTTY-User-Key-File-2: ssh-rsa\nEncryption: none\nComment: \nPublic-Lines: 9\n" * 30_000,
    b"\x99\xff\xff" + b"\x04" * 1_000_000,
    b'{"kty":"RSA","n":' + b'{"n":' * 100_000,
]


@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_hostile_content_costs_little(number: int) -> None:
    started = time.perf_counter()
    keys_in(HOSTILE[number])
    assert time.perf_counter() - started < 3


VALID = st.sampled_from(
    [
        lambda: forms.written(forms.private("rsa"), PKCS8, DER),
        lambda: forms.written(forms.private("p256"), OLD, DER),
        lambda: forms.written(forms.private("dsa"), PKCS8, DER),
        lambda: forms.written(forms.private("ed25519")),
        lambda: forms.written(forms.private("rsa"), OPENSSH),
        lambda: der_of(certificate()),
        lambda: forms.dropbear("rsa"),
        lambda: forms.pgp(private_half=False),
        forms.putty,
        lambda: forms.usign(secret=True),
        lambda: forms.openssh_line(forms.private("p256")),
    ]
)


@given(VALID, st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 255)), max_size=4), st.data())
def test_damaged_keys_give_less_never_an_error(
    valid: object, changes: list[tuple[int, int]], more: st.DataObject
) -> None:
    content = bytearray(valid())  # type: ignore[operator]
    for at, byte in changes:
        content[at % len(content)] = byte
    cut = more.draw(st.integers(0, len(content)))
    for fact in (*keys_in(bytes(content)), *keys_in(bytes(content[cut:]))):
        assert 0 <= fact.offset < len(content)
        assert fact.bits >= 0
        assert len(fact.subject) <= 200
