"""Looking after accounts: passwords, second factors, further accounts, proofs, central login."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from holdfast.accounts import cookies
from holdfast.accounts.normal import normalised
from holdfast.accounts.throttle import Who
from holdfast.device.auth.accounts import Accounts
from holdfast.device.auth.calls import call_of_gui
from holdfast.device.auth.entrance import Entrance
from holdfast.device.auth.errors import (
    AccountTakenError,
    CentralError,
    CodeWantedError,
    LastOwnerError,
    NoAccountError,
    NoProofError,
    OwnerOnlyError,
    PendingError,
    RoleError,
    SamePasswordError,
    SecondError,
    SecondSetError,
)
from holdfast.device.auth.names import folded, name_of, shown, typed_form
from holdfast.device.auth.store import MOST_ACCOUNTS, OWNER, WRAPPED, Account, Kept, Known
from holdfast.hardening.proof import KEY_BYTES

ACCOUNTS_A_PAGE = 8
_BEGUN_S = 900.0
_MOST_BEGUN = 8
_SEED, _SECRET = "totp ", "central "
_KEY_ID = re.compile(r"[$,]k=([0-9a-f]{8})[,$]")


class _Begun(NamedTuple):
    """A second factor that is being set up."""

    sealed: str
    until_s: float
    epoch: int


class Care:
    """What people change about accounts once the device is claimed.

    Args:
        accounts: All of them.
        proof_key: Key of this start; without 32 bytes nothing can be confirmed.
    """

    def __init__(self, accounts: Accounts, *, proof_key: bytes = b"") -> None:
        self._accounts = accounts
        self._key = proof_key
        self._begun: dict[str, _Begun] = {}

    def password(
        self, *, name: str, old: str, new: str, source: str, cookie: str, code: str = ""
    ) -> Entrance:
        """Change one's own password; sessions and known browsers of the account are over.

        Raises:
            SamePasswordError: The new one is the old one.
            HoldfastError: The old one or a code is wrong, or the new one may not be used: no code
                is used up by that.
        """
        accounts = self._accounts
        # What was typed, in the form that is hashed: it says nothing of what is stored.
        if normalised(new) == normalised(old):
            raise SamePasswordError
        account, who = self._confirmed(name, old, source, cookie)
        self._must_have_code(account, code)
        with accounts.turns.taken(first=True):
            answer = accounts.ask(
                "password",
                name=account.name,
                new=new,
                has_second=bool(account.sealed),
                **accounts.burnt_code(),
            )
        self._use_code(account, who, code, source)
        with accounts.turns.taken(first=True):
            cookie_id = cookies.fresh_id()
            made = accounts.ask("cookie", name=account.name, cookie_id=cookie_id)
            known = Known(name=account.name, until=accounts.now() + cookies.LIFE)
            with accounts.lock:
                changed = self._current(account)._replace(
                    hash=answer["hash"], epoch=accounts.kept.epoch + 1
                )
                kept = self._with(changed).without_known(account.name)
                accounts.change(
                    kept.with_known(cookie_id, known, most_of_a_name=cookies.MOST_OF_A_NAME)
                )
        return Entrance(
            name=changed.name, role=changed.role, epoch=changed.epoch, cookie=made["cookie"]
        )

    def totp_begin(self, *, name: str, password: str, source: str, cookie: str) -> str:
        """Make a seed; gives the address that an app reads from a QR code.

        Raises:
            HoldfastError: The password is wrong, or there is an app already.
        """
        accounts = self._accounts
        account, _ = self._confirmed(name, password, source, cookie)
        if account.sealed:
            raise SecondSetError
        words = accounts.facts.words
        issuer = " ".join(filter(None, (words.get("vendor"), words.get("model")))) or "Device"
        with accounts.turns.taken(first=True):
            answer = accounts.ask("totp.begin", name=account.name, issuer=issuer)
        self._begun.pop(account.name, None)
        while len(self._begun) >= _MOST_BEGUN:
            del self._begun[next(iter(self._begun))]
        self._begun[account.name] = _Begun(
            sealed=answer["sealed"], until_s=accounts.monotonic() + _BEGUN_S, epoch=account.epoch
        )
        return str(answer["address"])

    def totp_confirm(self, *, name: str, code: str) -> list[str]:
        """Ask for codes from now on, after the app has shown a right one.

        Returns:
            Ten recovery codes, shown once.

        Raises:
            PendingError: Nothing was begun, or too long ago.
            SecondSetError: Codes of an app are asked for already.
            SecondError: The code is wrong.
        """
        accounts, account_name = self._accounts, folded(name)
        with accounts.turns.taken(first=True):
            begun = self._begun.get(account_name)
            account = accounts.kept.accounts.get(account_name)
            if account is None or begun is None or accounts.monotonic() >= begun.until_s:
                raise PendingError
            if account.epoch != begun.epoch:
                raise PendingError  # another password since, or another account
            if account.sealed:
                raise SecondSetError
            sealed = begun.sealed
            answer = accounts.ask(
                "second", name=account_name, code=code, sealed=sealed, last_step=0, recovery=()
            )
            if "step" not in answer:
                raise SecondError
            made = accounts.ask("recovery", name=account_name)
            self._change(
                account, sealed=sealed, last_step=answer["step"], recovery=tuple(made["hashes"])
            )
            self._begun.pop(account_name, None)
        return [str(one) for one in made["codes"]]

    def totp_remove(self, *, name: str, password: str, code: str, source: str, cookie: str) -> None:
        """Ask for codes no more; the password must then be long enough to stand alone.

        Raises:
            HoldfastError: Password or code is wrong, or the password is too short alone: no code is
                used up by that.
        """
        accounts = self._accounts
        account, who = self._confirmed(name, password, source, cookie)
        with accounts.turns.taken(first=True):
            accounts.ask("check", name=account.name, password=password)
        accounts.check_second(who, code, source, epoch=account.epoch)
        self._change(account, sealed="", last_step=0)

    def recovery(
        self, *, name: str, password: str, source: str, cookie: str, code: str = ""
    ) -> list[str]:
        """Make ten new recovery codes; the old ones are worth nothing then.

        Raises:
            HoldfastError: The password or a code is wrong.
        """
        accounts = self._accounts
        account = self._confirmed_by_both(name, password, code, source, cookie)
        with accounts.turns.taken(first=True):
            made = accounts.ask("recovery", name=account.name)
            self._change(account, recovery=tuple(made["hashes"]))
        return [str(one) for one in made["codes"]]

    def prove(
        self, *, name: str, secret: str, verb: str, args: str, source: str, cookie: str
    ) -> str:
        """Make the owner's proof for one call of the GUI.

        Whoever has a second factor confirms with a code, and not with the password: a GUI that was
        taken over could keep that, and confirm by itself from then on. A code is good once.

        Args:
            name: Who confirms.
            secret: A code of his app or for recovery; without a second factor his password.
            verb: Name of the verb.
            args: Its arguments as JSON.
            source: Address of the browser.
            cookie: Its device cookie.

        Raises:
            HoldfastError: The secret is wrong, he is no owner, or the call makes no sense.
        """
        accounts = self._accounts
        if len(self._key) != KEY_BYTES:
            raise NoProofError
        parsed = call_of_gui(verb, args)
        who = accounts.who_tries(name, source, cookie)
        account = accounts.kept.accounts.get(who.name)
        if account is not None and account.sealed and accounts.decides_locally(who.name):
            accounts.check_second(who, secret, source)
            role, by = account.role, account.name
        else:
            entrance, _ = accounts.recognised(who, typed_form(name), secret, source, cookie)
            role, by = entrance.role, entrance.name
        if role != OWNER:
            raise OwnerOnlyError
        with accounts.turns.taken(first=True):
            answer = accounts.ask(
                "prove", key=self._key.hex(), verb=verb, args=parsed, by=shown(by)
            )
        return str(answer["proof"])

    def listed(self, page: int) -> tuple[list[dict[str, Any]], int]:
        """Tell accounts, a page at a time, and how many pages there are."""
        kept = self._accounts.kept
        names = sorted(kept.accounts)
        rows = []
        for name in names[page * ACCOUNTS_A_PAGE : (page + 1) * ACCOUNTS_A_PAGE]:
            one = kept.accounts[name]
            rows.append(
                {
                    "name": name,
                    "role": one.role,
                    "second": bool(one.sealed),
                    "recovery": len(one.recovery),
                    "browsers": sum(each.name == name for each in kept.known.values()),
                    "taken_over": one.hash.startswith(WRAPPED),
                }
            )
        return rows, max(1, -(-len(names) // ACCOUNTS_A_PAGE))

    def add(self, *, name: str, password: str, role: str) -> Account:
        """Make a further account.

        Raises:
            HoldfastError: The name is taken, the role unknown, or the password refused.
        """
        accounts = self._accounts
        account_name = self._new_name(name, role)
        with accounts.turns.taken(first=True):
            self._must_be_free(account_name)
            answer = accounts.ask(
                "password", name=account_name, new=password, **accounts.burnt_code()
            )
            return self._added(account_name, role, answer["hash"])

    def take_over(self, *, name: str, role: str, old_hash: str, days: int) -> Account:
        """Take an account over from an older product, with a deadline for its password.

        Raises:
            HoldfastError: The name is taken, the role unknown, or the hash not taken over.
        """
        accounts = self._accounts
        account_name = self._new_name(name, role)
        with accounts.turns.taken(first=True):
            self._must_be_free(account_name)
            answer = accounts.ask("import", hash=old_hash, days=days)
            return self._added(account_name, role, answer["hash"])

    def remove(self, *, name: str) -> None:
        """Remove an account, its known browsers, and its sessions.

        Raises:
            NoAccountError: There is none.
            LastOwnerError: Nobody could mend the device any more.
        """
        accounts, account_name = self._accounts, folded(name)
        with accounts.lock:
            kept = accounts.kept
            if account_name not in kept.accounts:
                raise NoAccountError
            left = kept.without_account(account_name)._replace(epoch=kept.epoch + 1)
            self._must_have_owner(left, accounts.central.settings_or_local().local_names)
            accounts.change(left)

    def forget_browsers(
        self, *, name: str, password: str, source: str, cookie: str, code: str = ""
    ) -> None:
        """Forget all known browsers of one's own account.

        Who is known is heard while strangers guess: a gui that was taken over must not be able to
        make the owner a stranger.

        Raises:
            HoldfastError: The password or a code is wrong.
        """
        accounts = self._accounts
        if folded(name) in accounts.kept.accounts:
            self._confirmed_by_both(name, password, code, source, cookie)
        else:  # only servers know him
            who = accounts.who_tries(name, source, cookie)
            accounts.recognised(who, typed_form(name), password, source, cookie)
        with accounts.lock:
            accounts.change(accounts.kept.without_known(folded(name)))

    def write_central(self, *, sha256: str) -> None:
        """Put the staged settings of central login into force.

        Raises:
            HoldfastError: They are faulty, or would lock all owners out.
        """
        accounts = self._accounts
        content = accounts.central.staged()
        with accounts.turns.taken(first=True):  # until it is in force: nothing comes in between
            before = accounts.central.settings_or_local()
            judged = accounts.ask(
                "seal",
                content=content,
                sha256=sha256,
                roles=accounts.facts.roles,
                methods=accounts.facts.methods,
                before=dict(before.plain),
                sealed=sorted(before.sealed),
            )
            with accounts.lock:
                self._must_leave_a_way_in(judged["settings"])
                epoch = accounts.kept.epoch + 1
                accounts.change(accounts.kept._replace(epoch=epoch))
                accounts.central.write(judged, epoch=epoch)

    def rotate_key(self) -> dict[str, Any]:
        """Make a new device key, and seal seeds and secrets anew with it.

        A cut in it loses nothing: the keys before stay until nothing names them any more.

        Raises:
            HoldfastError: A key or a secret cannot be read, or the disk is full.
        """
        accounts = self._accounts
        with accounts.turns.taken(first=True):
            known, secrets = accounts.kept.accounts, accounts.central.settings.sealed
            seeds = {f"{_SEED}{one.name}": one.sealed for one in known.values() if one.sealed}
            answer = accounts.ask(
                "rotate",
                sealed={**seeds, **{f"{_SECRET}{name}": text for name, text in secrets.items()}},
                key_ids=[each for one in known.values() for each in _KEY_ID.findall(one.hash)],
                keeps_all=any(one.recovery for one in known.values()),
            )
            anew = answer["sealed"]
            with accounts.lock:
                kept = accounts.kept
                for one in known.values():
                    if one.sealed:
                        kept = kept.with_account(
                            kept.accounts[one.name]._replace(sealed=anew[f"{_SEED}{one.name}"])
                        )
                accounts.change(kept)
            accounts.central.reseal({name: anew[f"{_SECRET}{name}"] for name in secrets})
        return {"id": answer["id"], "keys": answer["count"]}

    def test_central(self, *, server: str, name: str, password: str) -> dict[str, Any]:
        """Try one server step by step; a wrong login counts like any other.

        Raises:
            HoldfastError: Too many failures, or the server could not be tried.
        """
        accounts = self._accounts
        who = accounts.who_tries(name, "", "") if name else None
        return accounts.outside.tried(who, server=server, name=name, password=password)

    def _confirmed(self, name: str, password: str, source: str, cookie: str) -> tuple[Account, Who]:
        """Check the password of an account that is kept here.

        Raises:
            HoldfastError: It is wrong, or comes too early.
        """
        accounts = self._accounts
        who = accounts.who_tries(name, source, cookie)
        found = accounts.locally(who, password, source, cookie)
        account = accounts.kept.accounts.get(who.name)
        if found is None or account is None:
            raise NoAccountError
        return account, found[1]

    def _confirmed_by_both(
        self, name: str, password: str, code: str, source: str, cookie: str
    ) -> Account:
        """Check the password, and a code where there is a second factor.

        A gui that was taken over could have kept the password; with it alone it must neither make
        itself codes nor shut the owner out.

        Raises:
            HoldfastError: One of them is wrong or missing, or comes too early.
        """
        account, who = self._confirmed(name, password, source, cookie)
        self._must_have_code(account, code)
        self._use_code(account, who, code, source)
        return account

    @staticmethod
    def _must_have_code(account: Account, code: str) -> None:
        if account.sealed and not code:
            raise CodeWantedError

    def _use_code(self, account: Account, who: Who, code: str, source: str) -> None:
        """Use a code up where there is a second factor; the last thing before a change."""
        if account.sealed:
            self._accounts.check_second(who, code, source, epoch=account.epoch)

    def _change(self, account: Account, **changes: object) -> None:
        """Change fields of an account as it is now.

        Raises:
            NoAccountError: It was removed meanwhile.
            NoSpaceError: The disk is full; nothing has changed.
        """
        accounts = self._accounts
        with accounts.lock:
            changed = self._current(account)._replace(**changes)  # type: ignore[arg-type]  # names of fields
            accounts.change(accounts.kept.with_account(changed))

    def _current(self, account: Account) -> Account:
        """Read an account again after something took a while.

        Raises:
            NoAccountError: It was removed meanwhile.
        """
        found = self._accounts.kept.accounts.get(account.name)
        if found is None:
            raise NoAccountError
        return found

    def _with(self, account: Account) -> Kept:
        kept = self._accounts.kept
        return kept.with_account(account)._replace(epoch=max(kept.epoch, account.epoch))

    def _new_name(self, name: str, role: str) -> str:
        roles = self._accounts.facts.roles
        if role not in roles:
            error = RoleError("This product has no such role.")
            error.hint = f"Its roles are: {', '.join(roles)}."
            raise error
        return name_of(name)

    def _must_be_free(self, name: str) -> None:
        known = self._accounts.kept.accounts
        if not known:
            raise NoAccountError  # the first account is made by the claim, and by nothing else
        if name in known:
            raise AccountTakenError("There is an account with this name already.")
        if len(known) >= MOST_ACCOUNTS:
            raise AccountTakenError(f"This device keeps {MOST_ACCOUNTS} accounts at most.")

    def _added(self, name: str, role: str, stored: str) -> Account:
        accounts = self._accounts
        with accounts.lock:
            account = Account(name=name, role=role, hash=stored, epoch=accounts.kept.epoch + 1)
            accounts.change(self._with(account))
        return account

    def _must_have_owner(self, left: Kept, local_names: tuple[str, ...]) -> None:
        owners = left.lasting_owners
        if not owners:
            raise LastOwnerError
        if self._accounts.central.settings_or_local().asks_servers and not owners & set(
            local_names
        ):
            raise LastOwnerError

    def _must_leave_a_way_in(self, settings: Mapping[str, Any]) -> None:
        if all(segment == ["local"] for segment in settings["segments"]):
            return
        owners = self._accounts.kept.lasting_owners
        if not owners & set(settings["local_names"]):
            error = CentralError("No owner could log in if the servers said no to all.")
            error.hint = f"Name an owner's account in local_names: {min(owners, default='')}"
            raise error
