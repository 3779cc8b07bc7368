"""`python -I -m holdfast.device.gui --config D/device.toml [--fd N]`."""

import os
import socket
import sys
from pathlib import Path

from holdfast.core.errors import HoldfastError
from holdfast.device import config as device_config
from holdfast.device.gui.app import application
from holdfast.device.gui.server import listen, serve
from holdfast.device.service import say, words_of


def main() -> int:
    """Serve the owner's pages until told to end."""
    try:
        words = words_of(sys.argv[1:], frozenset({"config", "fd"}))
        os.umask(0o077)
        config = device_config.read(Path(words.get("config", "device.toml")))
        handed = words.get("fd")
        listening = (
            socket.socket(fileno=int(handed)) if handed is not None else listen(config.gui_listen)
        )
    except HoldfastError as error:
        sys.stderr.write(f"{error}\n{error.hint}\n")
        return error.exit_code
    host, port = listening.getsockname()[:2]
    say("gui.started", address=f"{host}:{port}")
    serve(
        application(
            agent=config.agent_socket, auth=config.auth_socket, folder=config.folder / "gui"
        ),
        listening,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
