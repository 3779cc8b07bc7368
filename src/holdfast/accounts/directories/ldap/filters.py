"""Search filters with gaps: read from text first, filled afterwards, so that no value changes them.

A name is never part of the text of a filter. It becomes the content of one value, whose length is
written in front of it; there is nothing that it could close or open.

Source:
    RFC 4515 (text of filters), RFC 4511 4.5.1.7 (their octets), RFC 4526 (empty and, or).
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from holdfast.accounts.directories.ldap.ber import (
    OCTETS,
    SEQUENCE,
    boolean,
    wrap,
)
from holdfast.accounts.directories.settings import Ldap

GAPS = ("name", "dn")
AD_IN_CHAIN = "1.2.840.113556.1.4.1941"
"""Matching rule of Active Directory that follows groups in groups."""

_AND, _OR, _NOT = 0xA0, 0xA1, 0xA2
_EQUAL, _SUBSTRINGS, _AT_LEAST, _AT_MOST, _PRESENT, _ABOUT, _EXTENDED = (
    0xA3, 0xA4, 0xA5, 0xA6, 0x87, 0xA8, 0xA9,
)  # fmt: skip
_INITIAL, _ANY, _FINAL = 0x80, 0x81, 0x82
_RULE, _TYPE, _VALUE, _DN_TOO = 0x81, 0x82, 0x83, 0x84
_DEEPEST = 16
_ATTRIBUTE = r"(?:[A-Za-z][A-Za-z0-9-]*|[0-9]+(?:\.[0-9]+)*)(?:;[A-Za-z0-9-]+)*"
_ITEM = re.compile(
    rf"(?P<attribute>{_ATTRIBUTE})?(?P<dn>:dn)?(?::(?P<rule>[A-Za-z0-9.-]+))?"
    r"(?P<sign>:=|=|~=|>=|<=)(?P<value>[^()]*)"
)
_PIECE = re.compile(r"\{(name|dn)\}|\\([0-9A-Fa-f]{2})|([^\\*\x00]+?(?=\{name\}|\{dn\}|\\|\*|\Z))")
_SIGNS = {"=": _EQUAL, "~=": _ABOUT, ">=": _AT_LEAST, "<=": _AT_MOST}

Value = tuple[bytes | str, ...]
"""Octets, and names of gaps."""


class FilterError(ValueError):
    """The text is no filter; the message says where."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Set:
    """All of some filters, any of them, or not the one.

    Attributes:
        tag: `and`, `or` or `not` in BER.
        parts: The filters.
    """

    tag: int
    parts: "tuple[Filter, ...]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Test:
    """One attribute compared with one value.

    Attributes:
        tag: How, in BER.
        attribute: Its name; may be empty where a rule is named.
        value: With gaps; of a comparison by substrings the parts between the stars.
        rule: Matching rule of an extensible comparison.
        dn_too: Whether parts of the DN are compared too.
    """

    tag: int
    attribute: str
    value: tuple[Value, ...] = ()
    rule: str = ""
    dn_too: bool = False


Filter = Set | Test


def parse(text: str) -> Filter:
    """Read a filter; `{name}` and `{dn}` in values are gaps.

    Raises:
        FilterError: It is none.
    """
    found, at = _filter(text, 0, 0)
    if at != len(text):
        raise FilterError(f"the filter has something after its end, at character {at + 1}")
    return found


def _filter(text: str, at: int, depth: int) -> tuple[Filter, int]:
    if depth > _DEEPEST:
        raise FilterError(f"the filter is more than {_DEEPEST} brackets deep")
    if text[at : at + 1] != "(":
        raise FilterError(f"a ( is missing in the filter at character {at + 1}")
    at += 1
    tag = {"&": _AND, "|": _OR, "!": _NOT}.get(text[at : at + 1])
    found: Filter
    if tag is None:
        found, at = _item(text, at)
    else:
        parts: list[Filter] = []
        at += 1
        while text[at : at + 1] == "(":
            part, at = _filter(text, at, depth + 1)
            parts.append(part)
        if tag == _NOT and len(parts) != 1:
            raise FilterError(f"! takes one filter, at character {at + 1}")
        found = Set(tag=tag, parts=tuple(parts))
    if text[at : at + 1] != ")":
        raise FilterError(f"a ) is missing in the filter at character {at + 1}")
    return found, at + 1


def _item(text: str, at: int) -> tuple[Test, int]:
    match = _ITEM.match(text, at)
    if match is None:
        raise FilterError(f"no comparison such as uid=... in the filter at character {at + 1}")
    attribute, rule, sign = match["attribute"] or "", match["rule"] or "", match["sign"]
    values = _values(match["value"], match.start("value"))
    extended = sign == ":="
    if (not extended and (rule or match["dn"])) or not (attribute or (extended and rule)):
        raise FilterError(f"a comparison is incomplete in the filter at character {at + 1}")
    if sign == "=" and values == ((), ()):
        return Test(tag=_PRESENT, attribute=attribute), match.end()
    if len(values) > 1 and (sign != "=" or not any(values)):
        raise FilterError(f"a star makes no sense here, at character {match.end()}")
    tag = _EXTENDED if extended else _SUBSTRINGS if len(values) > 1 else _SIGNS[sign]
    found = Test(
        tag=tag, attribute=attribute, value=values, rule=rule, dn_too=match["dn"] is not None
    )
    return found, match.end()


def _values(text: str, at: int) -> tuple[Value, ...]:
    """Read a value: its parts between stars."""
    parts: list[list[bytes | str]] = [[]]
    here = 0
    while here < len(text):
        if text[here] == "*":
            parts.append([])
            here += 1
            continue
        match = _PIECE.match(text, here)
        if match is None:
            raise FilterError(f"write this as \\ and two digits, at character {at + here + 1}")
        gap, octet, plain = match.groups()
        parts[-1].append(gap or (bytes.fromhex(octet) if octet else _octets(plain)))
        here = match.end()
    return tuple(tuple(part) for part in parts)


def _octets(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise FilterError("the filter holds characters that cannot be sent") from error


def filled(pattern: Filter, values: Mapping[str, bytes]) -> bytes:
    """Write a filter in BER, with values in its gaps.

    Args:
        pattern: The filter.
        values: For every gap that it has.
    """
    if isinstance(pattern, Set):
        return wrap(pattern.tag, *(filled(part, values) for part in pattern.parts))
    attribute = pattern.attribute.encode("ascii")
    if pattern.tag == _PRESENT:
        return wrap(_PRESENT, attribute)
    contents = [_whole(value, values) for value in pattern.value]
    if pattern.tag == _SUBSTRINGS:
        kinds = [_INITIAL, *[_ANY] * (len(contents) - 2), _FINAL]
        # Nothing may stand before the first and after the last star, but not elsewhere.
        parts = [wrap(kind, one) for kind, one in zip(kinds, contents, strict=True) if one]
        return wrap(_SUBSTRINGS, wrap(OCTETS, attribute), wrap(SEQUENCE, *parts))
    if pattern.tag == _EXTENDED:
        return wrap(
            _EXTENDED,
            wrap(_RULE, pattern.rule.encode("ascii")) if pattern.rule else b"",
            wrap(_TYPE, attribute) if attribute else b"",
            wrap(_VALUE, contents[0]),
            boolean(value=True, tag=_DN_TOO) if pattern.dn_too else b"",
        )
    return wrap(pattern.tag, wrap(OCTETS, attribute), wrap(OCTETS, contents[0]))


def _whole(value: Value, values: Mapping[str, bytes]) -> bytes:
    return b"".join(values[piece] if isinstance(piece, str) else piece for piece in value)


def either(patterns: "list[bytes]") -> bytes:
    """Write "any of these" over filters in BER."""
    return patterns[0] if len(patterns) == 1 else wrap(_OR, *patterns)


def both(one: Filter, other: Filter) -> Filter:
    """Make "both of these"."""
    return Set(tag=_AND, parts=(one, other))


def equal(attribute: str, gap: str) -> Filter:
    """Make a comparison of an attribute with what comes into a gap."""
    return Test(tag=_EQUAL, attribute=attribute, value=((gap,),))


def has(pattern: Filter, gap: str) -> bool:
    """Tell whether a filter has such a gap."""
    if isinstance(pattern, Set):
        return any(has(part, gap) for part in pattern.parts)
    return any(gap in value for value in pattern.value)


def without(pattern: Filter, gap: str) -> Filter | None:
    """Take out what depends on a gap; None if nothing is left that could be true.

    A group is found by its DN. Were its name put where the names of people stand, somebody could
    become a member of everything by the name of a group.
    """
    if not has(pattern, gap):
        return pattern
    if isinstance(pattern, Test) or pattern.tag == _NOT:
        return None
    left = [without(part, gap) for part in pattern.parts]
    kept = tuple(part for part in left if part is not None)
    if not kept or (pattern.tag == _AND and len(kept) < len(left)):
        return None
    return replace(pattern, parts=kept)


def in_chain(pattern: Filter) -> Filter:
    """Have every comparison with a DN follow groups in groups, as Active Directory does it."""
    if isinstance(pattern, Set):
        return replace(pattern, parts=tuple(in_chain(part) for part in pattern.parts))
    if pattern.tag == _EQUAL and "dn" in pattern.value[0]:
        return replace(pattern, tag=_EXTENDED, rule=AD_IN_CHAIN)
    return pattern


def wrong_gaps(settings: Ldap) -> Iterator[tuple[str, str]]:
    """Find the filters in settings that are none, or that lack the gap that they need.

    Yields:
        Name of the field, and what is wrong with it.
    """
    try:
        people = parse(settings.user_filter)
    except FilterError as error:
        yield "user_filter", str(error)
    else:
        if has(people, "dn"):
            yield "user_filter", "knows only {name}: the DN is what it finds"
        elif settings.bind_dn and not has(people, "name"):
            yield "user_filter", "must compare something with {name}"
    try:
        if settings.group_filter:
            parse(settings.group_filter)
    except FilterError as error:
        yield "group_filter", str(error)
