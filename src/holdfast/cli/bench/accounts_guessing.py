"""How many guesses a day an attacker gets while the owner logs in, by a simulated clock."""

from collections.abc import Iterator
from itertools import product

from holdfast.accounts.errors import ThrottledError
from holdfast.accounts.throttle import DAY_S, Throttle, Who
from holdfast.cli.bench.figures import Figure, Figures

_DAYS = 7
_SOURCES = (1, 7, 40)
_OWNER_EVERY_S = (600, 6 * 3600)
_OWNER = Who(name="ada", source="203.0.113.5", known="browser-of-ada")


def measure() -> Figures:
    """Guess whenever it is allowed, for a week, from few and from many addresses.

    The owner comes in his own browser meanwhile, and must never have to wait.
    """
    most, turned_away = 0, 0
    for sources, owner_every_s in product(_SOURCES, _OWNER_EVERY_S):
        counts = Throttle(now_s=0.0)
        counts.succeeded(_OWNER, now_s=0.0)
        tried = [*_guesses(counts, sources=sources, owner_every_s=owner_every_s)]
        most = max(most, *_in_a_day(tried))
        turned_away += tried.count(-1.0)
    return {
        "guesses_a_day": Figure(most, most=100),
        "owner_turned_away": Figure(turned_away, most=0),
        "simulated_days": Figure(_DAYS * len(_SOURCES) * len(_OWNER_EVERY_S)),
    }


def _guesses(counts: Throttle, *, sources: int, owner_every_s: int) -> Iterator[float]:
    """Give the moment of each guess; -1 where the owner was turned away."""
    now_s, owner_at = 0.0, float(owner_every_s)
    while now_s < _DAYS * DAY_S:
        if now_s >= owner_at:
            owner_at += owner_every_s
            if _wait_s(counts, _OWNER, now_s):
                yield -1.0
            else:
                counts.succeeded(_OWNER, now_s=now_s)
        strangers = [Who(name="ada", source=f"198.51.100.{number}") for number in range(sources)]
        waits = [_wait_s(counts, each, now_s) for each in strangers]
        shortest_s = min(waits)
        if shortest_s:
            now_s += min(shortest_s, max(1.0, owner_at - now_s))
            continue
        counts.failed(strangers[waits.index(0)], now_s=now_s)
        yield now_s


def _wait_s(counts: Throttle, who: Who, now_s: float) -> int:
    try:
        counts.must_wait(who, now_s=now_s)
    except ThrottledError as error:
        return error.wait_s
    return 0


def _in_a_day(tried: list[float]) -> list[int]:
    """Count the guesses of each day that begins with one."""
    guesses = [at for at in tried if at >= 0]
    return [sum(begin <= at < begin + DAY_S for at in guesses) for begin in guesses]
