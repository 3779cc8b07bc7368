"""The short-lived child that hashes one secret: question on stdin, answer on stdout.

{"do": "make", "secret": s}              -> {"hash": "$argon2id$..."}
{"do": "match", "hash": h, "secret": s}  -> {"matches": true | false}, {} if h is no hash
"""

import json
import sys

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

# Source: OWASP Password Storage; one lane because more help only the attacker's many cores.
HASHER = PasswordHasher(
    time_cost=2, memory_cost=19_456, parallelism=1, hash_len=32, salt_len=16, type=Type.ID
)


def answer(question: dict[str, str]) -> dict[str, object]:
    """Make or check one hash."""
    secret = question["secret"].encode("utf-8", "surrogatepass")
    if question["do"] == "make":
        return {"hash": HASHER.hash(secret)}
    try:
        return {"matches": HASHER.verify(question["hash"], secret)}
    except InvalidHashError:
        return {}
    except VerificationError:
        return {"matches": False}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(answer(json.loads(sys.stdin.buffer.read()))))
