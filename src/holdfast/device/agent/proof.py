"""Does the device that has just started work? What the agent sees of it, beside the launcher."""

import json
import socket
from pathlib import Path

from holdfast.device.broker import wire
from holdfast.device.settings import Settings

_WAIT_S = 2.0
_LONGEST_BYTES = 4096


def fault(config: Settings, boot_id: str) -> str:
    """Say what does not work yet; empty if all does.

    The launcher watches the web page of the slot and runs its health check; the broker does not
    confirm without that either. The agent adds that the owner can get in.
    """
    found = _launcher_says(config.run / "health.json", boot_id)
    if found:
        return found
    if not _answers(config.auth_socket):
        return "auth does not answer"
    if not _listens(config.gui_listen):
        return "the owner's pages do not answer"
    return ""


def _launcher_says(path: Path, boot_id: str) -> str:
    try:
        with path.open("rb") as file:
            health = json.loads(file.read(_LONGEST_BYTES))
        if health["boot_id"] != boot_id:
            return "this start has not been looked at yet"
        state, reason = str(health["state"]), str(health["reason"])
    except (OSError, ValueError, KeyError, TypeError):
        return "this start has not been looked at yet"
    return "" if state == "healthy" else reason or state


def _answers(path: Path) -> bool:
    try:
        wire.call(path, "account.state", {}, _WAIT_S)
    except wire.AnsweredError:
        pass  # it refuses this caller, so it is there
    except wire.UnreachableError as error:
        # Where the walls keep the agent from its socket, the launcher's word has to do.
        return isinstance(error.__cause__, PermissionError)
    return True


def _listens(address: str) -> bool:
    host, _, port = address.rpartition(":")
    if port == "0":
        return True  # a free port, known to the launcher only
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_WAIT_S).close()
    except PermissionError:
        return True  # see above
    except (OSError, ValueError):
        return False
    return True
