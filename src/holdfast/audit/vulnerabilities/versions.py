"""Which of two versions is the newer one, by the rules of whoever numbers them.

Most embedded software follows no written rule, so `generic` is ours: numbers count as numbers,
`alpha`, `beta`, `pre` and `rc` come before the release, letters and `p1` after it, trailing zeros
do not count. Package systems have written rules; `univers` knows them.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from importlib import import_module
from typing import Any, Final

MOST_CHARS = 80
MOST_TOKENS = 24

_TOKEN = re.compile(r"\d+|[a-z]+")
_PLAIN = re.compile(r"[a-z]{0,2}\d[0-9a-z.+~_-]*(?:\.\*)?")
_COMMIT = re.compile(r"(?=[0-9a-f]*[a-f])(?=[0-9a-f]*\d)[0-9a-f]{8,64}")
_LINUX = re.compile(
    r"(\d{1,3}(?:\.\d{1,5}){0,3})(?:[.-]?(rc|pre)(\d{0,3}))?(?:\.\*)?(?:[-+.~_ ].*)?"
)
_NOT_PLAIN = re.compile(r"ubuntu|deb\d|[^a-z]el\d|dfsg|build\d")

_BEFORE: Final = {
    "dev": 0,
    "snapshot": 0,
    "alpha": 1,
    "beta": 2,
    "pre": 3,
    "preview": 3,
    "prerelease": 3,
    "rc": 4,
    "cr": 4,
}
_PATCH: Final = {"pl": "p", "patch": "p", "patchlevel": "p"}
_SHORT: Final = {"a": "alpha", "b": "beta", "c": "rc"}

# What a token counts, smallest first; the second item is compared only within the same rank.
_RELEASE = (2, 0)
_ANY = (9, 0)  # what stands for every later token: the star of `5.15.*`

Key = Any
"""Something that `<` and `==` compare with others of the same scheme."""


def _plain(text: str, *, quirk: Callable[[list[Any]], None] | None = None) -> Key | None:
    lower = text.strip().lower()
    if len(lower) > MOST_CHARS or _COMMIT.fullmatch(lower) or _NOT_PLAIN.search(lower):
        return None
    if lower.startswith("v") and lower[1:2].isdigit():
        lower = lower[1:]
    if not _PLAIN.fullmatch(lower):
        return None
    words: list[str] = _TOKEN.findall(lower)
    if len(words) > MOST_TOKENS:
        return None
    key: list[Any] = []
    for place, word in enumerate(words):
        if word.isdigit():
            key.append((4, int(word)))
            continue
        _drop_zeros(key)
        numbered = place + 1 < len(words) and words[place + 1].isdigit()
        # `1.9.0b1` is a beta, `0.9.8b` the second patch.
        whole = _SHORT.get(word, word) if numbered and key else word
        before = _BEFORE.get(whole)
        key.append((3, _PATCH.get(word, word)) if before is None else (0, before))
    if quirk is not None:
        quirk(key)
    return _ended(key, star=lower.endswith(".*"))


def _ended(key: list[Any], *, star: bool) -> Key:
    """Say where a version ends; before a star zeros count, `1.0.*` is not `1.*`."""
    if not star:
        _drop_zeros(key)
    return (*key, _ANY if star else _RELEASE)


def _drop_zeros(key: list[Any]) -> None:
    while key and key[-1] == (4, 0):
        key.pop()


def _portable(key: list[Any]) -> None:
    """OpenSSH's portable releases are `9.8p1`; others write that as `9.8`."""
    if not any(token[0] < 4 for token in key):  # noqa: PLR2004 - a word stands in it
        _drop_zeros(key)
        key += [(3, "p"), (4, 1)]


def _linux(text: str) -> Key | None:
    """Compare kernels by what kernel.org numbers; what a distribution appends does not count."""
    bare = text.strip().lower().removeprefix("v")
    found = _LINUX.fullmatch(bare)
    if len(text) > MOST_CHARS or found is None or _COMMIT.fullmatch(bare):
        return None
    key: list[Any] = [(4, int(part)) for part in found[1].split(".")]
    if found[2]:
        _drop_zeros(key)
        key += [(0, 4), (4, int(found[3] or 0))]
    return _ended(key, star=bare.endswith(".*"))


def _library(name: str) -> Callable[[str], Key | None]:
    """Compare by a class of `univers`, which is loaded when first needed: that takes 80 ms."""

    def key(text: str) -> Key | None:
        library = import_module("univers.versions")
        try:
            return getattr(library, name)(text)
        except (library.InvalidVersion, ValueError, TypeError, AttributeError):
            return None

    return key


SCHEMES: Final[dict[str, Callable[[str], Key | None]]] = {
    "generic": _plain,
    "openssh": lambda text: _plain(text, quirk=_portable),
    "linux": _linux,
    "debian": _library("DebianVersion"),
    "alpine": _library("AlpineLinuxVersion"),
    "rpm": _library("RpmVersion"),
    "semver": _library("SemverVersion"),
}


@lru_cache(maxsize=65_536)
def key_of(text: str, scheme: str = "generic") -> Key | None:
    """Make a version comparable.

    Args:
        text: As written; hostile texts cost no more than others.
        scheme: One of `SCHEMES`.

    Returns:
        The key; None if the text is no version in that scheme.
    """
    if not text or len(text) > MOST_CHARS:
        return None
    return SCHEMES[scheme](text)


_UPSTREAM = {
    "deb": re.compile(
        r"(?:\d+:)?(.+?)(?:[+~](?:dfsg|ds|really|git|deb|ubuntu).*|\.dfsg.*)?(?:-[^-]*)?"
    ),
    "apk": re.compile(r"(.+?)(?:-r\d+)?"),
    "opkg": re.compile(r"(.+?)(?:-r?\d+)?"),
    "rpm": re.compile(r"(?:\d+:)?(.+?)(?:-[^-]*)?"),
}


def upstream_of(version: str, system: str) -> str:
    """Take off what a package system adds to the version of the software in it.

    Args:
        version: Of the package.
        system: `deb`, `apk`, `opkg` or `rpm`; others add nothing.
    """
    form = _UPSTREAM.get(system)
    found = form.fullmatch(version) if form and len(version) <= MOST_CHARS else None
    return found[1] if found else version
