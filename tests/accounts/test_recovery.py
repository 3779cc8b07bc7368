"""Recovery codes: ten, of fifty bits, bound to one account and one device."""

from hypothesis import given
from hypothesis import strategies as st

from holdfast.accounts import recovery

KEY = b"k" * 32


def test_codes_are_found_as_people_type_them() -> None:
    codes = recovery.fresh()
    assert len(set(codes)) == recovery.COUNT
    kept = [recovery.hashed(code, KEY, name="ada") for code in codes]
    for index, code in enumerate(codes):
        for typed in (code, code.lower(), code.replace("-", ""), f" {code.replace('0', 'O')} "):
            assert recovery.matching(kept, typed, KEY, name="ada") == index


def test_codes_are_worth_nothing_elsewhere() -> None:
    code = recovery.fresh()[0]
    kept = [recovery.hashed(code, KEY, name="ada")]
    assert recovery.matching(kept, code, KEY, name="eve") is None
    assert recovery.matching(kept, code, b"x" * 32, name="ada") is None
    assert recovery.matching([], code, KEY, name="ada") is None
    assert code.replace("-", "") not in kept[0].upper()


@given(st.text())
def test_no_other_text_is_a_code(typed: str) -> None:
    kept = [recovery.hashed("00000-00000", KEY, name="ada"), "damaged \ud800"]
    found = recovery.matching(kept, typed, KEY, name="ada")
    assert found is None or recovery.normalised(typed) == "0" * 10


def test_what_is_no_code_never_matches_what_is_no_code() -> None:
    kept = [recovery.hashed("", KEY, name="ada")]
    for typed in ("", "short", "!" * 10, "x" * 100):
        assert recovery.matching(kept, typed, KEY, name="ada") is None
