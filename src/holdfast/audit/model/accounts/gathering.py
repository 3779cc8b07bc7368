"""All accounts of one root file system, with what is known of their passwords and no more."""

from collections import Counter
from typing import Final

from holdfast.audit.model.accounts import defaults, passwd, services
from holdfast.audit.model.accounts.entries import Entry
from holdfast.audit.model.accounts.guessing import Guesser
from holdfast.audit.model.accounts.hashes import EMPTY, Kept, of_field
from holdfast.audit.model.shapes import Account, Password
from holdfast.audit.model.startup.system import Login, System

MOST_ACCOUNTS: Final = 1000
_SLOW: Final = ("bcrypt", "yescrypt", "scrypt", "sha512crypt", "sha256crypt")


def accounts_of(system: System, guesser: Guesser | None = None) -> tuple[Account, ...]:
    """Find every account of a system whose start-up was read.

    Args:
        system: The system.
        guesser: Tries passwords; None to leave that out.
    """
    entries = [*passwd.read(system), *services.read(system), *defaults.read(system)]
    entries += _on_command_lines(system)
    entries = _once(entries)[:MOST_ACCOUNTS]
    salts = Counter(
        (one.kept.scheme, one.kept.salt_text)
        for one in {(e.kept.scheme, e.kept.salt_text, e.kept.secret): e for e in entries}.values()
        if one.kept.salt_text
    )
    guessed = _guesses(entries, guesser)
    first: dict[str, str] = {}
    found = []
    for entry, known in zip(entries, guessed, strict=True):
        kept = entry.kept
        salt = kept.salt
        if kept.salt_text and salts[kept.scheme, kept.salt_text] > 1:
            salt = "constant"
        same = ""
        if kept.password is Password.HASHED:
            same = first.setdefault(kept.secret, entry.where)
        found.append(
            Account(
                name=entry.name, where=entry.where, service=entry.service, uid=entry.uid,
                shell=entry.shell, login=entry.login, password=kept.password, scheme=kept.scheme,
                rounds=kept.rounds, salt=salt, guessed=known,
                same_as=same if same != entry.where else "",
            )
        )  # fmt: skip
    return tuple(found)


def _guesses(entries: list[Entry], guesser: Guesser | None) -> list[str]:
    """Try the accounts, those first that cost least and matter most; in the order of the list."""
    if guesser is None:
        return [""] * len(entries)
    order = sorted(
        range(len(entries)),
        key=lambda place: (
            entries[place].kept.scheme in _SLOW, not entries[place].login,
            entries[place].uid != 0, place,
        ),
    )  # fmt: skip
    found = [""] * len(entries)
    for place in order:
        found[place] = guesser.guess(entries[place].name, entries[place].kept)
    return found


def _once(entries: list[Entry]) -> list[Entry]:
    """Take the same account of the same place once; one line may hold several of a name."""
    seen: set[tuple[str, str, str, Password]] = set()
    kept = []
    for entry in entries:
        key = (entry.name, entry.where, entry.kept.secret, entry.kept.password)
        if key not in seen:
            seen.add(key)
            kept.append(entry)
    return kept


def _on_command_lines(system: System) -> list[Entry]:
    """Give the accounts that a start line brings, such as `telnetd -u user:password`."""
    return [
        Entry(
            name=login.name, where=login.where, service=login.service, kept=_kept(login),
            uid=0 if (login.name, login.service) == ("root", "system") else None,
        )
        for login in system.logins
    ]  # fmt: skip


def _kept(login: Login) -> Kept:
    if login.empty:
        return EMPTY
    if login.hashed:
        return of_field(login.secret)
    return Kept(password=Password.PLAIN, scheme="plain", secret=login.secret)
