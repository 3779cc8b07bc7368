from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from holdfast.audit.facts.gather import facts_of
from holdfast.audit.model import known_keys
from holdfast.audit.model.keys import keys_of
from holdfast.audit.model.shapes import PlacedKey
from holdfast.audit.tree import Tree
from holdfast.core.errors import UsageError
from tests.audit import made
from tests.audit.facts import key_forms as forms

DER = serialization.Encoding.DER


def placed(files: dict[str, bytes], more: str = "") -> tuple[PlacedKey, ...]:
    tree = Tree([made.file_node(path, content) for path, content in files.items()])
    digests = {path: sha256(content).hexdigest() for path, content in files.items()}
    facts = {digests[path]: facts_of(content) for path, content in files.items()}
    return keys_of(tree, facts, digests, known_keys.parse(more))


def test_one_key_in_many_places_is_one_key() -> None:
    key = forms.private("rsa")
    pem = forms.written(key)
    inside = bytes(64) + forms.written(key, encoding=DER)
    (found,) = placed({"etc/b.key": pem, "etc/a.key": pem, "usr/bin/httpd": inside})
    assert found.where == ("etc/a.key", "etc/b.key", "usr/bin/httpd@64")
    assert found.fingerprint == forms.fingerprint(key)


def test_purposes_by_place() -> None:
    host = forms.dropbear("ed25519")
    line = forms.openssh_line(forms.private("ed25519"))
    cases = {
        "etc/dropbear/dropbear_ed25519_host_key": (host, "ssh-host"),
        "root/.ssh/authorized_keys": (line, "ssh-authorised"),
        "root/.ssh/known_hosts": (line, "ssh-known-host"),
        "etc/swupdate/verify.pem": (made.pem("PUBLIC KEY", forms.spki(forms.private("rsa"))),
                                    "update-verify"),
        "etc/swupdate/sign.pem": (forms.written(forms.private("rsa")), "update-sign"),
        "etc/openvpn/client.key": (forms.written(forms.private("p256")), "vpn"),
        "usr/share/doc/x/examples/key.pem": (forms.written(forms.private("p256")), "example"),
        "etc/opkg/keys/0123456789abcdef": (forms.usign(secret=False), "update-verify"),
        "etc/lighttpd/server.pem": (forms.written(forms.private("p384")), "tls-server"),
    }  # fmt: skip
    for path, (content, purpose) in cases.items():
        (found,) = placed({path: content})
        assert found.purpose == purpose, path


def test_configuration_says_what_a_key_is_for() -> None:
    files = {
        "etc/mykey.pem": forms.written(forms.private("p256")),
        "etc/config/uhttpd": b"config uhttpd main\n\toption key '/etc/mykey.pem'\n",
    }
    (found,) = placed(files)
    assert found.purpose == "tls-server"


def test_many_certificates_in_one_file_are_public_authorities() -> None:
    bundle = bytes(made.MAKERS["certificate"]({"count": 9, "bits": 1024, "ca": True}))
    own = bytes(made.MAKERS["certificate"]({"name": "device"}))
    found = placed({"etc/ssl/cert.pem": bundle, "etc/device.pem": own})
    assert [one.purpose for one in found].count("ca-bundle") == 9
    assert [one.purpose for one in found if "device" in one.where[0]] == [""]


def test_roots_that_do_not_say_so_are_told_by_where_they_lie() -> None:
    names = [f"root{number}" for number in range(9)]
    store = {
        f"etc/ssl/certs/{name}.crt": bytes(made.MAKERS["certificate"]({"name": name, "bits": 1024}))
        for name in names
    }
    assert {one.purpose for one in placed(store)} == {"ca-bundle"}
    few = dict(list(store.items())[:3])
    assert "ca-bundle" not in {one.purpose for one in placed(few)}


def test_an_example_that_is_used_is_no_example() -> None:
    pem = forms.written(forms.private("p256"))
    (found,) = placed({"usr/share/doc/a/key.pem": pem, "etc/openvpn/a.key": pem})
    assert found.purpose == "vpn"


def test_private_halves_come_first() -> None:
    files = {
        "a.pub": made.pem("PUBLIC KEY", forms.spki(forms.private("rsa"))),
        "z.key": forms.written(forms.private("ed25519")),
    }
    assert [one.where[0] for one in placed(files)] == ["z.key", "a.pub"]


def test_list_of_known_keys() -> None:
    shipped = known_keys.shipped()
    assert len(shipped) > 800
    assert {one.kind for one in shipped.values()} == {"self-test", "test", "published"}
    assert all(len(print_) == known_keys.LENGTH for print_ in shipped)


def test_own_list_of_known_keys() -> None:
    key = forms.private("rsa")
    print_ = forms.fingerprint(key)
    more = f"# ours\npublished {print_} a leaked image of 2024\nnonsense\nodd {print_} kind\n"
    (found,) = placed({"etc/a.key": forms.written(key)}, more)
    assert found.known == "published: a leaked image of 2024"
    (found,) = placed({"etc/a.key": forms.written(key)})
    assert found.known == ""


def test_own_list_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "known.txt"
    path.write_text(f"# ours\n\n  test {'0a' * 32} a board\npublished {'1b' * 16} a leak\n")
    assert known_keys.read(path) == {
        "0a" * 16: known_keys.Known("test", "a board"),
        "1b" * 16: known_keys.Known("published", "a leak"),
    }


@pytest.mark.parametrize(
    "line",
    [
        "nonsense",
        f"leaked {'0a' * 32} of no kind",
        f"published {'0A' * 32} capitals",
        f"published {'0a' * 20} of odd length",
        f"published {'0a' * 32}",
        f"published {'0a' * 32} \x1b[31m",
        "published " + "0a" * 32 + " " + "x" * 101,
    ],
)
def test_own_list_with_a_fault_is_taken_not_at_all(tmp_path: Path, line: str) -> None:
    path = tmp_path / "known.txt"
    path.write_text(f"test {'0a' * 32} a board\n{line}\n")
    with pytest.raises(UsageError, match=r"known\.txt:2: this line names no key"):
        known_keys.read(path)


def test_own_list_that_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "known.txt"
    for content in (b"\xff", b"#" * (known_keys.MOST_BYTES + 1)):
        path.write_bytes(content)
        with pytest.raises(UsageError, match=r"known\.txt"):
            known_keys.read(path)
    for missing in (tmp_path / "no", tmp_path):
        with pytest.raises(UsageError, match="cannot be read"):
            known_keys.read(missing)


def test_a_published_key_is_known() -> None:
    fixture = Path(__file__).parents[1] / "fixtures/key-shared-known/fail-published/rootfs"
    (found,) = placed({"x": (fixture / "root/.ssh/authorized_keys").read_bytes()})
    assert found.known == "published: ssh-badkeys: vagrant-default"


def test_what_a_font_is_signed_with_is_no_key_of_the_product() -> None:
    content = b"\0\1\0\0" + bytes(60) + made.MAKERS["certificate"]({"bits": 1024})
    assert placed({"www/fonts/a.TTF": content, "www/a.exe": content}) == ()
    assert placed({"www/fonts/a.bin": content}) != ()


def test_a_key_on_a_page_is_an_example() -> None:
    (found,) = placed({"www/crypt.html": forms.written(forms.private("rsa"))})
    assert found.purpose == "example"
