"""Who can log in to an image, and how good the passwords are."""

import ctypes
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.audit.model.build import model_of
from holdfast.audit.model.shapes import Account, Password
from holdfast.audit.tree import Kind, Node, Tree

_crypt = ctypes.CDLL("libcrypt.so.1").crypt
_crypt.restype = ctypes.c_char_p


def hashed(word: str, setting: str) -> str:
    return str(_crypt(word.encode(), setting.encode()).decode())


def of(**files: str) -> list[Account]:
    return of_tree(
        {name.replace("__", "/").replace("_dot_", "."): text for name, text in files.items()}
    )


def of_tree(files: dict[str, str], links: dict[str, str] | None = None) -> list[Account]:
    tree = Tree()
    for path, text in files.items():
        tree.add(
            Node(path=path, kind=Kind.FILE, mode=0o644, size_bytes=len(text), read=_giver(text))
        )
    for path, target in (links or {}).items():
        tree.add(Node(path=path, kind=Kind.LINK, mode=0o777, target=target))
    return list(model_of(tree, {}, {}).accounts)


def _giver(text: str) -> Callable[[], bytes]:
    return lambda: text.encode(errors="surrogatepass")


def test_empty_password_in_shadow_counts_and_its_line_is_named() -> None:
    (root,) = of(
        etc__passwd="root:x:0:0:root:/root:/bin/ash\n", etc__shadow="root::0:0:99999:7:::\n"
    )
    assert (root.password, root.where, root.login) == (Password.EMPTY, "etc/shadow:1", True)


@pytest.mark.parametrize("field", ["*", "!", "!!", "*LK*", "!$6$abc$def", "NP", "nonsense"])
def test_locked_accounts_cannot_log_in(field: str) -> None:
    (root,) = of(etc__passwd=f"root:{field}:0:0:root:/root:/bin/sh\n")
    assert (root.password, root.login) == (Password.LOCKED, False)


def test_without_shadow_nothing_is_known() -> None:
    (root,) = of(etc__passwd="root:x:0:0:root:/root:/bin/sh\n")
    assert root.password is Password.NONE


@pytest.mark.parametrize(
    ("setting", "scheme", "salt"),
    [("$1$$", "md5crypt", "empty"), ("$1$Qm3x9ZtL$", "md5crypt", "good"), ("aQ", "des", "short"),
     ("$5$Qm3x9ZtLr7aWvB2c$", "sha256crypt", "good"), ("$6$ab$", "sha512crypt", "short")],
)  # fmt: skip
def test_hashes_are_told_and_known_words_guessed(setting: str, scheme: str, salt: str) -> None:
    secret = hashed("1234", setting)
    (admin,) = of(etc__passwd_dot_bak=f"admin:{secret}:0:0::/:/bin/sh\n")
    assert (admin.scheme, admin.salt, admin.guessed) == (scheme, salt, "default")
    assert secret not in repr(admin)


@pytest.mark.slow
def test_a_good_password_holds() -> None:
    secret = hashed("tangerine velocity otter 91", "$1$Qm3x9ZtL$")
    (admin,) = of(etc__passwd=f"admin:{secret}:0:0::/:/bin/sh\n")
    assert admin.guessed == ""


def test_name_as_password() -> None:
    secret = hashed("Nordlicht77x", "$6$Qm3x9ZtLr7aWvB2c$")
    (one,) = of(etc__passwd=f"Nordlicht77x:{secret}:0:0::/:/bin/sh\n")
    assert one.guessed == "name"


def test_rounds_and_bcrypt_are_read() -> None:
    sha = "$6$rounds=656000$Qm3x9ZtLr7aWvB2c$" + "a" * 86
    bcrypt = "$2b$12$" + "N" * 53
    first, second = of(etc__passwd=f"a:{sha}:1:1::/:/bin/sh\nb:{bcrypt}:2:2::/:/bin/sh\n")
    assert (first.scheme, first.rounds, first.salt) == ("sha512crypt", 656000, "good")
    assert (second.scheme, second.rounds) == ("bcrypt", 12)


@pytest.mark.slow
def test_same_hash_and_same_salt_are_seen() -> None:
    one = hashed("tangerine otter", "$6$Qm3x9ZtLr7aWvB2c$")
    two = hashed("another otter", "$6$Qm3x9ZtLr7aWvB2c$")
    text = f"a:{one}:1:1::/:/bin/sh\nb:{one}:2:2::/:/bin/sh\nc:{two}:3:3::/:/bin/sh\n"
    a, b, c = of(etc__passwd=text)
    assert (a.same_as, b.same_as, c.same_as) == ("", "etc/passwd:1", "")
    assert {a.salt, b.salt, c.salt} == {"constant"}


def test_link_out_of_the_image_leads_nowhere() -> None:
    found = of_tree({"etc/passwd.bak": "admin::0:0::/:/bin/sh\n"}, {"etc/passwd": "/var/passwd"})
    assert [one.where for one in found] == ["etc/passwd.bak:1"]


def test_link_inside_the_image_is_followed() -> None:
    files = {"tmp/etc/.root/passwd": "root::0:0::/:/bin/sh\n"}
    found = of_tree(files, {"etc/passwd": "/tmp/etc/.root/passwd"})  # noqa: S108 - of the image
    assert {one.name for one in found} == {"root"}
    assert len(found) == 1


def test_vendor_defaults_with_a_user_and_no_password() -> None:
    text = (
        "<account>\n<entry>\n<name>admin</name>\n<usrid></usrid>\n<password></password>\n</entry>"
    )
    (admin,) = of(etc__defaultvalue_dot_xml=text)
    assert (admin.password, admin.where) == (Password.EMPTY, "etc/defaultvalue.xml:5")


def test_providers_accounts_are_not_those_of_the_device() -> None:
    assert of(etc__nvram_dot_default="wan_ppp_username=\nwan_ppp_passwd=\nddns_passwd=x\n") == []


def test_pairs_of_name_and_value() -> None:
    (admin,) = of(etc__nvram_dot_default="http_username=admin\nhttp_passwd=admin\n")
    assert (admin.password, admin.guessed, admin.where) == (
        Password.PLAIN, "name", "etc/nvram.default:2",
    )  # fmt: skip


def test_files_of_services() -> None:
    found = of_tree({
        "etc/ppp/chap-secrets": '# x\nsupport * "maintenance-7Hq" *\nbob * * *\n',
        "etc/snmp/snmpd.conf": "rocommunity public\n",
        "etc/smbpasswd": f"root:0:{'X' * 32}:{'X' * 32}:[U ]:\n",
        "www/.htpasswd": f"admin:{hashed('admin', '$1$Qm3x9ZtL$')}\n",
    })  # fmt: skip
    by_service = {one.service: one for one in found}
    assert by_service["ppp"].password is Password.PLAIN
    assert by_service["snmp"].guessed == "default"
    assert by_service["smb"].password is Password.LOCKED
    assert by_service["web"].guessed == "name"
    assert "maintenance-7Hq" not in repr(found)


def test_programs_called_passwd_are_no_accounts() -> None:
    text = "root::0:0::/:/bin/sh\n"
    assert (
        of_tree({"usr/bin/passwd": text, "etc/pam.d/passwd": text, "usr/share/passwd": text}) == []
    )


@pytest.mark.parametrize("word", ["xc3511", "vizxv", "7ujMko0admin"])
def test_what_botnets_try_is_known(word: str) -> None:
    (root,) = of(etc__passwd=f"root:{hashed(word, '$1$Qm3x9ZtL$')}:0:0::/:/bin/sh\n")
    assert root.guessed == "default"


@pytest.mark.slow
@given(st.text(max_size=300))
def test_nonsense_gives_less_and_no_error(text: str) -> None:
    of_tree({"etc/passwd": text, "etc/shadow": text, "etc/defaults.xml": text,
             "etc/ppp/chap-secrets": text, "etc/smbpasswd": text, ".htpasswd": text})  # fmt: skip


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("www/lang/en.json", '{"login": {"username": "admin", "password": "Password"}}'),
        ("www/i18n/de.json", '{"admin_user": "admin", "admin_password": "Neues Passwort"}'),
        ("www/js/de.json", '{"username": "admin", "password": "geheim"}'),
        ("www/strings_web.ini", "username=User name\npassword=Password\n"),
        ("www/texts.ini", "[web]\nusername=Benutzer\npassword=Kennwort:\n"),
        ("www/texts.ini", "[web]\nusername=admin\npassword=Contraseña\n"),
        ("etc/fields.ini", "[web]\nusername=username\npassword=password\n"),
    ],
)
def test_texts_for_pages_are_no_accounts(path: str, text: str) -> None:
    assert of_tree({path: text}) == []


@pytest.mark.parametrize(
    "text",
    [
        "[web]\nusername=admin\npassword=password\n",
        "[web]\nusername=admin\npassword=Password\n",
        "[web]\nuser=user\npassword=user\n",
        "[web]\nusername=admin\npassword=Passw0rd 1\n",
    ],
)
def test_a_password_may_be_the_word_for_it(text: str) -> None:
    (account,) = of_tree({"etc/factory.ini": text})
    assert account.password is Password.PLAIN
