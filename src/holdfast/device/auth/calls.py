"""Which calls of the gui a person may confirm."""

import json
from collections.abc import Mapping
from typing import Any

from holdfast.hardening.errors import ArgumentError
from holdfast.hardening.verbs import AGENT_VERBS, AUTH_VERBS, BROKER, GUI


def call_of_gui(verb: str, args: str) -> Mapping[str, Any]:
    """Check that a proof is asked for something that demands one of the GUI.

    Raises:
        ArgumentError: It is not.
    """
    for table in (BROKER, AGENT_VERBS, AUTH_VERBS):
        rule = table.get(verb)
        if rule is not None and GUI in rule.proof_of:
            break
    else:
        raise ArgumentError("this verb demands no proof")
    try:
        parsed = json.loads(args)
    except (ValueError, RecursionError) as error:
        raise ArgumentError("argument args is not JSON") from error
    if not isinstance(parsed, dict):
        raise ArgumentError("argument args must be an object")
    rule.check(parsed)
    return parsed
