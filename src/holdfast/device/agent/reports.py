"""What the hub is told, in DDI words."""

from typing import Any

_MOST_DETAIL = 900


def feedback(number: int, execution: str, finished: str = "none", *details: str) -> dict[str, Any]:
    """Write a feedback about an offer."""
    return {
        "id": str(number),
        "status": {
            "execution": execution,
            "result": {"finished": finished},
            "details": [detail[:_MOST_DETAIL] for detail in details],
        },
    }


def refusal(number: int, code: str, sentence: str) -> dict[str, Any]:
    """Write that an offer is over without being installed, `[code] sentence`."""
    return feedback(number, "closed", "failure", f"[{code}] {sentence}")


def attributes(
    *, version: str, slot: str, boot_id: str, hardware: str, agent: str
) -> dict[str, Any]:
    """Write what the device says of itself: nothing about its owner or its network."""
    return {
        "mode": "merge",
        "data": {
            "holdfast.version": version,
            "holdfast.slot": slot,
            "holdfast.boot": boot_id,
            "holdfast.hardware": hardware,
            "holdfast.agent": agent,
        },
    }


def masked(address: str) -> str:
    """Leave most letters of an e-mail address out: `a…@example.org`."""
    name, _, domain = address.rpartition("@")
    return f"{name[:1]}…@{domain}"
