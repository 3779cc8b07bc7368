"""`holdfast accounts`: what it prints, and its exit codes."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from holdfast.accounts.blocklist import layout, signature
from holdfast.accounts.errors import BlockListError, ListFileError
from holdfast.accounts.policy import PasswordRefusedError
from holdfast.cli.accounts import app
from holdfast.core.errors import HoldfastError, UsageError
from holdfast.updates import keys
from holdfast.updates.errors import PassphraseError

PASSPHRASE = "a long passphrase"
CHEAP = keys.Cost(iterations=1, memory_kib=8, lanes=1)
ROOT = Path(__file__).parents[2]
NONSENSE = "\udcff\ud800\x1b[31m\x07"


def call(*words: str | Path, typed: bytes = b"") -> tuple[int, str, BaseException | None]:
    done = CliRunner().invoke(app, [str(word) for word in words], input=typed)
    return done.exit_code, done.stdout, done.exception


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "passphrase"
    path.write_text(f"{PASSPHRASE}\n")
    path.chmod(0o600)
    return path


def key_for(role: str, folder: Path) -> Path:
    return keys.make(folder, role=role, passphrase=PASSPHRASE, cost=CHEAP).path


@pytest.fixture
def made(tmp_path: Path, secret: Path) -> tuple[Path, str]:
    """A list of two passwords, and the public key that signed it."""
    words, out = tmp_path / "words.txt", tmp_path / "own.blocklist"
    words.write_text("our former product\nzebra crossing\n")
    key = key_for("blocklist", tmp_path)
    code, told, _ = call(
        "blocklist", "build", out, words, "--key", key, "--name", "own",
        "--passphrase-file", secret, "--json",
    )  # fmt: skip
    assert code == 0
    answer = json.loads(told)
    assert answer["kept"] == 4  # with and without blanks
    assert answer["key"] == keys.read_public(key).public
    return out, answer["key"]


def test_a_good_one() -> None:
    assert call("check", typed=b"correct horse battery staple\n")[:2] == (0, "It may be set.\n")
    code, told, _ = call("check", "--json", typed=b"correct horse battery staple\r\n")
    assert (code, json.loads(told)) == (0, {"usable": True})


@pytest.mark.parametrize(
    ("typed", "reason"),
    [
        (b"", "too-short"),
        (b"eleven char", "too-short"),
        (b"P@ssw0rd12345678", "variant"),
        (b"lamp\xffriver dusty road", "unusable-character"),
        (b"lamp\0river dusty road", "unusable-character"),
        (b"two lines are\nno password", "unusable-character"),
        (b"x" * 100_000, "too-long"),
        (b"Home-Gateway-2024", "context"),
        (b"Ada Lovelace 1815", "context"),
    ],
)
def test_a_bad_one(typed: bytes, reason: str) -> None:
    profile = ROOT / "examples/home-gateway/product.toml"
    words = ("check", "--profile", profile, "--user", "ada.lovelace")
    code, told, _ = call(*words, "--json", typed=typed)
    answer = json.loads(told)
    assert (code, answer["usable"], answer["reason"]) == (1, False, reason)
    assert answer["message"]
    assert answer["hint"]
    raised = call(*words, typed=typed)[2]
    assert isinstance(raised, PasswordRefusedError)
    assert raised.exit_code == 1


def test_a_hint_offers_what_there_is() -> None:
    raised = call("check", typed=b"eleven char")[2]
    assert isinstance(raised, PasswordRefusedError)
    assert "Or take one of `holdfast accounts suggest`." in raised.hint
    answer = json.loads(call("check", "--json", typed=b"P@ssw0rd12345678")[1])
    assert answer["hint"].startswith("Take one of `holdfast accounts suggest`, or four words")


@pytest.mark.parametrize("key", ["zz", "", "0" * 63, "g" * 64, "0" * 64 + "\n", NONSENSE])
def test_a_key_that_is_none(key: str) -> None:
    published = ROOT / "src/holdfast/accounts/blocklist/common.blocklist"
    good = "0" * 64
    for words in (("check",), ("blocklist", "show", published)):
        raised = call(*words, "--key", good, "--key", key, typed=b"x")[2]
        assert isinstance(raised, UsageError)
        assert "--key number 2" in str(raised)


@pytest.mark.parametrize("option", ["--user", "--email", "--host", "--serial"])
@pytest.mark.parametrize("value", ["", NONSENSE, "\ufdfa" * 5000, "x" * 100_000, "\0"])
def test_nonsense_is_no_context(option: str, value: str) -> None:
    assert call("check", option, value, typed=b"correct horse battery staple")[0] == 0


@pytest.mark.parametrize(
    "words",
    [
        ("check", "--blocklist", "nothing-there"),
        ("check", "--blocklist", "/"),
        ("check", "--profile", "/"),
        ("check", "--profile", NONSENSE),
        ("suggest", "--words", "3"),
        ("suggest", "--count", "1001"),
        ("blocklist", "show", "nothing-there"),
        ("blocklist", "show", "/"),
    ],
)
def test_values_that_make_no_sense(words: tuple[str, ...]) -> None:
    code, _, raised = call(*words, typed=b"correct horse battery staple")
    assert code == 2 or (isinstance(raised, HoldfastError) and raised.exit_code == 2)


def test_a_second_factor() -> None:
    assert call("check", typed=b"tin4Goat")[0] == 1
    assert call("check", "--second-factor", typed=b"tin4Goat")[0] == 0


def test_suggestions() -> None:
    code, told, _ = call("suggest", "--words", "5", "--count", "3", "--json")
    answer = json.loads(told)
    assert (code, answer["entropy_bits"]) == (0, 60)
    assert [len(one.split("-")) for one in answer["passphrases"]] == [5, 5, 5]
    for one in call("suggest", "--count", "2")[1].split():
        assert call("check", typed=one.encode())[0] == 0


def test_a_list_of_ones_own(made: tuple[Path, str]) -> None:
    path, key = made
    assert call("check", typed=b"zebra crossing!!")[0] == 0
    words = ("check", "--blocklist", path, "--key", key)
    assert call(*words, typed=b"zebra crossing!!")[0] == 1
    assert call(*words, typed=b"Our Former Product")[0] == 1
    assert call(*words, typed=b"correct horse battery staple")[0] == 0


def test_without_the_key_nothing_is_checked(made: tuple[Path, str]) -> None:
    path, key = made
    for words in ((), ("--key", "0" * 64)):
        raised = call("check", "--blocklist", path, *words, typed=b"zebra crossing!!")[2]
        assert isinstance(raised, BlockListError)
        assert raised.exit_code == 3
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    raised = call("check", "--blocklist", path, "--key", key, typed=b"zebra crossing!!")[2]
    assert isinstance(raised, BlockListError)
    assert "damaged" in str(raised)


def test_show(made: tuple[Path, str]) -> None:
    path, key = made
    code, told, _ = call("blocklist", "show", path, "--json")
    assert (code, json.loads(told)["trusted"], json.loads(told)["signed_by"]) == (1, False, key)
    code, told, _ = call("blocklist", "show", path, "--key", key)
    assert code == 0
    assert "entries: 4\n" in told
    assert "trusted: yes\n" in told
    path.write_bytes(path.read_bytes()[:-1])
    assert isinstance(call("blocklist", "show", path, "--key", key)[2], BlockListError)
    assert isinstance(call("blocklist", "show", ROOT / "LICENSE")[2], BlockListError)


def test_show_what_holdfast_publishes() -> None:
    path = ROOT / "packages/blocklist-probable/src/holdfast_blocklist_probable/probable.blocklist"
    code, told, _ = call("blocklist", "show", path, "--json")
    answer = json.loads(told)
    assert (code, answer["published_by_holdfast"], answer["licence"]) == (0, True, "CC-BY-SA-4.0")


def test_a_key_for_something_else_signs_no_list(tmp_path: Path, secret: Path) -> None:
    key = key_for("camera", tmp_path)
    words = ("blocklist", "build", tmp_path / "out", ROOT / "LICENSE", "--key", key)
    raised = call(*words, "--name", "own", "--passphrase-file", secret)[2]
    assert isinstance(raised, UsageError)
    assert not (tmp_path / "out").exists()


def test_a_wrong_passphrase_leaves_the_old_list(made: tuple[Path, str], tmp_path: Path) -> None:
    path, _ = made
    before = path.read_bytes()
    wrong = tmp_path / "wrong"
    wrong.write_text("another passphrase\n")
    wrong.chmod(0o600)
    key = next(tmp_path.glob("*.key.json"))
    words = ("blocklist", "build", path, ROOT / "LICENSE", "--key", key, "--name", "own")
    assert isinstance(call(*words, "--passphrase-file", wrong)[2], PassphraseError)
    assert path.read_bytes() == before


def test_the_file_is_what_the_library_makes(made: tuple[Path, str]) -> None:
    path, key = made
    assert signature.seal_of_signed(path, [key])
    assert len(path.read_bytes()) == signature.header_of(path).size_bytes > layout.HEADER_BYTES


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--name", "a/../b"),
        ("--name", ""),
        ("--name", " own"),
        ("--name", "own\n"),
        ("--name", "x" * 33),
        ("--name", NONSENSE),
        ("--licence", "MIT/../x"),
        ("--licence", NONSENSE),
        ("--licence", "x" * 49),
    ],
)
def test_a_list_has_a_name_and_a_licence_of_a_shape(
    tmp_path: Path, option: str, value: str
) -> None:
    """They are refused before a key or a file of passwords is looked for."""
    words = ("blocklist", "build", tmp_path / "out", "nothing-there", "--key", "nothing-there")
    raised = call(*words, "--name", "own", option, value)[2]
    assert isinstance(raised, ListFileError)
    assert raised.exit_code == 2
    assert str(raised).isascii()
    assert str(raised).isprintable()


@pytest.mark.parametrize("place", ["/dev/null", ".", "no-such-folder/list"])
def test_a_list_is_written_to_a_file_only(
    tmp_path: Path, secret: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ("blocklist", "build", place, ROOT / "LICENSE", "--key", key_for("blocklist", tmp_path))
    raised = call(*words, "--name", "own", "--passphrase-file", secret)[2]
    assert isinstance(raised, UsageError)
    assert Path("/dev/null").is_char_device()
