"""`python -I -m holdfast.device.broker SETTINGS`, with the listening socket as descriptor 3.

The launcher starts it when somebody calls; it ends when nobody has called for a while.
"""

import os
import signal
import sys

from holdfast.device.broker import settings as broker_settings
from holdfast.device.broker import slots, wire
from holdfast.device.broker.journal import Journal
from holdfast.device.broker.proofs import Proofs, read_key
from holdfast.device.broker.server import Limits, Server
from holdfast.hardening.verbs import BROKER


def main() -> int:
    """Serve the broker's verbs until told to end, or until nobody calls."""
    settings = broker_settings.unpack(sys.argv[1])
    control = broker_settings.CONTROL_FD
    os.set_inheritable(control, False)  # noqa: FBT003 - the standard library's own
    proofs = Proofs(settings.proofs, read_key(broker_settings.PROOF_FD))
    journal = Journal(settings.journal, BROKER)
    slots.sweep(settings)

    def restart() -> None:
        os.write(control, broker_settings.ASK_RESTART)

    server = Server(
        wire.inherited(),
        table=BROKER,
        handlers=slots.Slots(settings, restart).handlers(),
        names=settings.names(os.geteuid()),
        journal=journal.call,
        limits=Limits(idle_s=float(settings.idle_s)),
        prove=proofs.prove,
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: server.stop())
    server.serve()
    journal.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
