"""Kinds of text and numbers that occur all over a product profile."""

from typing import Annotated, Final

from holdfast.core.limits import Between, Length, Matching

# Control characters and those that turn the direction of text could make a page or a terminal
# show something else than what was signed.
_UNSEEN: Final = r"\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff"
_LINE: Final = rf"[^\s{_UNSEEN}](?:[^{_UNSEEN}]*[^\s{_UNSEEN}])?"
_LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOST: Final = rf"{_LABEL}(?:\.{_LABEL})*"
_PATH: Final = r"(?:/[A-Za-z0-9/._~%!$&'()*+,;=:@?#-]*)?"

_on_one_line = Matching(_LINE, "one line without spaces around it or control characters")

Title = Annotated[str, Length(1, 80), _on_one_line]
"""A name for people."""

Sentence = Annotated[str, Length(1, 300), _on_one_line]
"""A reason or purpose, in plain words."""

Word = Annotated[
    str,
    Matching(
        r"[a-z][a-z0-9-]{0,30}",
        "lower-case letters, digits and hyphens, beginning with a letter, at most 31",
    ),
]
"""A name for programs."""

Port = Annotated[int, Between(1, 65535)]
"""A TCP or UDP port."""

Host = Annotated[
    str,
    Length(1, 253),
    Matching(_HOST, "a host name such as updates.example.com, without scheme, port or wildcard"),
]
"""A host name, or an IPv4 address."""

WebAddress = Annotated[
    str,
    Length(1, 500),
    Matching(rf"https://{_HOST}(?::[1-9][0-9]{{0,4}})?{_PATH}", "an address that begins https://"),
]
"""A page that anybody can trust to be the maker's: https only."""

Contact = Annotated[
    str,
    Length(1, 500),
    Matching(
        rf"mailto:[A-Za-z0-9._%+-]+@{_HOST}|https://{_HOST}(?::[1-9][0-9]{{0,4}})?{_PATH}",
        "mailto: with an address, or a page that begins https://",
    ),
]
"""Where a researcher writes to, as security.txt wants it (RFC 9116)."""
