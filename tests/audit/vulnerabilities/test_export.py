"""Signed exports: whole, from the right hand, and never a step back."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from holdfast.audit.vulnerabilities.database import Database
from holdfast.audit.vulnerabilities.errors import (
    DatabaseError,
    DataError,
    OlderDataError,
    SealError,
    SignatureError,
)
from holdfast.audit.vulnerabilities.export import ROLE, is_export, take_export, write_export
from holdfast.audit.vulnerabilities.schema import verify
from holdfast.updates.keys import SigningKey, public_of
from holdfast.updates.upstream import CryptoSigner
from tests.audit.vulnerabilities import records as make

Take = Callable[..., Path]


def key(role: str = ROLE) -> SigningKey:
    private = Ed25519PrivateKey.generate()
    return SigningKey(public_of(private, role), CryptoSigner(private))


@pytest.fixture(scope="module")
def signer() -> SigningKey:
    return key()


@pytest.fixture
def base(take: Take) -> Path:
    listed = [(f"CVE-2024-{1000 + number}", "PHP", "PHP", "text") for number in range(50)]
    return take(make.kev(*listed), b"CVE-2024-1000,0.5,0.5\n")


def test_there_and_back(base: Path, signer: SigningKey, tmp_path: Path) -> None:
    out = tmp_path / "data.holdfast"
    head = write_export(base, out, signer)
    assert is_export(out)
    assert not is_export(base)
    assert out.stat().st_size < base.stat().st_size / 2
    place = tmp_path / "elsewhere"
    place.mkdir()
    taken = take_export(out, place / "base.sqlite", signer.public)
    assert taken == head
    verify(place / "base.sqlite")
    with Database(base) as one, Database(place / "base.sqlite") as other:
        assert one.ages() == other.ages()
        assert one.exploited("php") == other.exploited("php")
        assert one.meta("made") == other.meta("made")
    # The same again does no harm.
    take_export(out, place / "base.sqlite", signer.public.public)
    assert sorted(one.name for one in place.iterdir()) == [".base.sqlite.lock", "base.sqlite"]


def test_a_foreign_key_is_refused(base: Path, signer: SigningKey, tmp_path: Path) -> None:
    out = tmp_path / "data.holdfast"
    write_export(base, out, signer)
    with pytest.raises(SignatureError, match="not signed by"):
        take_export(out, tmp_path / "new.sqlite", key().public)
    with pytest.raises(SignatureError):
        take_export(out, tmp_path / "new.sqlite", "00" * 32)
    assert not (tmp_path / "new.sqlite").exists()


def test_keys_are_for_one_purpose(base: Path, tmp_path: Path) -> None:
    for role in ("root", "home-gateway"):
        with pytest.raises(SignatureError, match=role):
            write_export(base, tmp_path / "out", key(role))
    assert not (tmp_path / "out").exists()


def test_every_changed_byte_is_noticed(base: Path, signer: SigningKey, tmp_path: Path) -> None:
    out, place = tmp_path / "data.holdfast", tmp_path / "new.sqlite"
    write_export(base, out, signer)
    content = out.read_bytes()
    step = max(1, len(content) // 60)
    for at in [*range(0, 700, 13), *range(700, len(content), step), len(content) - 1]:
        out.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        with pytest.raises((SignatureError, DataError)):
            take_export(out, place, signer.public)
    for cut in (content[:-1], content[:300], content[:10], b"", content + b"x"):
        out.write_bytes(cut)
        with pytest.raises((SignatureError, DataError)):
            take_export(out, place, signer.public)
    assert not place.exists()


def test_nothing_is_unpacked_before_the_signature_holds(
    base: Path, signer: SigningKey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "data.holdfast"
    write_export(base, out, signer)
    content = bytearray(out.read_bytes())
    content[-1] ^= 1
    out.write_bytes(bytes(content))

    def unpack(*_: object, **__: object) -> None:
        raise AssertionError("unpacked")

    monkeypatch.setattr("zstandard.ZstdDecompressor", unpack)
    with pytest.raises(SignatureError):
        take_export(out, tmp_path / "new.sqlite", signer.public)


def test_an_older_one_is_refused(
    base: Path, signer: SigningKey, tmp_path: Path, take: Take
) -> None:
    old, new = tmp_path / "old.holdfast", tmp_path / "new.holdfast"
    write_export(base, old, signer)
    later = make.now + timedelta(days=1)
    take(make.kev(("CVE-2024-2000", "Samba", "Samba", "x")), now=later)
    write_export(base, new, signer)
    place = tmp_path / "place.sqlite"
    take_export(old, place, signer.public)
    take_export(new, place, signer.public)
    before = place.read_bytes()
    with pytest.raises(OlderDataError, match="2026-11-22"):
        take_export(old, place, signer.public)
    assert place.read_bytes() == before


def test_a_damaged_database_is_not_exported(base: Path, signer: SigningKey, tmp_path: Path) -> None:
    base.write_bytes(base.read_bytes()[:-3])
    with pytest.raises(SealError):
        write_export(base, tmp_path / "out", signer)
    with pytest.raises(DatabaseError):
        write_export(tmp_path / "none", tmp_path / "out", signer)
    assert not (tmp_path / "out").exists()
