"""Only what somebody vouches for is opened."""

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from holdfast.accounts.blocklist import builtin, child, layout, signature
from holdfast.accounts.errors import BlockListError
from holdfast.core.process import run

Written = tuple[Path, str]
Write = Callable[..., Written]
PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
KEY = PRIVATE.public_key().public_bytes_raw()
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key().public_bytes_raw()


@pytest.fixture
def signed(write: Write) -> Path:
    path, _ = write()
    content = path.read_bytes()
    made = PRIVATE.sign(signature.to_be_signed(content))
    path.write_bytes(signature.with_signature(content, key=KEY, signature=made))
    return path


def test_signed_by_a_named_key(signed: Path) -> None:
    for keys in ([KEY.hex()], [OTHER.hex(), KEY.hex().upper()]):
        lists = signature.opened([signed], keys)
        assert lists.rank("sunshine")
        assert [header.name for header in lists.headers] == ["common", "small"]
        lists.close()
    assert signature.signer_of(signed) == KEY.hex()


@pytest.mark.parametrize("keys", [[], [OTHER.hex()], ["0" * 64], [""], [KEY.hex()[:63]]])
def test_signed_by_nobody_who_is_named(signed: Path, keys: list[str]) -> None:
    with pytest.raises(BlockListError, match="do not name the key"):
        signature.opened([signed], keys)


def test_signed_by_nobody(write: Write) -> None:
    path, _ = write()
    for keys in ([], [KEY.hex()], ["0" * 64]):
        with pytest.raises(BlockListError, match="nobody has signed it"):
            signature.opened([path], keys)
    assert signature.signer_of(path) == ""


def test_every_flipped_byte_of_the_header_is_noticed(signed: Path) -> None:
    content = signed.read_bytes()
    for at in range(layout.HEADER_BYTES):
        signed.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        with pytest.raises(BlockListError):
            signature.seal_of_signed(signed, [KEY.hex()])


def test_the_signature_of_another_list(signed: Path, write: Write) -> None:
    head = signed.read_bytes()[layout.SEALED_BYTES : layout.HEADER_BYTES]
    path, _ = write(["moonlight"])
    content = path.read_bytes()
    path.write_bytes(content[: layout.SEALED_BYTES] + head + content[layout.HEADER_BYTES :])
    with pytest.raises(BlockListError, match="signature does not hold"):
        signature.opened([path], [KEY.hex()])


def test_a_signature_is_checked_before_it_is_written(write: Write) -> None:
    content = write()[0].read_bytes()
    made = PRIVATE.sign(content[: layout.SEALED_BYTES])  # not as a block list
    for key in (KEY, OTHER, b"", KEY + b"x"):
        with pytest.raises(BlockListError):
            signature.with_signature(content, key=key, signature=made)


def test_one_bad_list_spoils_all(signed: Path, tmp_path: Path) -> None:
    with pytest.raises(BlockListError):
        signature.opened([signed, tmp_path / "none"], [KEY.hex()])


def test_what_holdfast_publishes_needs_no_key() -> None:
    assert signature.seal_of_signed(builtin.PATH, []) == builtin.SEAL


@pytest.mark.parametrize("name", ["", ".", "none", "a\0b"])
def test_no_file(tmp_path: Path, name: str) -> None:
    with pytest.raises(BlockListError):
        signature.seal_of_signed(tmp_path / name, [KEY.hex()])


# ---- the child ----------------------------------------------------------------------------------


def answered(
    question: bytes, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[int, dict[str, object]]:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(question)))
    code = child.main()
    return code, json.loads(capsys.readouterr().out)


def test_the_child_answers(
    signed: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    question = json.dumps({"paths": [str(signed)], "keys": [KEY.hex()]}).encode()
    code, answer = answered(question, monkeypatch, capsys)
    seal = layout.seal_of(signed.read_bytes()[: layout.SEALED_BYTES])
    assert (code, answer) == (0, {"seals": [seal]})


@pytest.mark.parametrize(
    "question",
    [
        b"", b"{}", b"[]", b"null", b"\xff", b"[" * 60_000, b'{"paths": "ab", "keys": 3}',
        b'{"paths": [1], "keys": []}', b'{"paths": ["a\\u0000b"], "keys": []}',
        json.dumps({"paths": ["x"] * 9, "keys": []}).encode(),
        json.dumps({"paths": ["\ud800"], "keys": []}).encode(),
    ],
)  # fmt: skip
def test_the_child_refuses_nonsense(
    question: bytes, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, answer = answered(question, monkeypatch, capsys)
    assert code == 3
    told = answer["error"]
    assert isinstance(told, dict)
    assert told["code"] == "accounts-block-list"
    assert told["hint"]


@pytest.mark.slow
def test_a_process_that_stays_asks_the_child(signed: Path, tmp_path: Path) -> None:
    found = child.seals([signed], [KEY.hex()])
    lists = builtin.opened(found)
    assert lists.rank("sunshine")
    lists.close()
    with pytest.raises(BlockListError, match="do not name the key") as caught:
        child.seals([signed], [OTHER.hex()])
    assert caught.value.hint
    with pytest.raises(BlockListError, match="No such file"):
        child.seals([tmp_path / "none"], [])


def test_nothing_is_asked_for_no_lists() -> None:
    assert child.seals([], []) == []


LOADS = """
import sys
from holdfast.accounts.blocklist import builtin, child
from holdfast.accounts.policy import Context, must_be_usable, suggest
must_be_usable(suggest(), Context(), builtin.opened())
print({"cryptography", "_hashlib", "dataclasses", "msgspec", "secrets"} & set(sys.modules))
"""


@pytest.mark.slow
def test_the_rules_load_nothing_heavy() -> None:
    done = run([sys.executable, "-I", "-c", LOADS], timeout_s=30)
    assert done.stdout.decode().strip() == "set()"
