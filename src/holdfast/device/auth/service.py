"""The verbs of auth: who owns this device, and who is this."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

from holdfast.device.auth.accounts import Accounts
from holdfast.device.auth.errors import AccountsFileError, HashingBusyError
from holdfast.device.auth.passwords import Hasher
from holdfast.device.broker.server import Handler
from holdfast.device.broker.wire import Answer, Peer
from holdfast.device.service import say
from holdfast.device.settings import Settings

_QUIET = frozenset({"account.state"})
WAIT_FOR_TURN_S = 3.0
_LONGEST_HASH = 512


class Auth:
    """Accounts behind the verbs of `hardening.verbs.AUTH_VERBS`."""

    def __init__(self, config: Settings) -> None:
        self._setup_code_file = config.setup_code_file
        # One at a time: two claims cannot both win, and tries made at once are counted singly.
        self._turn = Lock()
        self._path = config.folder / "auth" / "accounts.json"
        self._opened: Accounts | None = None

    @property
    def _accounts(self) -> Accounts:
        """Open the accounts; where they are damaged, try anew each time and say why not."""
        if self._opened is None:
            self._opened = Accounts(
                self._path,
                setup_hash=lambda: read_hash(self._setup_code_file),
                hasher=Hasher(),
            )
        return self._opened

    @property
    def claimed(self) -> bool:
        """Whether the device has an owner.

        Raises:
            AccountsFileError: The accounts cannot be read; that is never taken for "no owner".
        """
        return self._accounts.claimed

    def handlers(self) -> dict[str, Handler]:
        """Give what carries each verb out."""
        return {
            "account.state": self._state,
            "account.claim": self._claim,
            "account.login": self._login,
        }

    def journal(self, peer: Peer, verb: str, _args: Mapping[str, Any], result: str) -> None:
        """Log a call without its arguments: all of them are secret or personal."""
        if verb not in _QUIET or result != "ok":
            say("auth.asked", verb=verb, uid=peer.uid, result=result)

    def _state(self, _peer: Peer, _args: dict[str, Any]) -> Answer:
        return {"claimed": self.claimed}

    def _claim(self, _peer: Peer, args: dict[str, Any]) -> Answer:
        with self._my_turn():
            account = self._accounts.claim(
                code=args["code"], name=args["name"], password=args["password"]
            )
        return {"name": account.name, "role": account.role}

    def _login(self, _peer: Peer, args: dict[str, Any]) -> Answer:
        with self._my_turn():
            account = self._accounts.login(name=args["name"], password=args["password"])
        return {"name": account.name, "role": account.role}

    @contextmanager
    def _my_turn(self) -> Iterator[None]:
        if not self._turn.acquire(timeout=WAIT_FOR_TURN_S):
            raise HashingBusyError
        try:
            yield
        finally:
            self._turn.release()


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
