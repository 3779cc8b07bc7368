"""Groups of somebody, and groups that these groups are in."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from holdfast.accounts.directories.answers import Claim
from holdfast.accounts.directories.ldap import filters
from holdfast.accounts.directories.ldap.filters import Filter
from holdfast.accounts.directories.ldap.messages import Entry, Search
from holdfast.accounts.directories.ldap.talk import Talk, TooManyError, failure
from holdfast.accounts.directories.settings import Ldap
from holdfast.accounts.errors import ReachError

MOST_GROUPS = 10_000
MOST_LEVELS = 32
_AT_ONCE = 40
_PAGE = 500
_LONGEST_DN = 1024
_LONGEST_NAME = 256
_USUAL_FILTER = Ldap(base="dc=x", bind_dn="cn=x").group_filter
_AD_GROUPS = "(&(objectClass=group)(member={dn}))"


@dataclass(frozen=True, slots=True, kw_only=True)
class Groups:
    """How groups are found.

    Attributes:
        base: Where; empty where none are to be found.
        pattern: With gaps for DN and name.
        further: Finds the groups that a group is in; None for no further search.
    """

    base: str
    pattern: Filter
    further: Filter | None

    @classmethod
    def of(cls, settings: Ldap) -> "Groups | None":
        """Read them from settings; None if no groups are wanted.

        Raises:
            FilterError: The filter is none.
        """
        base, text = settings.group_base or settings.base, settings.group_filter
        if not base or not text:
            return None
        if settings.nested == "ad":
            text = _AD_GROUPS if text == _USUAL_FILTER else text
            pattern = filters.in_chain(filters.parse(text))
            return cls(base=base, pattern=pattern, further=None)
        pattern = filters.parse(text)
        further = filters.without(pattern, "name") if settings.nested == "search" else None
        return cls(base=base, pattern=pattern, further=further)

    def found(self, talk: Talk, *, dn: str, name: str) -> list[Entry]:
        """Ask for the groups of somebody, nested ones too.

        Raises:
            ReachError: The server does not tell all of them, or there are too many.
        """
        first = filters.filled(self.pattern, {"dn": dn.encode(), "name": name.encode()})
        known: dict[str, Entry] = {}
        level = self._new(talk, first, known)
        for _ in range(MOST_LEVELS):
            if not level or self.further is None:
                return list(known.values())
            above: list[Entry] = []
            for several in _batches(level, _AT_ONCE):
                wanted = [
                    filters.filled(self.further, {"dn": each.dn.encode()}) for each in several
                ]
                above += self._new(talk, filters.either(wanted), known)
            level = above
        raise ReachError("search", f"groups are nested more than {MOST_LEVELS} levels deep")

    def _new(self, talk: Talk, pattern: bytes, known: dict[str, Entry]) -> list[Entry]:
        """Search, and keep what was not known: so a circle of groups comes to an end."""
        wanted = Search(base=self.base, pattern=pattern, attributes=("cn",), page=_PAGE)
        try:
            entries, ended = talk.search(wanted, most=MOST_GROUPS)
        except TooManyError:
            raise _too_many() from None
        if ended.code != 0:
            raise failure(ended, self.base)
        new = [each for each in entries if each.dn and each.dn.casefold() not in known]
        known.update((each.dn.casefold(), each) for each in new)
        if len(known) > MOST_GROUPS:
            raise _too_many()
        return new


def _too_many() -> ReachError:
    return ReachError(
        "search",
        f"this person is in more than {MOST_GROUPS} groups: narrow group_filter or group_base",
    )


def _batches(entries: list[Entry], size: int) -> Iterator[list[Entry]]:
    for begin in range(0, len(entries), size):
        yield entries[begin : begin + size]


def claims_of(groups: Iterable[Entry]) -> Iterator[Claim]:
    """Say of each group its DN, and its names.

    A name that reads like a DN is left out: who may make a group could call it like another one.
    """
    for group in groups:
        if len(group.dn) <= _LONGEST_DN:
            yield Claim(kind="group", value=group.dn)
        for name in group.texts("cn", longest=_LONGEST_NAME):
            if "=" not in name:
                yield Claim(kind="group", value=name)
