"""Asking the agent and auth: each question in a thread, so that no page waits for another."""

import asyncio
import base64
import hashlib
import json
import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from holdfast.accounts.errors import HashingBusyError
from holdfast.core.errors import HoldfastError
from holdfast.device.broker import wire
from holdfast.device.gui.answers import AnswerError, Past, State, past_of, state_of

_QUICK_S = 4.0
_HASHING_S = 30.0
_SERVERS_S = 45.0
_MOST_PARTS = 12
_LONGEST_NAME = 128
_LONGEST_PASSWORD = 1024
_LONGEST_CODE = 64
_WHO_S = 5.0
_STAGED_LETTERS = 1024
_MOST_STAGED = 128
_MOST_EPOCHS = 31
_MOST_WAITING = 16
_BY_NAME = frozenset({"account.login", "account.prove", "account.known.forget"})
"""What servers may be asked for, by the name of who asks."""
_WRONG_LOGIN = ("account-login", "This name and this password do not belong together.")
_COOKIE = re.compile(r"[0-9a-f.]{0,128}")
_PENDING = re.compile(r"[0-9a-f]{1,64}")
_TASK = _PENDING


class Entered(NamedTuple):
    """Somebody got in, or still lacks a code.

    Attributes:
        name: Account name.
        role: Role of the account.
        method: `local`, or the group of servers that decided.
        epoch: The session is over when auth tells another one.
        cookie: Device cookie to be set; empty for none.
        pending: Not empty: a code is wanted (`account.second`), nothing else in here counts.
        renew: Whether a new password is to be chosen before anything else.
        task: Not empty: to be told by `left` when the session is over.
    """

    name: str = ""
    role: str = ""
    method: str = "local"
    epoch: int = 0
    cookie: str = ""
    pending: str = ""
    renew: bool = False
    task: str = ""


class _Lane:
    """One thread, and a queue before it that is bounded: a question is asked whoever has left.

    Args:
        name: Of the thread.
    """

    def __init__(self, name: str) -> None:
        self._threads = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)
        self._waiting = 0

    async def run(self, ask: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Have something asked in turn.

        Raises:
            HashingBusyError: Too many wait already.
        """
        if self._waiting >= _MOST_WAITING:
            raise HashingBusyError
        self._waiting += 1
        asked = asyncio.get_running_loop().run_in_executor(self._threads, ask)
        asked.add_done_callback(self._done)
        return await asked

    def _done(self, _asked: object) -> None:
        self._waiting -= 1


class Backends:
    """The processes behind the pages.

    Args:
        agent: Socket of the agent.
        auth: Socket of auth.
        broker: Socket of the broker.
    """

    def __init__(self, *, agent: Path, auth: Path, broker: Path) -> None:
        self._agent = agent
        self._auth = auth
        self._broker = broker
        # What takes only a moment; each thread costs memory.
        self._threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="ask")
        # Nobody whom this device knows waits behind logins that wait for servers, and no browser
        # that is known behind strangers who guess. A thread exists only from its first use on.
        self._lanes = {
            (known, servers): _Lane(f"login-{known:d}{servers:d}")
            for known in (False, True)
            for servers in (False, True)
        }
        # What the owner has servers asked for may take long; its thread exists only from then on.
        self._long = ThreadPoolExecutor(max_workers=1, thread_name_prefix="long")
        self._claimed = False
        self._epochs: dict[tuple[str, str], tuple[int, float]] = {}

    async def _ask(
        self, path: Path, verb: str, args: dict[str, Any], *, proof: str = ""
    ) -> dict[str, Any]:
        ask = partial(wire.call, path, verb, args, _QUICK_S, proof=proof)
        return await asyncio.get_running_loop().run_in_executor(self._threads, ask)

    async def _in_turn(
        self, verb: str, args: dict[str, Any], *, inside: bool = False, proof: str = ""
    ) -> dict[str, Any]:
        """Ask auth for something slow, behind those only who wait for the same.

        Args:
            verb: Name in its table.
            args: Arguments.
            inside: Whether somebody who is logged in asks.
            proof: The owner's proof where the verb demands one.

        Raises:
            HoldfastError: Too many wait already, or the answer is no.
        """
        known, servers = inside, False
        if verb in _BY_NAME:
            who = {"name": args["name"], "cookie": args.get("cookie", "")}
            told = await self._ask(self._auth, "account.route", who)
            known, servers = inside or told.get("known") is True, told.get("servers") is True
        ask = partial(wire.call, self._auth, verb, args, _HASHING_S, proof=proof)
        return await self._lanes[known, servers].run(ask)

    async def ask(
        self, verb: str, args: dict[str, Any] | None = None, *, slow: bool = False, proof: str = ""
    ) -> dict[str, Any]:
        """Ask auth for something that a person who is logged in wants.

        Args:
            verb: Name in its table.
            args: Arguments.
            slow: Whether it takes longer than a moment; it does not wait behind strangers then.
            proof: The owner's proof where the verb demands one.
        """
        given = args or {}
        if not slow:
            return await self._ask(self._auth, verb, given, proof=proof)
        return await self._in_turn(verb, given, inside=True, proof=proof)

    async def prove(
        self, verb: str, args: dict[str, Any], *, secret: str, asker: dict[str, str]
    ) -> str:
        """Have auth make the owner's proof for one call.

        Raises:
            HoldfastError: The secret is wrong, or he may not do it.
        """
        written = json.dumps(args, ensure_ascii=False)
        told = await self.ask(
            "account.prove", {**asker, "secret": secret, "verb": verb, "args": written}, slow=True
        )
        return text_of(told, "proof")

    async def restart(self, proof: str) -> None:
        """Have the broker restart the device."""
        await self._ask(self._broker, "reboot", {}, proof=proof)

    async def central(self) -> tuple[dict[str, Any], list[str]]:
        """Read the settings of central login, and the names of the secrets that are set.

        Raises:
            AnswerError: They make no sense.
        """
        text, part, parts = "", 0, 1
        try:
            while part < min(parts, _MOST_STAGED):
                answer = await self.ask("central.read", {"part": part})
                text += text_of(answer, "text")
                parts = int(answer["parts"])
                part += 1
            told = json.loads(base64.b64decode(text, validate=True))
            return dict(told["settings"]), [str(name) for name in told["secrets"]]
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
            raise AnswerError("The settings of central login cannot be read.") from error

    async def stage_central(self, content: bytes) -> dict[str, Any]:
        """Hand new settings of central login over; gives the arguments that put them into force.

        Raises:
            AnswerError: They are longer than auth takes.
        """
        text = base64.b64encode(content).decode()
        cut = [text[at : at + _STAGED_LETTERS] for at in range(0, len(text), _STAGED_LETTERS)]
        if len(cut) > _MOST_STAGED:
            error = AnswerError("All settings of central login together are too long.")
            error.hint = "Give shorter certificates: only that of the authority is needed."
            raise error
        for part, piece in enumerate(cut):
            await self.ask("central.stage", {"part": part, "parts": len(cut), "text": piece})
        return {"sha256": hashlib.sha256(content).hexdigest()}

    async def try_server(self, args: dict[str, Any]) -> dict[str, Any]:
        """Have a server tried step by step."""
        ask = partial(wire.call, self._auth, "central.test", args, _SERVERS_S)
        return await asyncio.get_running_loop().run_in_executor(self._long, ask)

    async def claimed(self) -> bool:
        """Whether the device has an owner; asked until it has one."""
        if not self._claimed:
            answer = await self._ask(self._auth, "account.state", {})
            self._claimed = answer.get("claimed") is True
        return self._claimed

    async def claim(self, *, code: str, name: str, password: str, source: str = "") -> Entered:
        """Claim the device."""
        typed = re.sub(r"[^A-Za-z0-9 -]", "", code).strip() or "-"
        answer = await self._in_turn(
            "account.claim",
            {"code": typed[:64], "name": name.strip()[:64], "password": password, "source": source},
        )
        return _who(answer)

    async def login(
        self, *, name: str, password: str, source: str = "", cookie: str = ""
    ) -> Entered:
        """Log in, or learn that a code is wanted."""
        typed = name.strip()
        if not 0 < len(typed) <= _LONGEST_NAME or not 0 < len(password) <= _LONGEST_PASSWORD:
            # Auth's table does not let such a name through; the answer is the same as for others.
            code, message = _WRONG_LOGIN
            raise wire.AnsweredError(code=code, message=message, hint="Check both and try again.")
        args = {
            "name": typed,
            "password": password,
            "source": source,
            "cookie": self.cookie_form(cookie),
        }
        return _who(await self._in_turn("account.login", args))

    @staticmethod
    def cookie_form(cookie: str) -> str:
        """Give a device cookie as auth hears it; empty for anything else."""
        return cookie if _COOKIE.fullmatch(cookie) else ""

    @staticmethod
    def code_form(code: str) -> dict[str, str]:
        """Give the argument for a typed code; none where nothing was typed."""
        typed = code.strip()[:_LONGEST_CODE]
        return {"code": typed} if typed else {}

    async def second(self, *, pending: str, code: str) -> Entered:
        """Finish a login with a code.

        Raises:
            HoldfastError: It is wrong, or the login took too long.
        """
        if not _PENDING.fullmatch(pending):
            raise wire.AnsweredError(
                code="account-pending",
                message="This login took too long, or was tried too often.",
                hint="Log in with name and password again.",
            )
        args = {"pending": pending, "code": code.strip()[:_LONGEST_CODE]}
        # Only who knew a password comes this far, so nobody can keep others waiting here.
        return _who(await self.ask("account.second", args, slow=True))

    async def unlock(self, *, name: str, code: str, source: str) -> str:
        """Make a browser known with a recovery code; gives its cookie."""
        args = {
            "name": name.strip()[:_LONGEST_NAME],
            "code": code.strip()[:_LONGEST_CODE],
            "source": source,
        }
        return text_of(await self._in_turn("account.unlock", args), "cookie")

    def left(self, task: str) -> None:
        """Have auth told that a visit is over; nobody waits for it, and it may fail."""
        if not _TASK.fullmatch(task):
            return

        def tell() -> None:
            with suppress(HoldfastError, OSError):
                wire.call(self._auth, "account.left", {"task": task}, _QUICK_S)

        with suppress(RuntimeError):  # no thread can be had: somebody logs out all the same
            self._long.submit(tell)

    async def password(
        self, *, old: str, new: str, asker: dict[str, str], code: str = ""
    ) -> Entered:
        """Change one's own password; with a code where there is a second factor."""
        args = {**asker, "old": old, "new": new, **self.code_form(code)}
        return _who(await self.ask("account.password", args, slow=True))

    async def suggestion(self) -> str:
        """Have a passphrase made; empty if that does not work now, for nothing hangs on it."""
        try:
            answer = await self._in_turn("account.suggest", {})
        except HoldfastError:
            return ""
        return str(answer.get("password", ""))

    async def epoch(self, *, name: str, method: str) -> int | None:
        """Ask for the epoch of an account, every few seconds; None if there is none any more."""
        now_s, key = time.monotonic(), (name, method)
        known = self._epochs.get(key)
        if known is not None and now_s - known[1] < _WHO_S:
            return known[0]
        try:
            answer = await self._ask(self._auth, "account.who", {"name": name, "method": method})
        except wire.AnsweredError as error:
            if error.code == "account-unknown":
                return None
            raise
        found = int(answer.get("epoch", 0))
        self._epochs = {**dict(list(self._epochs.items())[-_MOST_EPOCHS:]), key: (found, now_s)}
        return found

    def forget_epochs(self) -> None:
        """Ask anew at once, after something about accounts was changed."""
        self._epochs.clear()

    async def state(self) -> State:
        """Ask the agent what the update page shows."""
        return state_of(await self._ask(self._agent, "update.state", {}))

    async def notes(self) -> str:
        """Ask for the notes of the offered release; they come in parts."""
        text, part, parts = "", 0, 1
        while part < min(parts, _MOST_PARTS):
            answer = await self._ask(self._agent, "update.notes", {"part": part})
            text += str(answer.get("text", ""))
            parts = int(answer.get("parts", 1))
            part += 1
        return text

    async def history(self, page: int) -> tuple[list[Past], int]:
        """Ask for one page of the history, newest first, and the number of pages."""
        answer = await self._ask(self._agent, "update.history", {"page": page})
        entries, pages = answer.get("entries"), answer.get("pages")
        if not isinstance(entries, list) or not isinstance(pages, int):
            raise AnswerError("The history of this device cannot be read.")
        return [past_of(one) for one in entries], pages

    async def tell(self, verb: str, args: dict[str, Any] | None = None) -> None:
        """Ask the agent to do something."""
        await self._ask(self._agent, verb, args or {})


def _who(answer: dict[str, Any]) -> Entered:
    pending = answer.get("pending", "")
    if isinstance(pending, str) and pending:
        return Entered(pending=pending)
    texts = [answer.get(field) for field in ("name", "role", "method", "cookie")]
    epoch = answer.get("epoch")
    if not all(isinstance(text, str) for text in texts) or not isinstance(epoch, int):
        raise AnswerError("The part of the device that knows its accounts is confused.")
    name, role, method, cookie = (str(text) for text in texts)
    task = answer.get("task")
    return Entered(
        name=name,
        role=role,
        method=method,
        epoch=epoch,
        cookie=cookie,
        renew=answer.get("renew") is True,
        task=task if isinstance(task, str) and _TASK.fullmatch(task) else "",
    )


def text_of(answer: dict[str, Any], field: str) -> str:
    """Read one text of an answer.

    Raises:
        AnswerError: It is missing.
    """
    found = answer.get(field)
    if not isinstance(found, str):
        raise AnswerError("The part of the device that knows its accounts is confused.")
    return found
