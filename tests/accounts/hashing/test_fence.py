"""A process that hashes ends itself before it takes the machine's memory."""

import json
import sys

import pytest

from holdfast.core.process import run

PROGRAM = """
import json, resource
from holdfast.accounts.errors import HashingError
from holdfast.accounts.hashing import passwords, costs
from holdfast.accounts.hashing.fence import fence
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a lower one stays
fence()
fence()
told = [resource.getrlimit(limit) for limit in (resource.RLIMIT_CPU, resource.RLIMIT_CORE)]
dearest = costs.Cost(memory_kib=costs.MOST_MEMORY_KIB, passes=1)
told.append(len(passwords.make("secret", cost=dearest, key=None)) > 50)
try:
    held = bytearray(256 << 20)
except MemoryError:
    held = bytearray(128 << 20)
    told.append("refused")
try:
    passwords.make("secret", cost=dearest, key=None)
except HashingError as error:
    told.append(str(error))
print(json.dumps(told))
"""


@pytest.mark.slow
def test_the_dearest_hash_fits_and_no_more() -> None:
    done = run([sys.executable, "-I", "-c", PROGRAM], timeout_s=30)
    assert json.loads(done.stdout) == [
        [120, 120], [0, 0], True, "refused",
        "The password could not be checked: 65536 KiB of memory could not be had.",
    ]  # fmt: skip
