"""Asking the agent and auth: each question in a thread, so that no page waits for another."""

import asyncio
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from holdfast.device.broker import wire
from holdfast.device.gui.answers import AnswerError, Past, State, past_of, state_of

_QUICK_S = 4.0
_HASHING_S = 30.0
_MOST_PARTS = 12
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}")
_WRONG_LOGIN = ("account-login", "This name and this password do not belong together.")


class Backends:
    """The two processes behind the pages."""

    def __init__(self, *, agent: Path, auth: Path) -> None:
        self._agent = agent
        self._auth = auth
        # Two threads: one for a slow login, one for everything else; each costs memory.
        self._threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="ask")
        self._logins = ThreadPoolExecutor(max_workers=1, thread_name_prefix="login")
        self._claimed = False

    async def _ask(
        self, path: Path, verb: str, args: dict[str, Any], *, slow: bool = False
    ) -> dict[str, Any]:
        loop = asyncio.get_running_loop()
        threads, wait_s = (self._logins, _HASHING_S) if slow else (self._threads, _QUICK_S)
        return await loop.run_in_executor(threads, wire.call, path, verb, args, wait_s)

    async def claimed(self) -> bool:
        """Whether the device has an owner; asked until it has one."""
        if not self._claimed:
            answer = await self._ask(self._auth, "account.state", {})
            self._claimed = answer.get("claimed") is True
        return self._claimed

    async def claim(self, *, code: str, name: str, password: str) -> tuple[str, str]:
        """Claim the device; return name and role."""
        typed = re.sub(r"[^A-Za-z0-9 -]", "", code).strip() or "-"
        answer = await self._ask(
            self._auth,
            "account.claim",
            {"code": typed, "name": name.strip(), "password": password},
            slow=True,
        )
        return _who(answer)

    async def login(self, *, name: str, password: str) -> tuple[str, str]:
        """Log in; return name and role."""
        typed = name.strip()
        if not _NAME.fullmatch(typed) or not password:
            # Auth's table does not let such a name through; the answer is the same as for others.
            code, message = _WRONG_LOGIN
            raise wire.AnsweredError(code=code, message=message, hint="Check both and try again.")
        answer = await self._ask(
            self._auth, "account.login", {"name": typed, "password": password}, slow=True
        )
        return _who(answer)

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


def _who(answer: dict[str, Any]) -> tuple[str, str]:
    name, role = answer.get("name"), answer.get("role")
    if not isinstance(name, str) or not isinstance(role, str):
        raise AnswerError("The part of the device that knows its accounts is confused.")
    return name, role
