"""`python -I -m holdfast.device.auth --config D/device.toml [--fd N]`."""

import os
import sys
from pathlib import Path

from holdfast.core.errors import HoldfastError
from holdfast.device import config as device_config
from holdfast.device.auth.service import Auth
from holdfast.device.broker.server import Limits, Server
from holdfast.device.service import callers, listener, say, until_told, words_of
from holdfast.hardening.verbs import AUTH_VERBS


def main() -> int:
    """Serve the verbs of auth until told to end."""
    try:
        words = words_of(sys.argv[1:], frozenset({"config", "fd"}))
        os.umask(0o077)
        config = device_config.read(Path(words.get("config", "device.toml")))
        auth = Auth(config)
        server = Server(
            listener(config.auth_socket, config, words.get("fd")),
            table=AUTH_VERBS,
            handlers=auth.handlers(),
            names=callers(config.uids, own=os.getuid()),
            journal=auth.journal,
            limits=Limits(connections=32, slow=8),
        )
    except HoldfastError as error:
        sys.stderr.write(f"{error}\n{error.hint}\n")
        return error.exit_code
    until_told(server.stop)
    say("auth.started", claimed=auth.claimed)
    server.serve()
    return 0


if __name__ == "__main__":
    sys.exit(main())
