"""`python -I -m holdfast.device.auth --settings JSON [--fd N]`, or `--config D/device.toml`."""

import os
import sys

from holdfast.core.errors import HoldfastError
from holdfast.device.auth.service import Auth
from holdfast.device.broker.proofs import read_key
from holdfast.device.broker.server import Limits, Server
from holdfast.device.service import (
    WORDS,
    callers,
    listener,
    say,
    settings_of,
    until_told,
    words_of,
)
from holdfast.hardening.verbs import AUTH_VERBS


def main() -> int:
    """Serve the verbs of auth until told to end."""
    try:
        words = words_of(sys.argv[1:], WORDS | {"proof-fd"})
        os.umask(0o077)
        config = settings_of(words)
        auth = Auth(config, proof_key=read_key(int(words.get("proof-fd", "-1"))))
        server = Server(
            listener(config.auth_socket, config, words.get("fd")),
            table=AUTH_VERBS,
            handlers=auth.handlers(),
            names=callers(config.uids, own=os.getuid()),
            journal=auth.journal,
            # Strangers who wait take few of the slow places, so that some are left for others.
            limits=Limits(connections=32, slow=16),
            prove=auth.prove,
        )
    except HoldfastError as error:
        sys.stderr.write(f"{error}\n{error.hint}\n")
        return error.exit_code
    until_told(server.stop)
    try:
        say("auth.started", claimed=auth.claimed)
    except HoldfastError as error:  # it goes on: each answer then says what is the matter
        say("auth.crippled", fault=error, hint=error.hint)
    auth.prepare()
    server.serve()
    return 0


if __name__ == "__main__":
    sys.exit(main())
