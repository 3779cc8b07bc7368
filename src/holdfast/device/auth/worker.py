"""`python -I -m holdfast.device.auth.worker`: does one thing that needs secrets or much memory.

Question on standard input, answer on standard output, both one JSON object. Argon2, the block list,
libcrypto and the device's own keys live only as long as one question; the resident process of auth
never has them. It reads and writes no file but `keys.json` and `cost.json`.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

from holdfast.accounts import cookies, recovery, totp
from holdfast.accounts.errors import DeviceKeysError, PasswordRefusedError
from holdfast.accounts.hashing import device_keys, passwords
from holdfast.accounts.hashing.costs import FLOOR, Cost, calibrate
from holdfast.accounts.hashing.device_keys import DeviceKeys
from holdfast.accounts.hashing.fence import fence
from holdfast.core.errors import HoldfastError
from holdfast.core.files import write_whole
from holdfast.device.auth.errors import SetupCodeError
from holdfast.device.auth.store import WRAPPED
from holdfast.hardening import proof

Question = Mapping[str, Any]
Answer = dict[str, Any]
_KEYS, _COST = "keys.json", "cost.json"
_COOKIES, _RECOVERY = "device cookies", "recovery codes"
_LONGEST_MEMINFO = 65536
_MOST_CODES_TRIED = 16
"""Each costs a hash. With the mark that the claim leaves there is hardly ever more than one."""
_NOT_THE_CODE = (
    "the set-up code of this device, which stands on its label",
    "The code is used up by the claim. Take the suggested one, or four words of your own.",
)
_KIB = 1024
_FEWEST_TAKEN_OVER = 6
"""Shorter passwords of an older product are guessed before their owner comes."""


class _Desk:
    """What every question needs: folder, moment, keys and cost."""

    def __init__(self, question: Question) -> None:
        self.folder = Path(question["folder"])
        self.now = datetime.fromisoformat(question["now"])
        self.cost = _cost(self.folder)
        self._first = bool(question.get("first"))
        self._keys: DeviceKeys | None = None

    @property
    def keys(self) -> DeviceKeys:
        """The keys of this device; made only as long as nothing depends on them."""
        if self._keys is None:
            path = self.folder / _KEYS
            found = device_keys.load(path)
            if found is None and not self._first:
                raise DeviceKeysError("the file is missing")
            if found is None:
                found = DeviceKeys.made()
                device_keys.save(path, found)
            self._keys = found
        return self._keys

    def key(self, purpose: str) -> bytes:
        """Give the newest key for one purpose."""
        return self.keys.newest.derived(purpose)

    def is_genuine(self, cookie: str, name: str) -> bool:
        """Whether a device cookie was made with any of the keys."""
        return bool(cookie) and any(
            cookies.is_genuine(cookie, key.derived(_COOKIES), name=name, now=self.now)
            for key in self.keys.keys
        )

    def cookie(self, question: Question) -> str:
        """Make a device cookie with the id that was chosen for it; empty if none was."""
        if not question.get("cookie_id"):
            return ""
        return cookies.made(
            self.key(_COOKIES),
            name=question["name"],
            cookie_id=question["cookie_id"],
            until=self.now + cookies.LIFE,
        )

    def usable(self, question: Question, password: str) -> str:
        """Check a new password by the rules, and give its normal form."""
        from holdfast.accounts import policy  # noqa: PLC0415 - most questions need no block list

        is_bounded = len(password) <= policy.LONGEST
        if is_bounded and self._holds_code(question, policy.normalised(password)):
            raise PasswordRefusedError("setup-code", *_NOT_THE_CODE)
        return policy.must_be_usable(
            password,
            _context(question),
            _lists(question),
            second_factor=bool(question.get("has_second")),
        )

    def _holds_code(self, question: Question, form: str) -> bool:
        """Whether the set-up code is in a password: the one just typed, or the one of the claim."""
        from holdfast.device.auth import setup_code  # noqa: PLC0415 - few questions need it

        typed, burnt = question.get("code", ""), question.get("setup_hash", "")
        found = dict.fromkeys(setup_code.readings(form))
        if typed or not burnt:
            return setup_code.normalised(typed) in found
        mark = question.get("code_mark", "")
        likely = (one for one in found if not mark or setup_code.mark_of(one, burnt) == mark)
        return any(
            passwords.verify(burnt, one, keys=None, cost=self.cost, now=self.now).matches
            for one in islice(likely, _MOST_CODES_TRIED)
        )

    def is_guessable(self, question: Question, password: str) -> bool:
        """Whether a stranger would try a password early; the rules for new ones ask for more."""
        from holdfast.accounts import policy  # noqa: PLC0415 - as above

        try:
            policy.must_not_be_known(password, _context(question), _lists(question))
        except PasswordRefusedError:
            return True
        return len(password) < _FEWEST_TAKEN_OVER


def _context(question: Question) -> Any:  # noqa: ANN401 - its package is loaded only here
    from holdfast.accounts import policy  # noqa: PLC0415 - as above

    words = question.get("words", {})
    return policy.Context(
        user=question["name"],
        vendor=words.get("vendor", ""),
        product=words.get("product", ""),
        model=words.get("model", ""),
        host=os.uname().nodename,
        serial=words.get("serial", ""),
        others=(words.get("name", ""),),
    )


def _lists(question: Question) -> Any:  # noqa: ANN401 - as above
    """Open the list that comes with Holdfast, and those of the operator.

    Raises:
        BlockListError: One of them cannot be used; then none is.
    """
    paths = [Path(path) for path in question.get("blocklists", ())]
    if paths:
        from holdfast.accounts.blocklist import signature  # noqa: PLC0415 - loads a cipher

        return signature.opened(paths, question["blocklist_keys"])
    from holdfast.accounts.blocklist import builtin  # noqa: PLC0415 - as above

    return builtin.opened()


def _cost(folder: Path) -> Cost:
    try:
        with (folder / _COST).open("rb") as file:
            found = json.loads(file.read(_KIB))
        return Cost(memory_kib=found["memory_kib"], passes=found["passes"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError, HoldfastError):
        return FLOOR  # not calibrated yet, or damaged: the floor is always safe


def _prepare(question: Question, desk: _Desk) -> Answer:
    """Choose the cost of a hash, once, at the first start."""
    key = desk.keys.newest

    def measure(cost: Cost) -> float:
        began = time.process_time()
        passwords.make("calibration", cost=cost, key=key)
        return time.process_time() - began

    del question
    cost = calibrate(_memory_bytes(), measure)
    told = {"memory_kib": cost.memory_kib, "passes": cost.passes}
    write_whole(desk.folder / _COST, json.dumps(told).encode(), mode=0o600)
    return told


def _memory_bytes() -> int:
    with Path("/proc/meminfo").open("rb") as file:
        for line in file.read(_LONGEST_MEMINFO).splitlines():
            if line.startswith(b"MemTotal:"):
                return int(line.split()[1]) * _KIB
    return 0


def _hash(question: Question, desk: _Desk) -> Answer:
    """Hash what the factory keeps of a set-up code; the device has no key yet."""
    return {"hash": passwords.make(question["secret"], cost=desk.cost, key=None)}


def _claim(question: Question, desk: _Desk) -> Answer:
    from holdfast.device.auth import setup_code  # noqa: PLC0415 - only the claim

    code, burnt = setup_code.normalised(question["code"]), question["setup_hash"]
    form = desk.usable(question, question["password"])
    right = passwords.verify(burnt, code or "-", keys=None, cost=desk.cost, now=desk.now)
    if not (code and right.matches):
        raise SetupCodeError
    made = passwords.make(form, cost=desk.cost, key=desk.keys.newest)
    mark = setup_code.mark_of(code, burnt)
    return {"hash": made, "cookie": desk.cookie(question), "code_mark": mark}


def _login(question: Question, desk: _Desk) -> Answer:
    """Check a password; against another account's hash where there is no such account."""
    stored, name, password = question["stored"], question["name"], question["password"]
    exists = bool(stored)
    if not exists:
        stored = passwords.choose_decoy(name, question["among"], key=desk.keys.newest)
    genuine = desk.is_genuine(question.get("cookie", ""), name)
    try:
        verdict = passwords.verify(stored, password, keys=desk.keys, cost=desk.cost, now=desk.now)
    except HoldfastError:
        if exists:
            raise
        verdict = passwords.Verdict(matches=False)
    answer: Answer = {"matches": exists and verdict.matches, "genuine": genuine}
    if answer["matches"] and verdict.taken_over and desk.is_guessable(question, password):
        answer["too_known"] = True
    elif answer["matches"]:
        if verdict.rehash and _is_good(question, desk, stored, password):
            answer["hash"] = passwords.make(password, cost=desk.cost, key=desk.keys.newest)
        answer["cookie"] = desk.cookie(question)
    return answer


def _is_good(question: Question, desk: _Desk, stored: str, password: str) -> bool:
    """Whether a password may stay; one of an older product never passed the rules before."""
    if not stored.startswith(WRAPPED):
        return True
    try:
        desk.usable(question, password)
    except PasswordRefusedError:
        return False  # its hash stays as it is, with its deadline, until a new one is chosen
    return True


def _second(question: Question, desk: _Desk) -> Answer:
    """Check a code: of the app, or for recovery."""
    name, code = question["name"], question["code"]
    if question.get("sealed"):
        step = totp.matching_step(
            _seed(question, desk), code, now=desk.now, last_step=question["last_step"]
        )
        if step is not None:
            return {"step": step, "cookie": desk.cookie(question)}
    for key in desk.keys.keys:
        struck = recovery.matching(question["recovery"], code, key.derived(_RECOVERY), name=name)
        if struck is not None:
            return {"struck": struck, "cookie": desk.cookie(question)}
    return {}


def _seed(question: Question, desk: _Desk) -> bytes:
    from holdfast.accounts import vault  # noqa: PLC0415 - loads a cipher, which few questions need

    return vault.unseal(f"totp {question['name']}", question["sealed"], desk.keys)


def _password(question: Question, desk: _Desk) -> Answer:
    """Hash a new password, if the rules allow it; the old one was checked by `login`."""
    form = desk.usable(question, question["new"])
    return {"hash": passwords.make(form, cost=desk.cost, key=desk.keys.newest)}


def _cookie(question: Question, desk: _Desk) -> Answer:
    return {"cookie": desk.cookie(question)}


def _check(question: Question, desk: _Desk) -> Answer:
    desk.usable(question, question["password"])
    return {}


def _check_lists(question: Question, _desk: _Desk) -> Answer:
    _lists(question).close()
    return {}


def _suggest(_question: Question, _desk: _Desk) -> Answer:
    from holdfast.accounts.policy import suggest  # noqa: PLC0415 - only this question needs it

    return {"password": suggest()}


def _totp_begin(question: Question, desk: _Desk) -> Answer:
    from holdfast.accounts import vault  # noqa: PLC0415 - loads a cipher, which few questions need

    seed, name = totp.fresh_seed(), question["name"]
    return {
        "sealed": vault.seal(f"totp {name}", seed, desk.keys.newest),
        "address": totp.address(seed, name=name, issuer=question["issuer"]),
    }


def _recovery(question: Question, desk: _Desk) -> Answer:
    codes, key = recovery.fresh(), desk.key(_RECOVERY)
    hashes = [recovery.hashed(code, key, name=question["name"]) for code in codes]
    return {"codes": codes, "hashes": hashes}


def _prove(question: Question, _desk: _Desk) -> Answer:
    made = proof.made(
        bytes.fromhex(question["key"]),
        verb=question["verb"],
        args=question["args"],
        by=question["by"],
        now_s=time.monotonic(),
    )
    return {"proof": made}


def _import(question: Question, desk: _Desk) -> Answer:
    deadline = desk.now + timedelta(days=question["days"])
    key = desk.keys.newest
    return {"hash": passwords.wrap(question["hash"], cost=desk.cost, key=key, deadline=deadline)}


def _seal(question: Question, desk: _Desk) -> Answer:
    """Judge new settings of central login, and seal the secrets that came with them."""
    from holdfast.accounts import vault  # noqa: PLC0415 - as above
    from holdfast.device.auth.central_settings import judged  # noqa: PLC0415 - as above

    settings, secrets = judged(
        question["content"],
        question["sha256"],
        question["roles"],
        question["methods"],
        before=question["before"],
        sealed=question["sealed"],
    )
    sealed = {
        name: vault.seal(f"central {name}", value.encode(), desk.keys.newest)
        for name, value in secrets.items()
        if value is not None
    }
    dropped = [name for name, value in secrets.items() if value is None]
    return {"settings": settings, "sealed": sealed, "dropped": dropped}


def _rotate(question: Question, desk: _Desk) -> Answer:
    """Make a new key beside the old ones, and seal everything anew with it.

    The keys are on the disk before anything needs them; those that nothing names any more go. Of
    recovery codes nobody can tell with which key they were hashed, so they keep all keys.
    """
    from holdfast.accounts import vault  # noqa: PLC0415 - as above

    sealed, keys = question["sealed"], desk.keys
    opened = {name: vault.unseal(name, text, keys) for name, text in sealed.items()}
    if not question["keeps_all"]:
        keys = keys.only({*question["key_ids"], *map(vault.key_id_of, sealed.values())})
    keys = keys.rotated()
    device_keys.save(desk.folder / _KEYS, keys)
    anew = {name: vault.seal(name, secret, keys.newest) for name, secret in opened.items()}
    return {"sealed": anew, "id": keys.newest.id, "count": len(keys.keys)}


def _unseal(question: Question, desk: _Desk) -> Answer:
    """Open the secrets of servers, for the child that asks them."""
    from holdfast.accounts import vault  # noqa: PLC0415 - as above

    opened = {
        name: vault.unseal(f"central {name}", sealed, desk.keys).decode()
        for name, sealed in question["sealed"].items()
    }
    genuine = desk.is_genuine(question.get("cookie", ""), question.get("name", ""))
    return {"secrets": opened, "genuine": genuine, "cookie": desk.cookie(question)}


_ANSWERS: Mapping[str, Callable[[Question, _Desk], Answer]] = {
    "prepare": _prepare,
    "hash": _hash,
    "claim": _claim,
    "login": _login,
    "second": _second,
    "password": _password,
    "cookie": _cookie,
    "check": _check,
    "lists": _check_lists,
    "rotate": _rotate,
    "suggest": _suggest,
    "totp.begin": _totp_begin,
    "recovery": _recovery,
    "prove": _prove,
    "import": _import,
    "seal": _seal,
    "unseal": _unseal,
}


def answered(question: Question) -> Answer:
    """Answer one question.

    Raises:
        HoldfastError: The answer is no, with the reason.
    """
    return _ANSWERS[question["do"]](question, _Desk(question))


def main() -> int:
    """Read the question, write the answer; a refusal is an answer too."""
    fence()
    try:
        told = {"ok": answered(json.loads(sys.stdin.buffer.read()))}
    except HoldfastError as error:
        reason = getattr(error, "reason", "")
        told = {
            "error": {
                "code": error.code,
                "message": str(error),
                "hint": error.hint,
                "reason": reason if isinstance(reason, str) else "",
            }
        }
    sys.stdout.write(json.dumps(told))
    return 0


if __name__ == "__main__":
    sys.exit(main())
