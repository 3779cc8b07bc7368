"""Passwords that scripts set while the system starts."""

import pytest

from holdfast.audit.model.shapes import Password
from tests.audit.model.machine import busybox


@pytest.mark.parametrize(
    ("script", "name", "state"),
    [
        ("echo root:Zte521 | chpasswd", "root", Password.PLAIN),
        ("chpasswd <<EOF\nroot:Zte521\nEOF", "root", Password.PLAIN),
        ('PW=Zte521; echo "admin:$PW" | chpasswd -m', "admin", Password.PLAIN),
        ("(echo Zte521; echo Zte521) | passwd admin", "admin", Password.PLAIN),
        ("printf 'Zte521\\nZte521\\n' | busybox passwd", "root", Password.PLAIN),
        ("echo 'ftp:ab5GYrbcGLWGs' | chpasswd -e", "ftp", Password.HASHED),
        ("usermod -p '$1$abcdefgh$0123456789012345678901' admin", "admin", Password.HASHED),
        ("sed -i 's#^root:[^:]*:#root:$1$abcdefgh$0123456789012345678901:#' /etc/shadow",
         "root", Password.HASHED),
        ("sed -i 's/^\\(root:\\)[^:]*/\\1ab5GYrbcGLWGs/' /etc/passwd", "root", Password.HASHED),
        ("sed -i '/^root:/s/x/$1$abcdefgh$0123456789012345678901/' /etc/passwd", "root",
         Password.HASHED),
        ("sed -i 's/^root:x:/root::/' /etc/passwd", "root", Password.EMPTY),
        ("passwd -d root", "root", Password.EMPTY),
        ("echo 'root:ab5GYrbcGLWGs:0:0::/:/bin/sh' > /var/passwd", "root", Password.HASHED),
        ("echo 'root:Zte521' | tee /tmp/p > /dev/null; chpasswd < /tmp/p", "root", Password.PLAIN),
    ],
)  # fmt: skip
def test_a_password_that_start_up_sets(script: str, name: str, state: Password) -> None:
    machine = busybox(script)
    found = [(one.name, one.password, one.where.partition(":")[0]) for one in machine.accounts()]
    assert len(found) == 1, found
    assert found[0][:2] == (name, state)
    assert found[0][2] in {"etc/init.d/rcS", "var/passwd"}
    assert "Zte521" not in repr(machine.accounts()) + repr(machine.system.logins)


@pytest.mark.parametrize(
    "script",
    [
        "echo root:$(cat /proc/label) | chpasswd",
        'read PW < /dev/ttyS0; echo "root:$PW" | chpasswd',
        "passwd -l root",
        "sed -i 's/^root:x:/root:x:/' /etc/passwd; sed -i 's#^root:[^:]*#root:!#' /etc/passwd",
        "sed -i 's/^ftp:.*//' /etc/passwd",
        "sed -i s/:users:/:staff:/ /etc/passwd",
        "f() { echo root:Zte521 | chpasswd; }",
    ],
)  # fmt: skip
def test_no_password_that_stands_in_the_image(script: str) -> None:
    open_ones = [one for one in busybox(script).accounts() if one.password is not Password.LOCKED]
    assert open_ones == []
