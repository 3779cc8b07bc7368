"""Which passwords may be set, and what is said of those that may not."""

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.accounts.blocklist import builtin, layout
from holdfast.accounts.blocklist.builder import Builder
from holdfast.accounts.blocklist.reader import BlockList
from holdfast.accounts.policy import (
    LONGEST,
    REASONS,
    BlockListError,
    Context,
    Lists,
    PasswordRefusedError,
    must_be_usable,
    normalised,
)

KNOWN = Context(
    user="ada", vendor="Acme", product="home-gateway", model="HG-200", serial="HG200-0012345",
    host="attic", email="lovelace@example.test", setup_code="7K2M-XQ4R-9TBC",
)  # fmt: skip
NOBODY = Context()
OPENED = builtin.opened()


def refusal(
    password: str, lists: Lists, context: Context = KNOWN, *, second: bool = False
) -> PasswordRefusedError | None:
    try:
        must_be_usable(password, context, lists, second_factor=second)
    except PasswordRefusedError as error:
        return error
    return None


def reason(password: str, lists: Lists, context: Context = KNOWN, *, second: bool = False) -> str:
    found = refusal(password, lists, context, second=second)
    return found.reason if found is not None else ""


@pytest.mark.parametrize(
    "password",
    [
        "correct horse battery staple",
        "  correct horse battery staple  ",
        "dragon-lamp-9-river",
        "MyDogIsBrown2019",
        "acme-tiger-lamp-river",
        "ada likes green tea",
        "пароль не для всех людей",
        "密码是一个很长的句子没有人会知道它",
        "x" * 3 + "9 naïve façade 🐈‍⬛ Tür",
        "lamp-river-dusty-" * 15,
    ],
)
def test_good_ones(password: str, lists: Lists) -> None:
    assert must_be_usable(password, KNOWN, lists) == normalised(password)


@pytest.mark.parametrize(
    ("password", "expected"),
    [
        ("", "too-short"),
        ("eleven char", "too-short"),
        ("\ufdfa" * 14, "too-short"),  # 252 in normal form, 14 as typed
        ("e\u0301" * 14, "too-short"),  # 28 as typed, 14 in normal form
        ("lamp river dusty " * 16, "too-long"),
        ("\ufdfa" * 15, "too-long"),
        ("lamp\0river dusty road", "unusable-character"),
        ("lamp\x7friver dusty road", "unusable-character"),
        ("lamp\udc80river dusty road", "unusable-character"),
        ("lamp\uffffriver dusty road", "unusable-character"),
        ("lamp\ue000river dusty road", "unusable-character"),
        ("lamp\nriver dusty road", "unusable-character"),
        ("passwordpassword", "listed"),
        ("PasswordPassword", "listed"),
        ("1qaz2wsx3edc4rfv", "listed"),
        ("aaaaaaaaaaaaaaaaaa", "repeated"),
        ("ababababababababab", "repeated"),
        ("yodyodyodyodyodyod", "repeated"),
        ("               ", "repeated"),
        ("abcdefghijklmnopq", "sequence"),
        ("qwertyuiop[]asdfg", "sequence"),
        ("098765432109876543", "sequence"),
        ("zaq1xsw2cde3vfr4b", "sequence"),
        ("P@ssw0rd12345678", "variant"),
        ("letmeinletmeinletmein", "variant"),
        ("LetMeIn-LetMeIn-1", "variant"),
        ("ssuunnsshhiinnee", "variant"),
        ("enihsnus19871987", "variant"),
        ("s.u.n.s.h.i.n.e.", "variant"),
        ("súnshïne12345678", "variant"),
        ("5un5h!n3 5un5h!n3", "variant"),
        ("".join(chr(ord(mark) + 0xFEE0) for mark in "sunshine1234567"), "variant"),  # full width
        ("sun\u200bshine\u200b1234567", "variant"),
        ("7k2m-xq4r-9tbc", "too-short"),
        ("7K2M-XQ4R-9TBC!", "setup-code"),
        ("my code 7k2mxq4r9tbc", "setup-code"),
        ("AdaAdaAdaAdaAda1", "context"),
        ("HomeGateway2024!", "context"),
        ("acme-hg-200-0012345", "context"),
        ("4cm3 H0m3 G4t3w4y", "context"),
        ("l0vel4ce-l0velace", "context"),
        ("yawetagemohemca", "context"),
        ("acme password 2024", "context"),
        ("admin-router-2024", "context"),
    ],
)
def test_bad_ones_and_the_reason(password: str, expected: str, lists: Lists) -> None:
    assert reason(password, lists) == expected
    assert expected in REASONS


@pytest.mark.parametrize(
    ("password", "told"),
    [
        ("eleven char", "too short: 11 of 15 characters"),
        ("x" * 300, "too long: 300 of at most 256 characters"),
        ("Acme/HomeGateway1", "only your device's name and the name of the maker with additions"),
        ("lamp\0river dusty", "character 5 is a control character, which other keyboards"),
    ],
)
def test_the_words_of_a_refusal(password: str, told: str, lists: Lists) -> None:
    with pytest.raises(PasswordRefusedError) as caught:
        must_be_usable(password, KNOWN, lists)
    assert str(caught.value).startswith(told)


def test_a_second_factor_makes_eight_enough(lists: Lists) -> None:
    assert reason("tin4Goat", lists) == "too-short"
    assert reason("tin4Goat", lists, second=True) == ""
    assert reason("tin4Goa", lists, second=True) == "too-short"
    for bad in ("P@ssw0rd1!", "Summer2024!", "Passw0rd!!", "jesu$123", "#dr4g0n!"):
        assert reason(bad, lists, second=True) == "variant", bad
    assert reason("smcadmin", lists, second=True) == "default-credential"


def test_everything_up_to_256_characters_is_taken_whole(lists: Lists) -> None:
    long = "".join(chr(0x4E00 + at * 7) for at in range(LONGEST))
    assert must_be_usable(long, NOBODY, lists) == long
    wide = "".join(chr(0x1F300 + at * 37 % 256) for at in range(LONGEST))
    assert len(wide.encode()) == 1024
    assert must_be_usable(wide, NOBODY, lists) == wide
    assert reason(long + "x", lists) == "too-long"


def test_blanks_at_the_ends_belong_to_it(lists: Lists) -> None:
    assert must_be_usable(" lamp river dusty ", NOBODY, lists) == " lamp river dusty "


def test_digits_by_chance_pass_with_a_second_factor(lists: Lists) -> None:
    assert reason("830274619502", lists, second=True) == ""
    assert reason("12345678", lists, second=True) != ""
    assert reason("555777555777", lists, second=True) != ""


def test_the_serial_number_alone_is_no_secret(lists: Lists) -> None:
    digits = Context(serial="30219846")
    assert reason("302198461234", lists, digits, second=True) == "context"
    assert reason("83021984617502", lists, digits, second=True) == ""


def test_a_short_number_of_the_model_forbids_no_other(lists: Lists) -> None:
    model = Context(model="HG-200")
    assert reason("932420050200", lists, model, second=True) == ""
    assert reason("hg200200", lists, model, second=True) == "context"


def test_a_short_name_forbids_nothing(lists: Lists) -> None:
    assert reason("xo-dusty-lamp-river", lists, Context(user="x", model="o")) == ""


def test_hostile_context_is_bounded(lists: Lists) -> None:
    hostile = Context(user="\0" * 10**6, others=("x y " * 10**5,) * 1000, setup_code="-" * 10**6)
    assert reason("correct horse battery staple", lists, hostile) == ""


def test_a_context_does_not_show_the_code() -> None:
    assert "7K2M" not in repr(KNOWN)


def test_a_refusal_does_not_show_the_password(lists: Lists) -> None:
    for password in ("P@ssw0rd12345678", "HomeGateway2024!", "zaq1xsw2cde3vfr4b", "x" * 300):
        with pytest.raises(PasswordRefusedError) as caught:
            must_be_usable(password, KNOWN, lists)
        assert password not in f"{caught.value!r} {caught.value} {caught.value.hint}"


def test_without_a_whole_list_nothing_is_set(tmp_path: Path) -> None:
    builder = Builder()
    builder.add(["sunshine"])
    content = builder.build(name="small", licence="MIT").content
    path = tmp_path / "small.blocklist"
    path.write_bytes(content)
    lists = Lists(BlockList(path, seal=layout.seal_of(content[: layout.SEALED_BYTES])))
    must_be_usable("correct horse battery staple", NOBODY, lists)
    path.write_bytes(content[:300])
    with pytest.raises(BlockListError, match="changed while in use"):
        must_be_usable("correct horse battery staple", NOBODY, lists)
    lists.close()
    with pytest.raises(BlockListError, match="closed"):
        must_be_usable("correct horse battery staple", NOBODY, lists)


@given(
    password=st.text(max_size=300),
    second=st.booleans(),
    user=st.text(max_size=20),
    code=st.text(max_size=20),
)
def test_any_text_is_taken_or_refused(password: str, user: str, code: str, *, second: bool) -> None:
    context = Context(user=user, setup_code=code)
    found = refusal(password, OPENED, context, second=second)
    if found is not None:
        assert found.reason in REASONS
        assert found.hint
        return
    form = unicodedata.normalize("NFKC", password)
    assert min(len(form), len(password)) >= (8 if second else 15)
    # What was accepted is accepted in its normal form too: the two cannot be told apart later.
    assert must_be_usable(form, context, OPENED, second_factor=second) == form


@given(st.text(alphabet="a1!@|$0ab\u0301", min_size=8, max_size=256))
def test_ornaments_do_not_make_it_slow(password: str) -> None:
    assert reason(password, OPENED, second=True) in {"", *REASONS}
