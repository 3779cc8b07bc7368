"""`python -I -m holdfast.device.agent --settings JSON [--fd N]`, or `--config D/device.toml`."""

import os
import sys
import threading
import time
from typing import Any

from holdfast.core.errors import HoldfastError
from holdfast.device.broker import wire
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
from holdfast.device.settings import Settings
from holdfast.hardening.verbs import AGENT_VERBS


def main() -> int:
    """Work and answer until told to end."""
    try:
        words = words_of(sys.argv[1:], WORDS)
        config = settings_of(words)
        if not config.hub_url.startswith("https:"):
            # http.client loads ssl whether it is used or not: 4 MB for nothing.
            sys.modules["ssl"] = None  # type: ignore[assignment] # documented: forbids the import
        return _run(config, words.get("fd"))
    except HoldfastError as error:
        sys.stderr.write(f"{error}\n{error.hint}\n")
        return error.exit_code


def _run(config: Settings, fd: str | None) -> int:
    # Imported only now: they load http.client, and with it ssl unless that was ruled out.
    from holdfast.device.agent.child import Child  # noqa: PLC0415
    from holdfast.device.agent.engine import Engine  # noqa: PLC0415
    from holdfast.device.agent.hub import Hub, read_token  # noqa: PLC0415
    from holdfast.device.agent.installation import Installation  # noqa: PLC0415
    from holdfast.device.agent.keeper import Keeper  # noqa: PLC0415
    from holdfast.device.agent.settled import read_terms  # noqa: PLC0415
    from holdfast.device.agent.telling import Telling  # noqa: PLC0415

    def broker(verb: str, args: dict[str, Any], timeout_s: float) -> wire.Answer:
        return wire.call(config.broker_socket, verb, args, timeout_s)

    def now_ms() -> int:
        return time.time_ns() // 1_000_000

    own = config.folder / "agent"
    child = Child(config)
    terms = read_terms(config.product, own / "terms.json", lambda: child.terms(config.product))
    keeper = Keeper(own / "state.json")
    hub = Hub(
        url=config.hub_url,
        tenant=config.tenant,
        controller_id=config.controller_id,
        token=lambda: read_token(config.token_file),
    )
    stopped = threading.Event()
    installation = Installation(
        keeper=keeper,
        hub=hub,
        child=child,
        broker=broker,
        terms=terms,
        folder=config.folder,
        now_ms=now_ms,
        stopped=stopped.is_set,
    )
    engine = Engine(
        config=config,
        keeper=keeper,
        hub=hub,
        broker=broker,
        installation=installation,
        now_ms=now_ms,
        stopped=stopped,
    )
    telling = Telling(
        keeper=keeper,
        engine=engine,
        installation=installation,
        hub=hub,
        terms=terms,
        folder=config.folder,
        now_ms=now_ms,
    )
    server = Server(
        listener(config.agent_socket, config, fd),
        table=AGENT_VERBS,
        handlers=telling.handlers(),
        names=callers(config.uids, own=os.getuid()),
        journal=telling.journal,
        limits=Limits(connections=32),
    )

    def work() -> None:
        try:
            engine.run()
        finally:
            # A worker that died must not leave a process that only looks alive.
            server.stop()

    until_told(server.stop)
    threading.Thread(target=work, name="engine", daemon=True).start()
    say("agent.started", hub=config.hub_url)
    server.serve()
    engine.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
