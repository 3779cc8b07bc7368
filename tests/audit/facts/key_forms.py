"""Keys in every form that an audit meets, made anew in each run; none is ever in git."""

import base64
import struct
from functools import cache
from hashlib import sha256

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa

from holdfast.audit.facts.der import INTEGER, SEQUENCE, made, made_number

PrivateKey = (
    rsa.RSAPrivateKey | dsa.DSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
)


@cache
def private(kind: str) -> PrivateKey:
    match kind:
        case "rsa":
            return rsa.generate_private_key(65537, 2048)
        case "dsa":
            return dsa.generate_private_key(1024)  # noqa: S505 - old keys are to be found
        case "p256":
            return ec.generate_private_key(ec.SECP256R1())
        case "p384":
            return ec.generate_private_key(ec.SECP384R1())
    return ed25519.Ed25519PrivateKey.generate()


def fingerprint(key: PrivateKey) -> str:
    return sha256(spki(key)).hexdigest()


def spki(key: PrivateKey) -> bytes:
    return key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def written(
    key: PrivateKey,
    form: serialization.PrivateFormat = serialization.PrivateFormat.PKCS8,
    encoding: serialization.Encoding = serialization.Encoding.PEM,
    passphrase: bytes = b"",
) -> bytes:
    lock: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if passphrase:
        lock = serialization.BestAvailableEncryption(passphrase)
    return key.private_bytes(encoding, form, lock)


def openssh_line(key: PrivateKey, comment: str = "ada@work") -> bytes:
    if isinstance(key, dsa.DSAPrivateKey):  # no library writes these any more
        public = key.private_numbers().public_numbers
        group = public.parameter_numbers
        blob = text(b"ssh-dss", *map(number, (group.p, group.q, group.g, public.y)))
        return b"ssh-dss " + base64.b64encode(blob) + b" " + comment.encode() + b"\n"
    line = key.public_key().public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    return line + b" " + comment.encode() + b"\n"


def text(*values: bytes) -> bytes:
    """Strings as SSH writes them."""
    return b"".join(struct.pack(">I", len(value)) + value for value in values)


def number(value: int) -> bytes:
    return value.to_bytes(value.bit_length() // 8 + 1)


def dropbear(kind: str) -> bytes:
    key = private(kind)
    match key:
        case rsa.RSAPrivateKey():
            secret = key.private_numbers()
            n, e = secret.public_numbers.n, secret.public_numbers.e
            return text(b"ssh-rsa", *map(number, (e, n, secret.d, secret.p, secret.q)))
        case dsa.DSAPrivateKey():
            x = key.private_numbers().x
            public = key.private_numbers().public_numbers
            p, q, g = (
                public.parameter_numbers.p,
                public.parameter_numbers.q,
                public.parameter_numbers.g,
            )
            return text(b"ssh-dss", *map(number, (p, q, g, public.y, x)))
        case ec.EllipticCurvePrivateKey():
            point = key.public_key().public_bytes(
                serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
            )
            secret_value = key.private_numbers().private_value
            return text(b"ecdsa-sha2-nistp256", b"nistp256", point, number(secret_value))
    both = key.private_bytes_raw() + key.public_key().public_bytes_raw()
    return text(b"ssh-ed25519", both)


def openssh_locked() -> bytes:
    """A private key behind a passphrase: only its head and its public half can be read."""
    public = base64.b64decode(openssh_line(private("ed25519")).split()[1])
    head = b"openssh-key-v1\0" + text(b"aes256-ctr", b"bcrypt", text(bytes(16)) + bytes(4))
    body = base64.encodebytes(head + struct.pack(">I", 1) + text(public, bytes(160)))
    label = b"OPENSSH PRIVATE KEY"
    return b"-----BEGIN " + label + b"-----\n" + body + b"-----END " + label + b"-----\n"


def putty(encryption: str = "none") -> bytes:
    blob = openssh_line(private("rsa")).split()[1]
    lines = [blob[at : at + 64] for at in range(0, len(blob), 64)]
    head = f"PuTTY-User-Key-File-2: ssh-rsa\nEncryption: {encryption}\nComment: ada\n"
    body = f"Public-Lines: {len(lines)}\n".encode() + b"\n".join(lines)
    return head.encode() + body + b"\nPrivate-Lines: 1\nAAAA\nPrivate-MAC: 00\n"


def usign(*, secret: bool) -> bytes:
    key = ed25519.Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes_raw()
    raw = b"Ed" + bytes(8) + public
    if secret:
        raw = b"EdBK" + bytes(4 + 16 + 8 + 8) + key.private_bytes_raw() + public
    return b"untrusted comment: a key\n" + base64.b64encode(raw) + b"\n"


def small_rsa(bits: int = 512) -> tuple[bytes, int]:
    """RSA as short as libraries refuse to make: PKCS#1 and modulus."""
    half = bits // 2
    p = _prime(1 << half - 1 | 1 << half - 2 | 1)
    q = _prime(p + 2)
    n, e = p * q, 65537
    d = pow(e, -1, (p - 1) * (q - 1))
    numbers = (0, n, e, d, p, q, d % (p - 1), d % (q - 1), pow(q, -1, p))
    return made(SEQUENCE, *map(made_number, numbers)), n


def _prime(start: int) -> int:
    while pow(3, start - 1, start) != 1 or pow(5, start - 1, start) != 1:
        start += 2
    return start


def pgp(*, private_half: bool) -> bytes:
    """A ring with an RSA key and its owner, in old packets."""
    key = private("rsa")
    assert isinstance(key, rsa.RSAPrivateKey)
    public = key.public_key().public_numbers()
    body = b"\x04" + bytes(4) + b"\x01" + _mpi(public.n) + _mpi(public.e)
    tag = 5 if private_half else 6
    packets = bytes([0x80 | tag << 2 | 1]) + struct.pack(">H", len(body)) + body
    owner = b"Ada <ada@example.com>"
    return packets + bytes([0x80 | 13 << 2, len(owner)]) + owner


def _mpi(value: int) -> bytes:
    return struct.pack(">H", value.bit_length()) + value.to_bytes((value.bit_length() + 7) // 8)


def armoured(raw: bytes, label: str) -> bytes:
    body = base64.encodebytes(raw)
    return (
        f"-----BEGIN PGP {label} KEY BLOCK-----\nVersion: any\n\n".encode()
        + body
        + f"=abcd\n-----END PGP {label} KEY BLOCK-----\n".encode()
    )


def dh_parameters(bits: int) -> bytes:
    return made(SEQUENCE, made_number((1 << bits) - 1), made(INTEGER, b"\x02"))
