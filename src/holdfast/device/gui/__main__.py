"""`python -I -m holdfast.device.gui --settings JSON [--fd N]`, or `--config D/device.toml`."""

import os
import socket
import sys
from functools import partial

from holdfast.core.errors import HoldfastError
from holdfast.device.certificate import server_context
from holdfast.device.claim import is_in_time
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
        tls = partial(server_context, config.certificate_file, config.tls_key_file)
        tls()  # what is wrong with them is said now
    except HoldfastError as error:
        sys.stderr.write(f"{error}\n{error.hint}\n")
        return error.exit_code
    host, port = listening.getsockname()[:2]
    say("gui.started", address=f"{host}:{port}")
    serve(
        application(config, is_in_time=partial(is_in_time, config.run, config.claim_s)),
        listening,
        tls=tls,
        names=config.names,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
