import io
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from holdfast.updates import keys
from holdfast.updates.digests import digests_of
from holdfast.updates.errors import KeyFileError, PassphraseError, UpdateError
from holdfast.updates.keys import Cost
from holdfast.updates.online import OnlineKeys, read_online

CHEAP = Cost(iterations=1, memory_kib=8, lanes=1)
PASSPHRASE = "correct horse battery staple"


@pytest.fixture
def made(tmp_path: Path) -> Path:
    return keys.make(tmp_path, role="camera", passphrase=PASSPHRASE, cost=CHEAP).path


def rewrite(path: Path, **changes: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_a_key_opens_with_its_passphrase_only(made: Path) -> None:
    opened = keys.load(made, PASSPHRASE, role="camera")
    assert opened.public == keys.read_public(made)
    assert opened.public.role == "camera"
    signature = opened.signer.sign(b"x")
    opened.public.tuf_key().verify_signature(signature, b"x")
    with pytest.raises(PassphraseError, match="does not open"):
        keys.load(made, PASSPHRASE + " ")


def test_the_file_belongs_to_its_owner_and_hides_the_key(made: Path) -> None:
    assert made.stat().st_mode & 0o777 == 0o600
    private = keys.load(made, PASSPHRASE).signer.private_bytes
    assert private.hex() not in made.read_text()
    assert PASSPHRASE not in made.read_text()


def test_each_fault_has_a_message_of_its_own(made: Path, tmp_path: Path) -> None:
    content = made.read_text()
    messages = set()

    def refuse(match: str, path: Path = made, role: str | None = None) -> None:
        with pytest.raises(KeyFileError, match=match) as caught:
            keys.load(path, PASSPHRASE, role=role)
        assert caught.value.hint
        messages.add(str(caught.value))

    refuse("cannot be read: No such file", tmp_path / "absent")
    refuse("it is not a plain file", tmp_path)
    refuse("is a key of the role camera, but a key of root is needed", role="root")
    made.write_bytes(b"-----BEGIN PRIVATE KEY-----\n")
    refuse("is not a key file of Holdfast")
    made.write_text('{"signed": {"_type": "root"}}')
    refuse("is not a key file of Holdfast")
    made.write_text("[" * 100_000)
    refuse("is not a key file of Holdfast")
    made.write_text(content[:-40])
    refuse("is not a key file of Holdfast")
    made.write_text(content)
    rewrite(made, schema=2)
    refuse("newer version")
    made.write_text(content)
    rewrite(made, sealed="zz")
    refuse("damaged: a part is missing")
    made.write_text(content)
    rewrite(made, role="root")
    refuse("passphrase does not open")  # the role is bound to what is sealed
    rewrite(made, role="No Role")
    refuse("damaged: its role")
    made.write_text(content)
    rewrite(made, public="00" * 32)
    refuse("damaged: its id")
    made.write_text(content)
    rewrite(made, kdf={**json.loads(content)["kdf"], "memory_kib": 1 << 40})
    refuse("out of bounds")
    assert len(messages) == 10


def test_a_key_of_somebody_else_cannot_be_slipped_under(tmp_path: Path) -> None:
    mine = keys.make(tmp_path / "a", role="root", passphrase=PASSPHRASE, cost=CHEAP).path
    other = keys.make(tmp_path / "b", role="root", passphrase=PASSPHRASE, cost=CHEAP).path
    theirs = json.loads(other.read_text())
    rewrite(mine, keyid=theirs["keyid"], public=theirs["public"])
    with pytest.raises(PassphraseError):
        keys.load(mine, PASSPHRASE)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(place=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_a_flipped_bit_never_opens_as_another_key(made: Path, place: int, bit: int) -> None:
    before = keys.read_public(made)
    content = bytearray(made.read_bytes())
    content[place % len(content)] ^= 1 << bit
    forged = made.with_name("forged.key.json")
    forged.write_bytes(content)
    try:
        opened = keys.load(forged, PASSPHRASE)
    except UpdateError:
        return
    assert opened.public == before


@pytest.mark.parametrize("role", ["", "snapshot", "Camera", "../x"])
def test_odd_roles_get_no_key(tmp_path: Path, role: str) -> None:
    with pytest.raises(KeyFileError):
        keys.make(tmp_path, role=role, passphrase=PASSPHRASE, cost=CHEAP)
    assert not list(tmp_path.iterdir())


def test_the_standard_cost_is_what_the_rfc_asks_for() -> None:
    cost = keys.STANDARD_COST
    assert cost.iterations >= 3
    assert cost.memory_kib >= 64 * 1024


def test_a_secret_is_read_only_from_a_file_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text(PASSPHRASE + "\n")
    path.chmod(0o600)
    assert keys.read_secret(path) == PASSPHRASE
    for mode in (0o640, 0o604, 0o620):
        path.chmod(mode)
        with pytest.raises(KeyFileError, match="Others on this computer"):
            keys.read_secret(path)
    path.chmod(0o600)
    for content in (b"", b"\n", b"a\nb\n", b"\xff\xfe", b"x" * 2000):
        path.write_bytes(content)
        with pytest.raises(KeyFileError):
            keys.read_secret(path)
    with pytest.raises(KeyFileError, match="not a plain file"):
        keys.read_secret(Path("/dev/null"))
    with pytest.raises(KeyFileError, match="No such file"):
        keys.read_secret(tmp_path / "absent")


def test_online_keys_are_made_once_and_read_back(tmp_path: Path) -> None:
    made = OnlineKeys.make(tmp_path / "online")
    again = OnlineKeys.load(tmp_path / "online")
    assert again.snapshot.public == made.snapshot.public
    assert made.snapshot.public != made.timestamp.public
    assert read_online(made.public_bytes()) == (made.snapshot.public, made.timestamp.public)
    assert all(p.stat().st_mode & 0o777 == 0o600 for p in (tmp_path / "online").iterdir())
    with pytest.raises(KeyFileError, match="already"):
        OnlineKeys.make(tmp_path / "online")


def test_online_keys_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    folder = tmp_path / "online"
    OnlineKeys.make(folder)
    (folder / "snapshot.pem").chmod(0o644)
    with pytest.raises(KeyFileError, match="Others"):
        OnlineKeys.load(folder)
    (folder / "snapshot.pem").write_text("garbage")
    with pytest.raises(KeyFileError, match="damaged"):
        OnlineKeys.load(folder)
    (folder / "snapshot.pem").unlink()
    with pytest.raises(KeyFileError, match="cannot be read"):
        OnlineKeys.load(folder)


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b'{"kind":"x"}', b"\xff"])
def test_other_files_are_not_online_keys(content: bytes) -> None:
    with pytest.raises(KeyFileError):
        read_online(content)


def test_online_keys_cannot_take_the_place_of_a_makers_key(tmp_path: Path) -> None:
    said = json.loads(OnlineKeys.make(tmp_path / "evil").public_bytes())
    targets = keys.make(tmp_path, role="targets", passphrase=PASSPHRASE, cost=CHEAP).public
    said["keys"]["timestamp"]["keyid"] = targets.keyid
    with pytest.raises(KeyFileError, match="not the file with the hub's public online keys"):
        read_online(json.dumps(said).encode())


def test_digests_of_a_file() -> None:
    found = digests_of(io.BytesIO(b"abc"))
    assert found.size_bytes == 3
    assert found.md5 == "900150983cd24fb0d6963f7d28e17f72"
    assert found.sha1 == "a9993e364706816aba3e25717850c26c9cd0d89d"
    assert found.sha256.startswith("ba7816bf8f01cfea")
