"""Plain words for a server's certificate: why it was refused, and when it ends."""

import datetime as dt
import ssl

from cryptography import x509
from cryptography.x509.oid import NameOID

from holdfast.accounts.directories.reach import SOON

# Numbers of OpenSSL's X509_V_ERR_...
_NOT_YET, _EXPIRED = 9, 10
_NOT_SIGNED_BY_KNOWN = (2, 18, 19, 20, 21)
_OTHER_NAME, _OTHER_ADDRESS = 62, 64
_MOST_NAMES = 5
_MOST_CHARACTERS = 100


def diagnosis(error: ssl.SSLCertVerificationError, wanted: str, certificate: bytes | None) -> str:
    """Say why a certificate was refused, and what to do.

    Args:
        error: Of the handshake.
        wanted: Name or address that should stand in it.
        certificate: DER, where it is known; it is not trusted in anything.
    """
    seen = _read(certificate)
    code = error.verify_code
    if code in {_OTHER_NAME, _OTHER_ADDRESS}:
        names = names_of(seen) if seen is not None else ""
        other = f"for {names}, not for {wanted}" if names else f"not for {wanted}"
        return (
            f"the certificate is {other}: set tls_name to a name that stands in it, or give the"
            " server another certificate"
        )
    if code == _EXPIRED:
        when = f"on {_day(seen.not_valid_after_utc)}" if seen is not None else "already"
        return f"the certificate, or one above it, is over; the server's ended {when}: renew it"
    if code == _NOT_YET:
        when = f"on {_day(seen.not_valid_before_utc)}" if seen is not None else "later"
        return f"the certificate becomes valid {when}: is the clock of this device right?"
    if code in _NOT_SIGNED_BY_KNOWN:
        issuer = f"by {_common(seen.issuer)}" if seen is not None else "by somebody"
        return (
            f"the certificate is signed {issuer}, which is not among the given ones: put the"
            " certificate of who signs it into ca"
        )
    return f"the certificate is refused: {_tame(error.verify_message)}"


def ending(certificate: bytes, *, now: dt.datetime) -> str:
    """Say when a trusted certificate ends; with a warning if that is soon.

    Args:
        certificate: DER.
        now: Aware.
    """
    seen = _read(certificate)
    if seen is None:
        return "the certificate is good"
    left = seen.not_valid_after_utc - now
    if left < SOON:
        return (
            f"the certificate is good, but ends in {max(0, left.days)} days, on"
            f" {_day(seen.not_valid_after_utc)}: renew it before"
        )
    return f"the certificate is good until {_day(seen.not_valid_after_utc)}"


def names_of(certificate: x509.Certificate) -> str:
    """List the names and addresses that a certificate is for, with commas."""
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        names = [*extension.value.get_values_for_type(x509.DNSName)]
        addresses = extension.value.get_values_for_type(x509.IPAddress)
        names += [str(one) for one in addresses]
    except (x509.ExtensionNotFound, ValueError):
        names = []
    shown = [_tame(name) for name in names[:_MOST_NAMES]]
    return ", ".join(shown) + (" and more" if len(names) > _MOST_NAMES else "")


def _read(certificate: bytes | None) -> x509.Certificate | None:
    if certificate is None:
        return None
    try:
        return x509.load_der_x509_certificate(certificate)
    except ValueError:
        return None


def _common(name: x509.Name) -> str:
    try:
        found = name.get_attributes_for_oid(NameOID.COMMON_NAME)
        return f'"{_tame(str(found[0].value))}"' if found else _tame(name.rfc4514_string())
    except ValueError:
        return "somebody without a name"


def _day(moment: dt.datetime) -> str:
    return moment.strftime("%Y-%m-%d")


def _tame(text: str) -> str:
    """Make text of a stranger fit for a page and a log."""
    shown = "".join(character if character.isprintable() else "?" for character in text)
    return shown[:_MOST_CHARACTERS]
