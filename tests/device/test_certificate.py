"""The certificate of the owner's pages: made once, kept, and never silently another."""

import os
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from hypothesis import given
from hypothesis import strategies as st

from holdfast.device import certificate
from holdfast.device.settings import Settings


def settings_in(folder: Path, controller_id: str = "Gateway_0001") -> Settings:
    return Settings(
        folder=folder,
        controller_id=controller_id,
        hub_url="http://127.0.0.1:1",
        product=folder / "p",
        gui_listen="192.168.7.1:443",
    )


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "factory").mkdir()
    return settings_in(tmp_path)


def test_names_addresses_and_a_long_life(settings: Settings) -> None:
    certificate.make(settings)
    made = x509.load_pem_x509_certificate(settings.certificate_file.read_bytes())
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [
        "gateway-0001",
        "gateway-0001.local",
        "localhost",
    ]
    addresses = {str(one) for one in names.get_values_for_type(x509.IPAddress)}
    assert addresses == {"127.0.0.1", "::1", "192.168.7.1"}
    assert (made.not_valid_before_utc.year, made.not_valid_after_utc.year) == (2000, 9999)
    assert made.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False
    made.verify_directly_issued_by(made)


def test_key_is_closed_and_never_leaves_the_folder(settings: Settings) -> None:
    certificate.make(settings)
    assert settings.tls_key_file.stat().st_mode & 0o777 == 0o400
    assert b"PRIVATE" not in settings.certificate_file.read_bytes()


def test_fingerprint_is_the_one_that_browsers_show(settings: Settings) -> None:
    certificate.make(settings)
    pem = settings.certificate_file.read_text()
    shown = x509.load_pem_x509_certificate(pem.encode()).fingerprint(SHA256())
    assert certificate.fingerprint(settings.certificate_file) == shown.hex()
    grouped = certificate.in_groups(shown.hex())
    assert len(grouped.split()) == 16
    assert grouped.replace(" ", "").lower() == shown.hex()


@pytest.mark.parametrize("content", [b"", b"-----BEGIN CERTIFICATE-----\n%%%", b"\xff\xfe"])
def test_no_fingerprint_of_a_damaged_certificate(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "certificate.pem"
    file.write_bytes(content)
    with pytest.raises(certificate.CertificateError):
        certificate.fingerprint(file)
    with pytest.raises(certificate.CertificateError):
        certificate.fingerprint(tmp_path / "none")


def test_an_older_device_gets_one_and_keeps_it(settings: Settings) -> None:
    assert "no certificate yet" in certificate.ensure(settings)
    first = certificate.fingerprint(settings.certificate_file)
    assert certificate.ensure(settings) == ""
    assert certificate.fingerprint(settings.certificate_file) == first


@pytest.mark.parametrize("name", ["tls-key.pem", "tls-certificate.pem"])
@pytest.mark.parametrize("content", [b"", b"garbage", b"\0" * 300])
def test_damage_is_said_and_mended(settings: Settings, name: str, content: bytes) -> None:
    certificate.make(settings)
    file = settings.factory / name
    file.chmod(0o600)
    file.write_bytes(content)
    said = certificate.ensure(settings)
    assert "cannot be used together" in said
    assert "label is not right" in said
    certificate.server_context(settings.certificate_file, settings.tls_key_file)
    assert (settings.factory / f"{name}.damaged").read_bytes() == content


def test_a_cut_between_key_and_certificate_is_made_good(settings: Settings) -> None:
    certificate.make(settings)
    settings.certificate_file.unlink()
    assert "no certificate yet" in certificate.ensure(settings)
    certificate.server_context(settings.certificate_file, settings.tls_key_file)


def test_certificate_of_another_key_is_refused(settings: Settings, tmp_path: Path) -> None:
    certificate.make(settings)
    (tmp_path / "other/factory").mkdir(parents=True)
    other = settings_in(tmp_path / "other")
    certificate.make(other)
    with pytest.raises(certificate.CertificateError):
        certificate.server_context(settings.certificate_file, other.tls_key_file)


def test_key_of_another_user_is_not_taken_for_damaged(as_nobody: Path) -> None:
    if os.geteuid() == 0:
        pytest.fail("this test needs to be an ordinary user")
    settings = settings_in(as_nobody)
    settings.factory.mkdir()
    certificate.make(settings)
    settings.tls_key_file.chmod(0o000)
    before = certificate.fingerprint(settings.certificate_file)
    with pytest.raises(certificate.CertificateError, match="another user") as caught:
        certificate.ensure(settings)
    assert "as root" in caught.value.hint
    assert certificate.fingerprint(settings.certificate_file) == before


def test_old_protocols_are_off(settings: Settings) -> None:
    certificate.make(settings)
    context = certificate.server_context(settings.certificate_file, settings.tls_key_file)
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    offered = {one["name"] for one in context.get_ciphers()}
    assert all("ECDHE" in name or name.startswith("TLS_") for name in offered)
    assert not any("CBC" in name or name.endswith("SHA") for name in offered)


@given(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}", fullmatch=True))
def test_every_id_gives_names_that_can_be_names(controller_id: str) -> None:
    plain, local = settings_in(Path("/nowhere"), controller_id=controller_id).names
    assert local == f"{plain}.local"
    assert 0 < len(plain) <= 63
    assert not plain.startswith("-")
    assert not plain.endswith("-")
    assert plain == plain.lower()
