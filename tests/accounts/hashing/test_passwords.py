"""Passwords hold: only the right one matches, only with its key, and old ones are brought along."""

from datetime import UTC, datetime, timedelta

import pytest

from holdfast.accounts.errors import (
    AccountsError,
    ExpiredHashError,
    SecretError,
    StoredHashError,
    UnknownKeyError,
)
from holdfast.accounts.hashing import passwords
from holdfast.accounts.hashing.costs import Cost
from holdfast.accounts.hashing.device_keys import DeviceKey, DeviceKeys
from holdfast.accounts.hashing.passwords import Verdict, make, verify, wrap
from holdfast.accounts.hashing.stored import parse
from tests.accounts.hashing.samples import TAKEN, VECTORS, WORD, sha1

COST = Cost(memory_kib=7168, passes=5)
DEARER = Cost(memory_kib=9216, passes=4)
KEYS = DeviceKeys.made()
NOW = datetime(2026, 10, 8, 12, tzinfo=UTC)
SOON = NOW + timedelta(days=90)
PHRASE = "correct horse battery staple"


def check(stored: str, secret: str, *, now: datetime = NOW) -> Verdict:
    return verify(stored, secret, keys=KEYS, cost=COST, now=now)


def test_only_the_right_password_matches() -> None:
    stored = make(PHRASE, cost=COST, key=KEYS.newest)
    assert check(stored, PHRASE) == Verdict(matches=True, rehash=False)
    for wrong in ("", PHRASE + " ", PHRASE.upper(), PHRASE + "\0", "\ud800", "x" * 257, stored):
        assert check(stored, wrong) == Verdict(matches=False)


def test_the_same_password_is_stored_otherwise_each_time() -> None:
    assert len({make(PHRASE, cost=COST, key=KEYS.newest) for _ in range(3)}) == 3


def test_forms_that_look_the_same_are_the_same() -> None:
    stored = make("A\u030angstro\u0308m ﬁne ２０２６", cost=COST, key=KEYS.newest)  # noqa: RUF001
    assert check(stored, "Ångström fine 2026").matches


def test_blanks_and_length_are_kept() -> None:
    stored = make(" " + "☃" * 254 + " ", cost=COST, key=KEYS.newest)
    assert check(stored, " " + "☃" * 254 + " ").matches
    assert not check(stored, "☃" * 254).matches
    assert not check(stored, " " + "☃" * 253 + "x ").matches


@pytest.mark.parametrize("bad", ["", "x" * 257, "\ud800", "a\udfff"])
def test_what_cannot_be_hashed_is_refused(bad: str) -> None:
    with pytest.raises(SecretError) as refused:
        make(bad, cost=COST, key=KEYS.newest)
    assert not bad or bad not in str(refused.value)
    assert refused.value.__cause__ is None


def test_without_the_device_key_a_hash_is_worth_nothing() -> None:
    stored = make(PHRASE, cost=COST, key=KEYS.newest)
    for others in (DeviceKeys.made(), None):
        with pytest.raises(UnknownKeyError, match=KEYS.newest.id):
            verify(stored, PHRASE, keys=others, cost=COST, now=NOW)


def test_a_hash_moved_under_another_key_of_the_device_does_not_match() -> None:
    both = KEYS.rotated()
    stored = make(PHRASE, cost=COST, key=KEYS.newest).replace(KEYS.newest.id, both.newest.id)
    assert not verify(stored, PHRASE, keys=both, cost=COST, now=NOW).matches


def test_old_keys_verify_and_ask_for_a_new_hash() -> None:
    stored = make(PHRASE, cost=COST, key=KEYS.newest)
    both = KEYS.rotated()
    assert verify(stored, PHRASE, keys=both, cost=COST, now=NOW) == Verdict(
        matches=True, rehash=True
    )
    newer = make(PHRASE, cost=COST, key=both.newest)
    assert verify(newer, PHRASE, keys=both, cost=COST, now=NOW) == Verdict(matches=True)
    left = both.only({parse(newer).key_id})
    assert verify(newer, PHRASE, keys=left, cost=COST, now=NOW).matches
    with pytest.raises(UnknownKeyError):
        verify(stored, PHRASE, keys=left, cost=COST, now=NOW)


def test_another_cost_asks_for_a_new_hash_once_the_password_is_known() -> None:
    stored = make(PHRASE, cost=DEARER, key=KEYS.newest)
    assert check(stored, PHRASE) == Verdict(matches=True, rehash=True)
    assert check(stored, "wrong") == Verdict(matches=False, rehash=False)
    assert passwords.is_due(stored, keys=KEYS, cost=COST)
    assert not passwords.is_due(stored, keys=KEYS, cost=DEARER)


def test_a_hash_of_the_factory_has_no_key_and_is_made_anew_with_one() -> None:
    stored = make(PHRASE, cost=COST, key=None)
    assert verify(stored, PHRASE, keys=None, cost=COST, now=NOW) == Verdict(matches=True)
    assert check(stored, PHRASE) == Verdict(matches=True, rehash=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("old_hash", "secret"),
    [(old, WORD) for old, _ in TAKEN] + [one for one in VECTORS if "77777" not in one[0]],
)
def test_older_hashes_are_brought_along(old_hash: str, secret: str) -> None:
    stored = wrap(old_hash, cost=COST, key=KEYS.newest, deadline=SOON)
    assert old_hash.rsplit("$", 1)[-1] not in stored
    assert check(stored, secret) == Verdict(matches=True, rehash=True, taken_over=True)
    assert check(stored, secret + "x") == Verdict(matches=False)


def test_the_older_hash_itself_opens_nothing() -> None:
    old_hash = VECTORS[0][0]
    stored = wrap(old_hash, cost=COST, key=KEYS.newest, deadline=SOON)
    for stolen in (old_hash, old_hash.rsplit("$", 1)[-1], stored):
        assert not check(stored, stolen).matches


def test_the_password_of_an_older_product_is_taken_as_typed() -> None:
    typed = "ﬁne oﬃce"
    stored = wrap(sha1(typed.encode()).hex(), cost=COST, key=KEYS.newest, deadline=SOON)
    assert check(stored, typed).matches


def test_after_the_deadline_only_who_knows_the_password_is_told() -> None:
    stored = wrap(VECTORS[0][0], cost=COST, key=KEYS.newest, deadline=SOON)
    last = SOON - timedelta(seconds=1)
    assert check(stored, VECTORS[0][1], now=last).matches
    for late in (SOON, SOON + timedelta(days=1000)):
        assert check(stored, "wrong", now=late) == Verdict(matches=False)
        with pytest.raises(ExpiredHashError):
            check(stored, VECTORS[0][1], now=late)


def test_parameters_of_a_wrapped_hash_belong_to_it() -> None:
    stored = wrap(VECTORS[2][0], cost=COST, key=KEYS.newest, deadline=SOON)
    for changed in (
        stored.replace("r=5000", "r=5001"),
        stored.replace("s=sha512crypt", "s=sha256crypt"),
        stored.replace("o=c2Fs", "o=c2Ft"),
    ):
        assert changed != stored
        assert not check(changed, VECTORS[2][1]).matches
    for hostile in (stored.replace("r=5000", "r=999999999"), stored.replace("s=sha512", "s=des")):
        with pytest.raises(StoredHashError):
            check(hostile, VECTORS[2][1])


def test_a_wrapped_hash_is_no_direct_one_of_its_text() -> None:
    old = TAKEN[0][0]
    stored = parse(wrap(old, cost=COST, key=KEYS.newest, deadline=SOON))
    direct = f"$holdfast-argon2id$v=1$m=7168,t=5,p=1,k={stored.key_id}$" + "$".join(
        stored.text().split("$")[-2:]
    )
    for guess in (old, f"sha1$0$${old}"):
        assert not check(direct, guess).matches


def test_a_deadline_without_time_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        wrap(TAKEN[0][0], cost=COST, key=KEYS.newest, deadline=datetime(2027, 1, 1))  # noqa: DTZ001
    before = datetime(1969, 12, 31, tzinfo=UTC)
    with pytest.raises(ValueError, match="1970"):
        wrap(TAKEN[0][0], cost=COST, key=KEYS.newest, deadline=before)


def test_a_decoy_is_like_any_other_and_nobody_knows_it() -> None:
    decoy = passwords.make_decoy(cost=COST, key=KEYS.newest)
    assert parse(decoy).cost == COST
    assert not check(decoy, PHRASE).matches


def test_a_decoy_stays_with_its_name_and_is_not_foreseen() -> None:
    among = [f"hash {number}" for number in range(50)]
    key, other = DeviceKey.made(), DeviceKey.made()
    names = [f"name {number}" for number in range(200)] + ["\ud800", ""]
    chosen = [passwords.choose_decoy(name, among, key=key) for name in names]
    assert chosen == [passwords.choose_decoy(name, among, key=key) for name in names]
    assert chosen != [passwords.choose_decoy(name, among, key=other) for name in names]
    assert len(set(chosen)) > 30


def test_no_error_shows_a_secret() -> None:
    stored = make(PHRASE, cost=COST, key=KEYS.newest)
    for text in (stored[:-1], stored.replace("7168", "7"), stored.replace("k=", "k=f")):
        with pytest.raises(AccountsError) as refused:
            check(text, PHRASE)
        shown = f"{refused.value!r} {refused.value} {refused.value.__cause__!r}"
        assert PHRASE not in shown
        assert stored[-20:-1] not in shown
    assert KEYS.newest.secret.hex() not in repr(KEYS)
    assert repr(KEYS.newest.secret) not in repr(KEYS)
