"""What scripts download and then run."""

import pytest

from tests.audit.model.machine import busybox

TOOLS = "usr/bin/wget usr/bin/curl usr/bin/tftp usr/bin/openssl usr/bin/gpg usr/bin/lua sbin/insmod"


def ran(script: str) -> list[str]:
    found = busybox(script, programs=TOOLS).system.graph.start_up().fetched
    return [line.partition(" ")[2] for line in found]


@pytest.mark.parametrize(
    ("script", "path"),
    [
        ("wget -O /tmp/x http://a/b\nchmod +x /tmp/x\n/tmp/x &", "tmp/x"),
        ("wget -qO/tmp/x http://a/b; sh /tmp/x", "tmp/x"),
        ("cd /tmp; wget http://a/u.sh?v=1; ./u.sh", "tmp/u.sh"),
        ("cd /tmp && curl -sO https://a/u.sh && . ./u.sh", "tmp/u.sh"),
        ("curl -s http://a/b > /tmp/z; . /tmp/z", "tmp/z"),
        ("tftp -g -r y -l /tmp/y 192.0.2.1 && sh /tmp/y", "tmp/y"),
        ("cd /tmp; tftp -gr y 192.0.2.1; sh y", "tmp/y"),
        ("curl -L http://a/b | gunzip > /tmp/m.ko; insmod /tmp/m.ko", "tmp/m.ko"),
        ("wget -O - http://a | tee /tmp/l; lua /tmp/l", "tmp/l"),
        ("T=$(mktemp); wget -O $T/run.sh http://a/b; sh $T/run.sh", "$(mktemp)/run.sh"),
        (
            "wget -P /tmp http://a/u.tgz; tar xzf /tmp/u.tgz -C /tmp/u; /tmp/u/bin/go",
            "tmp/u/bin/go",
        ),
        ("wget -O- http://a/u.tgz | tar xz -C /tmp; /tmp/install.sh", "tmp/install.sh"),
        ("wget -O /tmp/x http://a/b; mv /tmp/x /var/y; /var/y", "tmp/x"),
        ("wget -O /tmp/x http://a/b; cat /tmp/x | sh", "tmp/x"),
        ("busybox wget -O /tmp/x http://a/b; [ $(md5sum < /tmp/x) = $M ] && sh /tmp/x", "tmp/x"),
    ],
)
def test_runs_what_it_downloads(script: str, path: str) -> None:
    assert ran(script) == [f"unchecked: /{path}"]


@pytest.mark.parametrize(
    "script",
    [
        "wget -O /tmp/x http://a/b; cat /tmp/x",
        "wget -O /tmp/x http://a/b; sh /etc/y",
        "wget -O /tmp/x http://a/b; openssl dgst -verify /etc/k -signature s /tmp/x && sh /tmp/x",
        "fetch() { wget -O /tmp/x http://a/b; sh /tmp/x; }",
        'wget -O "$1" http://a/b; sh "$2"',
    ],
)  # fmt: skip
def test_does_not_run_it_or_asks_for_a_signature(script: str) -> None:
    assert ran(script) == []


@pytest.mark.parametrize(
    "check", ['echo "$SUM  /tmp/x" | sha256sum -c', "sha256sum /tmp/x", "gpg --verify /tmp/x.sig"]
)  # fmt: skip
def test_a_check_that_is_not_understood_settles_nothing(check: str) -> None:
    assert ran(f"wget -O /tmp/x http://a/b; {check} && sh /tmp/x") == ["checked: /tmp/x"]
