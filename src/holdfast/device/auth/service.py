"""The verbs of auth: who owns this device, who is this, and what was confirmed."""

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Lock, Thread
from typing import Any

from holdfast.accounts.hashing.costs import Cost
from holdfast.core.errors import HoldfastError
from holdfast.device.auth.accounts import Accounts
from holdfast.device.auth.care import Care
from holdfast.device.auth.entrance import Entrance, Facts
from holdfast.device.auth.errors import AccountsFileError, NoAccountError, TooLateError
from holdfast.device.auth.names import folded
from holdfast.device.auth.store import Account
from holdfast.device.auth.work import RefusedError, Worker
from holdfast.device.broker.server import Handler
from holdfast.device.broker.wire import Answer, Peer
from holdfast.device.claim import is_in_time
from holdfast.device.service import say
from holdfast.device.settings import Settings
from holdfast.hardening import proof as owners_proof
from holdfast.hardening.verbs import AUTH_VERBS

_LONGEST_HASH = 512


class Auth:
    """Accounts behind the verbs of `hardening.verbs.AUTH_VERBS`.

    Args:
        config: Settings of the device.
        proof_key: Key of this start, which the broker has too; empty if there is none.
    """

    def __init__(self, config: Settings, *, proof_key: bytes = b"") -> None:
        self._config = config
        self._folder = config.folder / "auth"
        self._key = proof_key
        self._opening = Lock()
        self._opened: tuple[Accounts, Care] | None = None
        # Proofs that were used before this process started are not known: none of them is heard.
        self._used = owners_proof.Used(not_before_ms=int(time.monotonic() * 1000))

    def _open(self) -> tuple[Accounts, Care]:
        """Open the accounts; where they are damaged, try anew each time and say why not."""
        with self._opening:
            if self._opened is None:
                config = self._config
                accounts = Accounts(
                    self._folder,
                    setup_hash=lambda: read_hash(config.setup_code_file),
                    work=Worker(self._folder),
                    facts=Facts(
                        roles=config.roles,
                        methods=config.methods,
                        words=dict(config.words),
                        blocklists=tuple(str(path) for path in config.blocklists),
                        blocklist_keys=config.blocklist_keys,
                    ),
                )
                if accounts.counters.lost:
                    say("auth.counts_lost", consequence="strangers wait long, known browsers not")
                if accounts.central.settings_or_local().is_damaged:
                    say("auth.central_damaged", consequence="owners of this device only")
                self._opened = accounts, Care(accounts, proof_key=self._key)
            return self._opened

    @property
    def _accounts(self) -> Accounts:
        return self._open()[0]

    @property
    def _care(self) -> Care:
        return self._open()[1]

    @property
    def claimed(self) -> bool:
        """Whether the device has an owner.

        Raises:
            AccountsFileError: The accounts cannot be read; that is never taken for "no owner".
        """
        return self._accounts.claimed

    def prepare(self) -> None:
        """Choose the cost of a hash at the first start, and look at the block lists at each."""
        Thread(target=self._prepared, daemon=True).start()

    def _prepared(self) -> None:
        try:
            accounts = self._accounts
            if not _has_cost(self._folder):
                with accounts.turns.taken(first=False):
                    cost = accounts.ask("prepare")
                say("auth.prepared", memory_kib=cost["memory_kib"], passes=cost["passes"])
            with accounts.turns.taken(first=False):
                accounts.ask("lists")
        except RefusedError as error:
            say(
                "auth.unprepared",
                fault=error,
                consequence="no password can be set",
                hint=error.hint,
            )
        except (HoldfastError, OSError) as error:  # the floor holds, and the next start tries again
            say("auth.unprepared", fault=error)

    def prove(self, proof: str, verb: str, args: Mapping[str, Any]) -> str:
        """Judge a proof for a verb of auth itself, once; gives who confirmed.

        Raises:
            ProofError: It does not hold.
        """
        now_s = time.monotonic()
        proven = owners_proof.checked(proof, self._key, verb=verb, args=args, now_s=now_s)
        self._used.use(proven, now_s=now_s)
        return proven.by

    def journal(self, peer: Peer, verb: str, _args: Mapping[str, Any], result: str) -> None:
        """Log a call without its arguments: all of them are secret or personal."""
        rule = AUTH_VERBS.get(verb)
        if rule is None or not rule.quiet or result not in {"ok", "begun"}:
            say("auth.asked", verb=verb, uid=peer.uid, result=result)

    def handlers(self) -> dict[str, Handler]:
        """Give what carries each verb out."""
        # Not bound yet: where the accounts are damaged, each call says so anew.
        return {
            "account.state": _by(lambda: {"claimed": self.claimed}),
            "account.who": _by(self._who),
            "account.suggest": _by(lambda: self._work("suggest")),
            "account.check": _by(self._check),
            "account.claim": _by(self._claim),
            "account.login": _by(lambda **args: _told(self._accounts.login(**args))),
            "account.route": _by(self._route),
            "account.second": _by(lambda **args: _told(self._accounts.second(**args))),
            "account.left": _late(lambda: self._accounts.outside.left),
            "account.unlock": _by(lambda **args: {"cookie": self._accounts.unlock(**args)}),
            "account.password": _by(lambda **args: _told(self._care.password(**_whole(args)))),
            "account.prove": _by(lambda **args: {"proof": self._care.prove(**_whole(args))}),
            "account.totp.begin": _by(
                lambda **args: {"address": self._care.totp_begin(**_whole(args))}
            ),
            "account.totp.confirm": _by(lambda **args: {"codes": self._care.totp_confirm(**args)}),
            "account.totp.remove": _by(lambda **args: self._care.totp_remove(**_whole(args))),
            "account.recovery": _by(lambda **args: {"codes": self._care.recovery(**_whole(args))}),
            "account.logins": _by(self._logins),
            "account.known.forget": _by(lambda **args: self._care.forget_browsers(**_whole(args))),
            "account.list": _by(self._list),
            "account.add": _by(lambda **args: _shown(self._care.add(**args))),
            "account.remove": _late(lambda: self._care.remove),
            "account.import": _by(self._import),
            "keys.rotate": _late(lambda: self._care.rotate_key),
            "central.read": _by(self._central_read),
            "central.stage": _late(lambda: self._accounts.central.stage),
            "central.write": _late(lambda: self._care.write_central),
            "central.test": _by(self._central_test),
        }

    def _who(self, name: str, method: str = "") -> Answer:
        found = self._accounts.role_and_epoch(name, method or "local")
        if found is None:
            raise NoAccountError
        role, epoch = found
        return {"role": role, "epoch": epoch}

    def _route(self, name: str, cookie: str = "") -> Answer:
        accounts = self._accounts
        who = folded(name)
        return {
            "servers": accounts.asks_servers_first(who),
            "known": bool(accounts.known_browser(who, cookie)),
        }

    def _work(self, do: str, **facts: object) -> Answer:
        accounts = self._accounts
        with accounts.turns.taken(first=False):
            return accounts.ask(do, **facts)

    def _check(self, name: str, password: str) -> Answer:
        try:
            # Before the claim the code is still worth something, and no question tells it.
            burnt = self._accounts.burnt_code() if self.claimed else {}
            self._work("check", name=folded(name), password=password, **burnt)
        except RefusedError as error:
            if error.reason:
                return {"reason": error.reason, "message": str(error), "hint": error.hint}
            raise
        return {"reason": "", "message": "", "hint": ""}

    def _claim(self, **args: str) -> Answer:
        # The page says so too; but the gui may be in hostile hands.
        if not self.claimed and not is_in_time(self._config.run, self._config.claim_s):
            raise TooLateError
        entrance = self._accounts.claim(**args)
        return _told(entrance)

    def _logins(self, kind: str, page: int) -> Answer:
        entries, pages = self._accounts.book.page(kind, page)
        return {"entries": [one.plain() for one in entries], "pages": pages}

    def _list(self, page: int) -> Answer:
        rows, pages = self._care.listed(page)
        return {"accounts": rows, "pages": pages}

    def _import(self, name: str, role: str, days: int, **args: str) -> Answer:
        return _shown(self._care.take_over(name=name, role=role, old_hash=args["hash"], days=days))

    def _central_read(self, part: int) -> Answer:
        text, parts = self._accounts.central.part(part)
        return {"text": text, "parts": parts}

    def _central_test(self, server: str, name: str = "", password: str = "") -> Answer:
        return self._care.test_central(server=server, name=name, password=password)


def _by(carry_out: Callable[..., Any]) -> Handler:
    """Carry a verb out by a function that takes its arguments by name."""

    def answer(_peer: Peer, args: dict[str, Any]) -> Answer:
        result = carry_out(**args)
        return {} if result is None else dict(result)

    return answer


def _late(found: Callable[[], Callable[..., Any]]) -> Handler:
    """Carry a verb out by a method that is looked up only when somebody calls."""

    def answer(peer: Peer, args: dict[str, Any]) -> Answer:
        return _by(found())(peer, args)

    return answer


def _whole(args: dict[str, Any]) -> dict[str, Any]:
    """Fill in the arguments that may be left out."""
    return {"source": "", "cookie": "", **args}


def _told(entrance: Entrance) -> Answer:
    """Give what is worth telling of an entrance."""
    if entrance.pending:
        return {"pending": entrance.pending}
    return {name: value for name, value in entrance._asdict().items() if name != "pending"}


def _shown(account: Account) -> Answer:
    return {"name": account.name, "role": account.role}


def _has_cost(folder: Path) -> bool:
    """Whether the cost of a hash was chosen; a file that is damaged is said, and made anew."""
    try:
        with (folder / "cost.json").open("rb") as file:
            found = json.loads(file.read(_LONGEST_HASH))
        Cost(memory_kib=found["memory_kib"], passes=found["passes"])
    except FileNotFoundError:
        return False
    except (OSError, ValueError, KeyError, TypeError, RecursionError, HoldfastError):
        say("auth.cost_lost", consequence="hashes cost the least until it is chosen anew")
        return False
    return True


def read_hash(path: Path) -> str:
    """Read the factory's hash of the set-up code.

    Raises:
        AccountsFileError: It is missing or unreadable; then nobody can claim the device.
    """
    try:
        with path.open("rb") as file:
            return file.read(_LONGEST_HASH).decode().strip()
    except (OSError, ValueError) as error:
        raise AccountsFileError("This device was made without a set-up code.") from error
