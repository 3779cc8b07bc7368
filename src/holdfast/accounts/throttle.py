"""How long the next try at a password has to wait: it slows, and never locks the owner out.

Tries are counted by account, by account and source, and all together. A browser that proved
itself before (`accounts.cookies`) has a count of its own, which no stranger can raise: the owner
gets in from there whatever strangers do. What else opens the way: a recovery code, or a reset.

No clock inside: the caller hands in seconds of a clock that only runs forward. After a restart
every wait begins anew with its full length, so that pulling the plug shortens nothing. Lean on
purpose: a resident process of the device carries this module.

Source:
    NIST SP 800-63B-4 3.2.2 (at most 100 failures in a row, waits that grow); OWASP ASVS 5.0 6.1.1.
"""

import math
import socket
import zlib
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, NamedTuple, TypeVar

from holdfast.accounts.errors import ThrottledError, ThrottleFileError

SCHEMA = 1
FREE_FAILURES = 3
LONGEST_WAIT_S = 15 * 60
MOST_IN_A_ROW = 100
"""So many failures in a row switch passwords off, for sources that are not known."""
DAY_S = 24 * 60 * 60
BURST, A_DAY = 20, 80
"""Failures that are heard at once at most, and then in a day: no day ever has more than both."""
ACCOUNTS, SOURCES, KNOWN = 1024, 4096, 256
ALL_BURST, ALL_EVERY_S = 30, 4
"""All strangers together: so many failures at once, then one in so many seconds. It only bounds
work; a longer wait would let a stranger who tries made-up names keep out everybody else."""
LONGEST_CODE_WAIT_S = 60
CODE_SOURCES, _CODE_SOURCES_KEPT = 1024, 16
_ALL_AT_START = 10
_SLOWED = FREE_FAILURES + 10  # the next failure waits 15 minutes
_STRICT_LEVEL = BURST - 8
_SOURCES_KEPT = 64
_MOST_FAILURES = 1_000_000
_LEAK = A_DAY / DAY_S
_IPV4_MAPPED = bytes(10) + b"\xff\xff"
_Key = TypeVar("_Key")


class Who(NamedTuple):
    """Who tries, as far as counting is concerned.

    Attributes:
        name: Account name as it is compared; need not exist.
        source: From `source_of`.
        known: Id of a browser that proved itself before for this name; empty for none.
    """

    name: str
    source: str
    known: str = ""


class _Count:
    """Failures in a row, and how many of the day's are used up."""

    __slots__ = ("failures", "level", "since")

    def __init__(self, failures: int, level: float, since: float) -> None:
        self.failures = failures
        self.level = level
        self.since = since

    def level_at(self, now_s: float) -> float:
        return max(0.0, self.level - max(0.0, now_s - self.since) * _LEAK)

    def fail(self, now_s: float) -> None:
        self.level = self.level_at(now_s) + 1
        self.failures = min(self.failures + 1, _MOST_FAILURES)
        self.since = now_s

    def forgive(self, now_s: float, *, down_to: int) -> None:
        """Forget failures; those of the day stay used up, or logging in would hand out more."""
        self.level = self.level_at(now_s)
        self.failures = min(self.failures, down_to)
        self.since = now_s

    def left_s(self, now_s: float) -> float:
        of_row = self.since + wait_after(self.failures) - now_s if self.failures else 0.0
        of_day = (self.level_at(now_s) - (BURST - 1)) / _LEAK
        return max(0.0, of_row, of_day)


def wait_after(failures: int) -> int:
    """Give the seconds to wait after so many failures in a row."""
    if failures < FREE_FAILURES:
        return 0
    return int(min(2 ** min(failures - FREE_FAILURES, 20), LONGEST_WAIT_S))


def source_of(address: str) -> str:
    """Give what counts as one source: an IPv4 address, or 64 bits of an IPv6 one."""
    text = address.strip("[]").partition("%")[0]
    try:
        return socket.inet_ntop(socket.AF_INET, socket.inet_pton(socket.AF_INET, text))
    except (OSError, ValueError):
        pass
    try:
        raw = socket.inet_pton(socket.AF_INET6, text)
    except (OSError, ValueError):
        return ""  # all that is no address is one source
    if raw.startswith(_IPV4_MAPPED):
        return socket.inet_ntop(socket.AF_INET, raw[len(_IPV4_MAPPED) :])
    return socket.inet_ntop(socket.AF_INET6, raw[:8] + bytes(8)) + "/64"


def place_of(name: str) -> int:
    """Say in which of the places an account is counted.

    Places are few and fixed, and shared by names that exist and names that do not: nothing has to
    be forgotten when somebody tries thousands of names, and waiting tells nobody which exist.
    """
    return zlib.crc32(name.encode(errors="surrogatepass")) % ACCOUNTS


class Throttle:
    """All counts of one device or hub; bounded in number.

    Attributes:
        strict: Whether the counts were lost, so that strangers begin with a long wait.
    """

    def __init__(self, *, now_s: float) -> None:
        self.strict = False
        self._began = now_s
        self._accounts: dict[int, _Count] = {}
        self._sources: OrderedDict[tuple[int, str], _Count] = OrderedDict()
        self._known: OrderedDict[str, _Count] = OrderedDict()
        # Nearly full after every start, so that pulling the plug wins no time for work.
        self._all_level, self._all_since = float(ALL_BURST - _ALL_AT_START), now_s

    @classmethod
    def after_loss(cls, *, now_s: float) -> "Throttle":
        """Begin without counts that were there once: strict towards strangers, and it says so."""
        made = cls(now_s=now_s)
        made.strict = True
        return made

    @classmethod
    def of_plain(cls, plain: Any, *, now_s: float) -> "Throttle":  # noqa: ANN401 - JSON
        """Read what `plain` gave.

        Raises:
            ThrottleFileError: It is damaged; begin with `after_loss`, never with nothing.
        """
        made = cls(now_s=now_s)
        try:
            if plain["schema"] != SCHEMA or not isinstance(plain["strict"], bool):
                raise ThrottleFileError
            made.strict = plain["strict"]
            for place, failures, level in plain["accounts"]:
                made._accounts[_whole(place, ACCOUNTS - 1)] = _count(failures, level, now_s)
            for place, source, failures, level in plain["sources"]:
                key = (_whole(place, ACCOUNTS - 1), _text(source))
                made._sources[key] = _count(failures, level, now_s)
            for known, (failures, level) in plain["known"].items():
                made._known[_text(known)] = _count(failures, level, now_s)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ThrottleFileError from error
        if len(made._sources) > SOURCES or len(made._known) > KNOWN:
            raise ThrottleFileError
        return made

    def plain(self, *, now_s: float) -> Mapping[str, Any]:
        """Give what has to survive a restart, as JSON knows it; some 30 kB at most."""

        def told(count: _Count) -> tuple[int, float]:
            return count.failures, round(count.level_at(now_s), 3)

        worst = sorted(self._sources.items(), key=lambda one: -one[1].failures)[:_SOURCES_KEPT]
        return {
            "schema": SCHEMA,
            "strict": self.strict,
            "accounts": [(place, *told(one)) for place, one in self._accounts.items()],
            "sources": [(*key, *told(one)) for key, one in worst if one.failures],
            "known": {known: told(one) for known, one in self._known.items()},
        }

    def trusts(self, known: str) -> bool:
        """Whether a known browser has its own count; not after a hundred failures in a row."""
        count = self._known.get(known)
        return bool(known) and (count is None or count.failures < MOST_IN_A_ROW)

    def must_wait(self, who: Who, *, now_s: float) -> None:
        """Refuse a try that comes too early; for names that exist and others alike.

        Raises:
            ThrottledError: With the seconds that are left, or that passwords are switched off.
        """
        if self.trusts(who.known):
            count = self._known.get(who.known)
            left_s = count.left_s(now_s) if count is not None else 0.0
        else:
            left_s = self._strangers_wait(who, now_s)
        if left_s > 0:
            raise ThrottledError(wait_s=max(1, math.ceil(min(left_s, DAY_S))))

    def _strangers_wait(self, who: Who, now_s: float) -> float:
        place = place_of(who.name)
        account = self._account(place)
        if account.failures >= MOST_IN_A_ROW:
            raise ThrottledError(wait_s=DAY_S, switched_off=True)
        source = self._sources.get((place, who.source))
        return max(
            account.left_s(now_s),
            source.left_s(now_s) if source is not None else 0.0,
            (self._all_at(now_s) - (ALL_BURST - 1)) * ALL_EVERY_S,
        )

    def failed(self, who: Who, *, now_s: float) -> None:
        """Count a failure."""
        if self.trusts(who.known):
            _counted(self._known, who.known, KNOWN, now_s).fail(now_s)
            return
        place = place_of(who.name)
        count = self._account(place)
        count.fail(now_s)
        self._accounts[place] = count
        _counted(self._sources, (place, who.source), SOURCES, now_s).fail(now_s)
        self._all_level, self._all_since = self._all_at(now_s) + 1, now_s

    def succeeded(self, who: Who, *, now_s: float) -> bool:
        """Forget failures after somebody got in; tell whether something changed.

        A known browser does not make it easier for strangers, it only switches passwords on again:
        else each login of the owner would hand an attacker fresh tries.
        """
        place = place_of(who.name)
        account = self._accounts.get(place)
        if self.trusts(who.known):
            changed = self._known.pop(who.known, None) is not None
            if account is not None and account.failures >= MOST_IN_A_ROW:
                account.forgive(now_s, down_to=_SLOWED)
                changed = True
            return changed
        changed = self._sources.pop((place, who.source), None) is not None
        account = self._account(place)
        if account.failures:
            account.forgive(now_s, down_to=0)
            self._accounts[place] = account
            changed = True
        return changed

    def opened(self, name: str, *, now_s: float) -> None:
        """Switch passwords on again after a recovery code: slow, but no longer off."""
        account = self._accounts.get(place_of(name))
        if account is not None and account.failures >= MOST_IN_A_ROW:
            account.forgive(now_s, down_to=_SLOWED)

    def _account(self, place: int) -> _Count:
        found = self._accounts.get(place)
        if found is not None:
            return found
        if self.strict:
            return _Count(_SLOWED, _STRICT_LEVEL, self._began)
        return _Count(0, 0.0, self._began)

    def _all_at(self, now_s: float) -> float:
        return max(0.0, self._all_level - max(0.0, now_s - self._all_since) / ALL_EVERY_S)


class CodeThrottle:
    """Failures at codes that are too long to guess (set-up, recovery), by source alone.

    Strangers can never slow somebody who sits elsewhere: with 50 random bits even a thousand
    sources at once would need longer than a device lives.
    """

    def __init__(self) -> None:
        self._sources: OrderedDict[str, _Count] = OrderedDict()

    @classmethod
    def of_plain(cls, plain: Any, *, now_s: float) -> "CodeThrottle":  # noqa: ANN401 - JSON
        """Read what `plain` gave.

        Raises:
            ThrottleFileError: It is damaged.
        """
        made = cls()
        try:
            for source, failures in plain:
                made._sources[_text(source)] = _count(failures, 0, now_s)
        except (TypeError, ValueError) as error:
            raise ThrottleFileError from error
        if len(made._sources) > CODE_SOURCES:
            raise ThrottleFileError
        return made

    def plain(self) -> list[tuple[str, int]]:
        """Give what has to survive a restart: those with most failures."""
        worst = sorted(self._sources.items(), key=lambda one: -one[1].failures)
        return [(source, one.failures) for source, one in worst[:_CODE_SOURCES_KEPT]]

    def must_wait(self, source: str, *, now_s: float) -> None:
        """Refuse a try that comes too early.

        Raises:
            ThrottledError: With the seconds that are left.
        """
        count = self._sources.get(source)
        if count is None:
            return
        left_s = count.since + min(wait_after(count.failures), LONGEST_CODE_WAIT_S) - now_s
        if count.failures >= FREE_FAILURES and left_s > 0:
            raise ThrottledError(wait_s=math.ceil(left_s))

    def failed(self, source: str, *, now_s: float) -> None:
        """Count a failure."""
        _counted(self._sources, source, CODE_SOURCES, now_s).fail(now_s)

    def succeeded(self, source: str) -> None:
        """Forget the failures of a source."""
        self._sources.pop(source, None)


def _counted(counts: OrderedDict[_Key, _Count], key: _Key, most: int, now_s: float) -> _Count:
    """Find or make a count, as the latest used; of too many the longest unused goes."""
    count = counts.setdefault(key, _Count(0, 0.0, now_s))
    counts.move_to_end(key)
    if len(counts) > most:
        counts.popitem(last=False)
    return count


def _count(failures: object, level: object, now_s: float) -> _Count:
    if not isinstance(level, int | float) or isinstance(level, bool):
        raise ThrottleFileError
    if not 0 <= level <= _MOST_FAILURES:  # also what is no number
        raise ThrottleFileError
    return _Count(_whole(failures, _MOST_FAILURES), float(level), now_s)


def _whole(value: object, highest: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= highest:
        raise ThrottleFileError
    return value


def _text(value: object) -> str:
    if not isinstance(value, str) or len(value) > 64:  # noqa: PLR2004 - addresses and ids are short
        raise ThrottleFileError
    return value
