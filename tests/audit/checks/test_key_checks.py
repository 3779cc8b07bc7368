"""What fixtures cannot show: running systems, earlier builds, keys inside libraries."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from holdfast.audit.checks.hardening import (
    authorized_keys_absent,
    key_private_absent,
    key_shared_known,
    ssh_host_key_absent,
)
from holdfast.audit.checks.privacy import personal_data_shipped
from holdfast.audit.checks.updates import update_signing_key_absent
from holdfast.audit.image import Image
from holdfast.audit.tree import Tree
from holdfast.audit.verdicts import Finding, NotApplicable, Severity, Undecided
from tests.audit import made
from tests.audit.elf_builder import build
from tests.audit.facts import key_forms as forms


def image(**files: bytes) -> Image:
    """Underscores of names stand for slashes."""
    nodes = [made.file_node(path.replace("__", "/"), content) for path, content in files.items()]
    return made.image_from(Tree(nodes))


@pytest.mark.parametrize(
    "run", [key_private_absent.run, ssh_host_key_absent.run, personal_data_shipped.run]
)
def test_a_running_device_has_keys_of_its_own(run: Callable[[Image], Iterator[Finding]]) -> None:
    live = replace(image(etc__a=forms.written(forms.private("rsa"))), live=True)
    with pytest.raises(NotApplicable):
        list(run(live))


def test_the_owner_of_a_running_device_may_have_added_a_key() -> None:
    line = forms.openssh_line(forms.private("ed25519"))
    there = image(**{"root__.ssh__authorized_keys": line})
    assert list(authorized_keys_absent.run(there))
    with pytest.raises(Undecided):
        list(authorized_keys_absent.run(replace(there, live=True)))


def test_the_same_key_in_the_last_approved_build() -> None:
    now = image(etc__a__key=forms.written(forms.private("rsa")))
    assert list(key_shared_known.run(now)) == []
    before = made.report_of(Tree([made.file_node("etc/b", forms.written(forms.private("rsa")))]))
    (found,) = key_shared_known.run(replace(now, baseline=before))
    assert found.severity is Severity.HIGH
    assert found.evidence == ("there in etc/b",)
    other = made.report_of(Tree([made.file_node("etc/b", forms.written(forms.private("p256")))]))
    assert list(key_shared_known.run(replace(now, baseline=other))) == []


def test_keys_of_a_library_to_test_itself_are_no_secret() -> None:
    pem = forms.written(forms.private("p256")).decode()
    library = build(type="library", strings=[pem])
    assert list(key_private_absent.run(image(usr__lib__libgnutls_so=b"", **{
        "usr__lib__libgnutls.so.30": library}))) == []  # fmt: skip
    (found,) = key_private_absent.run(image(**{"usr__lib__libcloud.so": library}))
    assert found.offset
    assert found.where == "usr/lib/libcloud.so"


def test_findings_never_show_a_key() -> None:
    pem = forms.written(forms.private("rsa"))
    (found,) = key_private_absent.run(image(etc__tls__key=pem))
    for line in pem.decode().splitlines()[1:-1]:
        assert line not in repr(found)


def test_a_signing_key_of_usign() -> None:
    (found,) = update_signing_key_absent.run(image(root__key=forms.usign(secret=True)))
    assert found.where == "root/key"


def test_memory_of_a_crashed_program() -> None:
    core = bytearray(build())
    assert list(personal_data_shipped.run(image(**{"root__core.42": bytes(core)}))) == []
    core[16:18] = b"\x00\x04"  # big endian, as the builder's MIPS
    (found,) = personal_data_shipped.run(image(**{"root__core.42": bytes(core)}))
    assert found.where == "root/core.42"
