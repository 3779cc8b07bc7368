"""What an acceptance says about somebody, in words that rules for roles can use."""

import re
from collections.abc import Iterable, Iterator

from holdfast.accounts.directories.answers import Claim
from holdfast.accounts.directories.radius.packets import (
    USER_NAME,
    VENDOR_SPECIFIC,
    Attribute,
    vendor_attributes,
)

NAMES = {11: "filter-id", 25: "class", 135: "management-policy-id"}
"""Attributes of texts that have a name here; others are called by their numbers."""

_SERVICE_TYPE, _MANAGEMENT_LEVEL = 6, 136
_ADMINISTRATIVE, _NAS_PROMPT = 6, 7
_CISCO_PAIR = (9, 1)
_INTEGER_BYTES = 4
_HIGHEST_LEVEL = 15
_LEVEL = re.compile(r"shell:priv-lvl[=*]([0-9]{1,3})")
# The name itself, secrets that are only hidden, state between packets, and texts for a person.
_NOT_CLAIMS = frozenset({USER_NAME, 2, 3, 18, 24, 33, 69, 79, 80})


def claims_of(attributes: Iterable[Attribute]) -> tuple[Claim, ...]:
    """Give what roles may depend on.

    A level comes from `Cisco-AVPair = "shell:priv-lvl=N"` or Management-Privilege-Level (the
    lowest, if there are several); only where neither is sent, from Service-Type:
    Administrative-User is 15, NAS-Prompt-User is 1.

    Source:
        RFC 2865 5.6, RFC 5607 6.4.
    """
    attributes = tuple(attributes)
    claims = dict.fromkeys(_texts(attributes))
    explicit = list(_explicit_levels(attributes))
    levels = explicit or list(_levels_of_service(attributes))
    # One that makes no sense (99) is no level, and none is guessed instead of it.
    if levels and all(0 <= level <= _HIGHEST_LEVEL for level in levels):
        claims[Claim(kind="level", value=str(min(levels)))] = None
    return tuple(claims)


def name_of(attributes: Iterable[Attribute]) -> str:
    """Give the name as the server spells it; empty if it does not say."""
    return next(
        (text for kind, value in attributes if kind == USER_NAME for text in _text(value)), ""
    )


def _texts(attributes: Iterable[Attribute]) -> Iterator[Claim]:
    for kind, value in attributes:
        if kind == VENDOR_SPECIFIC:
            for vendor, number, inner in vendor_attributes(value):
                name = f"vendor-{vendor}-{number}"
                if (vendor, number) == _CISCO_PAIR:
                    name = "cisco-avpair"
                yield from _claims(name, inner)
        elif kind in {_SERVICE_TYPE, _MANAGEMENT_LEVEL}:
            if kind == _SERVICE_TYPE and len(value) == _INTEGER_BYTES:
                number = int.from_bytes(value, "big")
                yield Claim(kind="attribute", name="service-type", value=str(number))
        elif kind not in _NOT_CLAIMS:
            yield from _claims(NAMES.get(kind, f"attribute-{kind}"), value)


def _claims(name: str, value: bytes) -> Iterator[Claim]:
    for text in _text(value):
        yield Claim(kind="attribute", name=name, value=text)


def _text(value: bytes) -> Iterator[str]:
    """Read a text; nothing comes of bytes that are none, such as keys and addresses."""
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return
    if text and text.isprintable():
        yield text


def _explicit_levels(attributes: Iterable[Attribute]) -> Iterator[int]:
    for kind, value in attributes:
        if kind == _MANAGEMENT_LEVEL:
            yield int.from_bytes(value, "big") if len(value) == _INTEGER_BYTES else -1
        elif kind == VENDOR_SPECIFIC:
            for vendor, number, inner in vendor_attributes(value):
                if (vendor, number) == _CISCO_PAIR and inner.startswith(b"shell:priv-lvl"):
                    found = _LEVEL.fullmatch(inner.decode("ascii", "replace"))
                    yield int(found[1]) if found else -1


def _levels_of_service(attributes: Iterable[Attribute]) -> Iterator[int]:
    meaning = {_ADMINISTRATIVE: _HIGHEST_LEVEL, _NAS_PROMPT: 1}
    for kind, value in attributes:
        number = int.from_bytes(value, "big")
        if kind == _SERVICE_TYPE and len(value) == _INTEGER_BYTES and number in meaning:
            yield meaning[number]
