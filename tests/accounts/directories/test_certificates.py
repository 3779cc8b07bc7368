"""Words for certificates."""

import datetime as dt

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from holdfast.accounts.directories import certificates
from tests.servers.authority import DAY, Authority

NOW = dt.datetime.now(dt.UTC)


def der(pem: str) -> bytes:
    return x509.load_pem_x509_certificate(pem.encode()).public_bytes(Encoding.DER)


@pytest.mark.parametrize(
    ("days", "told"),
    [(400, "is good until 20"), (12.5, "ends in 12 days, on 20"), (0.5, "ends in 0")],
)
def test_a_certificate_that_ends_soon_is_warned_about(days: float, told: str) -> None:
    certificate = der(Authority().issue(lasts=days * DAY).certificate)

    assert told in certificates.ending(certificate, now=NOW)


def test_names_are_listed_tamely() -> None:
    issued = Authority().issue(
        "a.test", "10.0.0.1", "b.test", "c.test", "d.test", "e.test", "f.test"
    )

    listed = certificates.names_of(x509.load_pem_x509_certificate(issued.certificate.encode()))

    assert listed == "a.test, b.test, c.test, d.test, e.test and more"


@pytest.mark.parametrize("octets", [b"", b"\x30\x03\x02\x01\x01", b"\xff" * 300])
def test_what_is_no_certificate_does_no_harm(octets: bytes) -> None:
    assert certificates.ending(octets, now=NOW) == "the certificate is good"
