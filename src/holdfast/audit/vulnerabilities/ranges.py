"""What a record says about the versions of one product, and what follows for one of them."""

from enum import StrEnum
from typing import Final

import msgspec

from holdfast.audit.vulnerabilities.versions import Key, key_of

MOST_RANGES = 4_000


class Status(StrEnum):
    """What a record says of a version."""

    AFFECTED = "affected"
    UNAFFECTED = "unaffected"
    UNKNOWN = "unknown"  # the record says nothing of it
    UNCLEAR = "unclear"  # it says something that cannot be read


class Range(msgspec.Struct, array_like=True, frozen=True, omit_defaults=True):
    """One stretch of versions.

    Attributes:
        status: `a` affected, `u` unaffected, `?` unknown, `x` cannot be told.
        low: First version of it; "" for no bound.
        high: Where it ends; "" for no bound; may end in `.*`.
        to: Whether `high` belongs to it.
        after: Whether it begins only after `low`.
        updates: Whether one exact version stands for its updates too, `4.2.8` for `4.2.8p15`.
    """

    status: str = "a"
    low: str = ""
    high: str = ""
    to: bool = False
    after: bool = False
    updates: bool = False


class Demand(msgspec.Struct, array_like=True, frozen=True, omit_defaults=True):
    """Something else that must be there too, one of the alternatives in a node.

    Attributes:
        part: `a`, `o` or `h`, as in CPE.
        name: `vendor:product`.
        version: Of hardware: its revision; else the exact version; `*` any, `-` not told.
        low, high, to, after: Range of versions, as in `Range`.
    """

    part: str
    name: str
    version: str = "*"
    low: str = ""
    high: str = ""
    to: bool = False
    after: bool = False


class Statement(msgspec.Struct, array_like=True, frozen=True, omit_defaults=True):
    """What one record says about one product.

    Attributes:
        scheme: How its versions are compared, see `versions.SCHEMES`.
        default: What holds outside of `ranges`: `a`, `u` or `?`.
        ranges: Stretches of versions.
        demands: All of them must hold; each is a list of alternatives.
        files: Source files that it lies in.
        authority: 3 who assigned the id, 2 who analysed it, 1 who copied it, 0 vendor not named.
        part: `a`, `o` or `h` of a CPE, else "".
        note: Why it cannot be decided, if that is known from the start.
        target: Target software of a CPE that names one.
        negated: Whether a part of the condition is negated; it is then not understood.
        release: Release of the distribution that it is about, `v3.11`, `12`; "" for all.
        ids: CVE ids that the record stands for, where it has an id of another catalogue.
    """

    scheme: str = "generic"
    default: str = "?"
    ranges: tuple[Range, ...] = ()
    demands: tuple[tuple[Demand, ...], ...] = ()
    files: tuple[str, ...] = ()
    authority: int = 2
    part: str = ""
    note: str = ""
    target: str = ""
    negated: bool = False
    release: str = ""
    ids: tuple[str, ...] = ()


class Answer(msgspec.Struct, frozen=True):
    """What a statement says of one version.

    Attributes:
        status: The answer.
        fixed_in: First version after the affected stretch, if told.
        why: The stretch that decided, in words; or what is unclear.
        bounded: False if the stretch that decided names every version there ever will be.
    """

    status: Status
    fixed_in: str = ""
    why: str = ""
    bounded: bool = True


_STATUS: Final = {
    "a": Status.AFFECTED,
    "u": Status.UNAFFECTED,
    "?": Status.UNKNOWN,
    "x": Status.UNCLEAR,
}


def holds(one: Range | Demand, version: Key, scheme: str) -> bool | None:
    """Tell whether a version lies in a stretch; None if a bound cannot be read."""
    unread = False
    if one.low:
        low = key_of(one.low, scheme)
        if low is None:
            unread = True
        elif version < low or (one.after and low == version):
            return False
    if one.high:
        high = key_of(one.high, scheme)
        if high is None:
            unread = True
        elif high < version or (not one.to and high == version):
            return False
    return None if unread else True


def says(statement: Statement, text: str) -> Answer:
    """Tell what a statement says of a version.

    Args:
        statement: What the record says.
        text: The version, as written.
    """
    version = key_of(text, statement.scheme)
    if version is None:
        return Answer(status=Status.UNCLEAR, why=f"the version {text!r} cannot be compared")
    sure: dict[str, Range] = {}
    unclear: Range | None = None
    passed = False
    for one in statement.ranges:
        inside = holds(one, version, statement.scheme)
        if inside or (one.updates and _is_update_of(one, version, statement.scheme)):
            if one.low and one.low == one.high:
                return _answer(one)  # one exact version outweighs every stretch
            sure.setdefault(one.status, one)
        elif inside is None:
            unclear = one
        else:
            passed |= one.status == "a" and _is_behind(one, version, statement.scheme)
    if len(sure) == 1:
        return _backported(statement, version, next(iter(sure.values())))
    if sure:
        return _disagreement(sure)
    if unclear is not None:
        return Answer(status=Status.UNCLEAR, why=f"“{in_words(unclear)}” cannot be compared")
    return _outside(statement, version, passed=passed)


def _backported(statement: Statement, version: Key, one: Range) -> Answer:
    """Doubt "not there yet" where its series has been mended later all the same."""
    fix = _later_fix(statement, version) if one.status == "u" and not one.low else None
    if fix is None:
        return _answer(one)
    why = f"it came in with {one.high}, yet {fix.low} of its series mends it: with a backport"
    return Answer(status=Status.UNCLEAR, fixed_in=fix.low, why=why)


def _outside(statement: Statement, version: Key, *, passed: bool) -> Answer:
    """Judge a version that lies in none of the stretches."""
    if (fix := _later_fix(statement, version)) is not None:
        why = f"fixed in its series with {fix.low}"
        return Answer(status=Status.AFFECTED, fixed_in=fix.low, why=why)
    if statement.default == "a":
        return _affected_by_default(statement, version, passed=passed)
    return _default(statement)


def _later_fix(statement: Statement, version: Key) -> Range | None:
    """Find the stretch `3.18.27 to 3.18.*` for a version such as 3.18.23."""
    for one in statement.ranges:
        if one.status != "u" or not one.high.endswith(".*"):
            continue
        series = Range(low=one.high.removesuffix(".*"), high=one.high, to=True)
        low = key_of(one.low, statement.scheme)
        if low is not None and version < low and holds(series, version, statement.scheme):
            return one
    return None


def _is_update_of(one: Range, version: Key, scheme: str) -> bool:
    """Tell whether a version is `p15`, `rc1` or the like of the exact one that is named."""
    named = key_of(one.low, scheme)
    if not isinstance(named, tuple) or not isinstance(version, tuple):
        return False
    whole = len(named) - 1  # without the mark of the end
    if version[:whole] != named[:whole] or len(version) < whole + 3:
        return False
    word, number = version[whole], version[whole + 1]
    return word[0] in {0, 3} and number[0] == 4  # noqa: PLR2004 - ranks of tokens, see `versions`


def _is_behind(one: Range, version: Key, scheme: str) -> bool:
    """Tell whether a version lies beyond the end of a stretch that it is in the branch of."""
    low, high = key_of(one.low or "0", scheme), key_of(one.high, scheme) if one.high else None
    return low is not None and high is not None and not version < low and not version < high


def _answer(one: Range) -> Answer:
    fixed = one.high if one.status == "a" and not one.to and not one.high.endswith("*") else ""
    status = _STATUS.get(one.status, Status.UNKNOWN)
    bounded = bool(one.high) or one.status != "a"
    return Answer(status=status, fixed_in=fixed, why=in_words(one), bounded=bounded)


def _disagreement(sure: dict[str, Range]) -> Answer:
    if set(sure) == {"a", "?"}:
        return _answer(sure["a"])
    if set(sure) == {"u", "?"}:
        return _answer(sure["u"])
    why = "the record calls it both affected and not: " + ", ".join(map(in_words, sure.values()))
    return Answer(status=Status.UNCLEAR, why=why)


def _affected_by_default(statement: Statement, version: Key, *, passed: bool) -> Answer:
    """Judge a version in a record that lists what is not affected, as those of the kernel do."""
    closed = [one for one in statement.ranges if one.status == "u"]
    if not closed:
        if passed:  # a list of fixed branches only, as PHP's records have it
            return Answer(status=Status.UNAFFECTED, why="beyond the end of an affected stretch")
        why = "the record says “affected unless told otherwise”, and tells nothing of this version"
        return Answer(status=Status.UNCLEAR, why=statement.note or why)
    bases = [
        (key, one)
        for one in closed
        if (key := key_of(one.high.removesuffix(".*") if one.high else one.low, statement.scheme))
        is not None
    ]
    known = any(not one.low and one.high for one in closed)
    if not known and not any(key < version for key, _ in bases):
        oldest = min(bases, key=lambda one: one[0], default=(None, Range()))[1]
        since = oldest.high.removesuffix(".*") or oldest.low
        why = f"the record does not say since when; the oldest series with a fix is {since}"
        return Answer(status=Status.UNCLEAR, fixed_in=oldest.low, why=why)
    if not any(version < key for key, _ in bases) and not any(
        one.low and not one.high for one in closed
    ):
        why = statement.note or "the record knows of no series as new as this"
        return Answer(status=Status.UNCLEAR, why=why)
    fixed = next((one.low for one in closed if one.low and not one.high), "")
    return Answer(status=Status.AFFECTED, fixed_in=fixed, why="its series has no fix")


def _default(statement: Statement) -> Answer:
    if statement.default == "u" or any(one.status == "a" for one in statement.ranges):
        return Answer(status=Status.UNAFFECTED, why="in none of the affected stretches")
    if statement.note:
        return Answer(status=Status.UNCLEAR, why=statement.note)
    return Answer(status=Status.UNKNOWN)


def in_words(one: Range) -> str:
    """Write a stretch for people, for example `1.25.0 to before 1.26.1`."""
    if one.low and one.low == one.high:
        return one.low
    low = f"{'after ' if one.after else ''}{one.low}" if one.low not in {"", "0"} else ""
    high = (f"to {one.high}" if one.to else f"before {one.high}") if one.high else ""
    if low and high:
        return f"{low} {high}" if one.to else f"{low} to {high}"
    return (low and f"{low} and later") or high or "every version"
