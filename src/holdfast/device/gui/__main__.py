"""`python -I -m holdfast.device.gui --settings JSON [--fd N]`, or `--config D/device.toml`."""

import os
import socket
import sys

from holdfast.core.errors import HoldfastError
from holdfast.device.gui.app import application
from holdfast.device.gui.server import listen, serve
from holdfast.device.service import WORDS, say, settings_of, words_of


def main() -> int:
    """Serve the owner's pages until told to end."""
    try:
        words = words_of(sys.argv[1:], WORDS)
        os.umask(0o077)
        config = settings_of(words)
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
