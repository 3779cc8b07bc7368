"""The certificate of the owner's pages: made in the factory, named on the label, never renewed.

Nobody vouches for a device at home, so the certificate is signed by its own key. What lets an
owner believe it is its SHA-256 fingerprint, printed on the label beside the set-up code. That is
why it does not expire and survives a factory reset: another certificate would make the label
wrong. The key is made on the device and leaves it never.
"""

import base64
import hashlib
import ipaddress
import os
import ssl
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from holdfast.core.errors import HoldfastError
from holdfast.core.files import write_whole
from holdfast.device.settings import Settings

# A device whose clock was never set must not make a certificate of the future.
_FIRST_DAY = datetime(2000, 1, 1, tzinfo=UTC)
# Source: RFC 5280 4.1.2.5, a certificate without a well-defined end.
_LAST_DAY = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
_ANY_ADDRESS = frozenset({"0.0.0.0", "::", ""})  # noqa: S104 - compared with, not listened on
_BEGIN, _END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
_GROUP = 4


class CertificateError(HoldfastError):
    """The certificate of the owner's pages, or its key, cannot be used."""

    code = "device-certificate"
    hint = "Switch the device off and on again: what is damaged is made anew, with a new label."


def ensure(settings: Settings) -> str:
    """Make key and certificate where they are missing or damaged.

    Damaged ones are kept beside the new ones, as `*.damaged`.

    Returns:
        What was made and why, in words; empty if all was there.

    Raises:
        CertificateError: The key may not be read here, so nobody can say whether it is whole.
        NoSpaceError: The disk is full.
    """
    key, certificate = settings.tls_key_file, settings.certificate_file
    if key.exists() and certificate.exists():
        if not os.access(key, os.R_OK):
            error = CertificateError(f"the key {key} belongs to another user")
            error.hint = "Start the device as root, or as the user who started it before."
            raise error
        try:
            server_context(certificate, key)
        except CertificateError as error:
            for path in (key, certificate):
                path.replace(path.with_name(f"{path.name}.damaged"))
            make(settings)
            return f"{error}; new ones were made, so the fingerprint on the label is not right now"
        return ""
    make(settings)
    return "this device had no certificate yet, one was made; its label needs the fingerprint"


def make(settings: Settings) -> None:
    """Make a P-256 key and the certificate that is signed by it.

    The key is written first: a certificate without key is never there.

    Raises:
        NoSpaceError: The disk is full.
    """
    # Large, and needed once in the life of a device.
    from cryptography import x509  # noqa: PLC0415
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID  # noqa: PLC0415

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, settings.names[0])])
    names: list[x509.GeneralName] = [
        *(x509.DNSName(one) for one in (*settings.names, "localhost")),
        *(x509.IPAddress(one) for one in _addresses(settings.gui_listen)),
    ]
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_FIRST_DAY)
        .not_valid_after(_LAST_DAY)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    write_whole(settings.tls_key_file, secret, mode=0o400)
    write_whole(settings.certificate_file, built.public_bytes(pem), mode=0o444)


def _addresses(gui_listen: str) -> list[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    """Give the addresses that are known in the factory: loopback, and a fixed one if there is."""
    found = {ipaddress.ip_address("127.0.0.1"), ipaddress.ip_address("::1")}
    host = gui_listen.rpartition(":")[0].strip("[]")
    if host not in _ANY_ADDRESS:
        with suppress(ValueError):
            found.add(ipaddress.ip_address(host))
    return sorted(found, key=str)


def fingerprint(certificate: Path) -> str:
    """Give the SHA-256 of a certificate, as browsers show it: 64 hexadecimal digits, lower case.

    Raises:
        CertificateError: There is none, or it is damaged.
    """
    try:
        text = certificate.read_text(encoding="ascii")
        body = text.partition(_BEGIN)[2].partition(_END)[0]
        found = base64.b64decode("".join(body.split()), validate=True)
    except (OSError, ValueError) as error:
        raise CertificateError(f"the certificate {certificate.name} cannot be read") from error
    if not found:
        raise CertificateError(f"the file {certificate.name} holds no certificate")
    return hashlib.sha256(found).hexdigest()


def in_groups(digits: str) -> str:
    """Write a fingerprint as it is compared by eye: `3F2A 91C0 ...`."""
    upper = digits.upper()
    return " ".join(upper[at : at + _GROUP] for at in range(0, len(upper), _GROUP))


def server_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """Give what the owner's pages are served with: TLS 1.2 at least, no old ciphers.

    Raises:
        CertificateError: Certificate or key cannot be used.

    Source:
        RFC 9325: TLS 1.2 with AEAD and ephemeral keys only; no renegotiation.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE+AESGCM:ECDHE+CHACHA20")
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    try:
        # The password is never asked for: a key that wants one would stop the start for ever.
        context.load_cert_chain(certificate, key, password=lambda: "")
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise CertificateError(
            f"the certificate {certificate.name} and the key {key.name} cannot be used together"
        ) from error
    return context
