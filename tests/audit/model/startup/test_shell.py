"""The reader of shell scripts: what it follows, and what it says where it cannot decide."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.audit.model.shapes import Started
from holdfast.audit.model.startup.shell.grammar import parse
from holdfast.audit.model.startup.wrappers import unwrap
from tests.audit.model.machine import busybox

DAEMON = "usr/sbin/foodd"
LETTERS = "if then fi do done case esac in ;;&|<>(){}$`'\"\\\n #=aA[]*?~!-"
NESTED = (
    "for a in 1 2 3 4 5 6 7 8 9; do for b in 1 2 3 4 5 6 7 8 9; do for c in 1 2 3 4 5 6 7 8 9; do "
    "for d in 1 2 3 4 5 6 7 8 9; do for e in 1 2 3 4 5 6 7 8 9; do foodd $a$b$c$d$e; done; done; "
    "done; done; done"
)


@pytest.mark.parametrize(
    "script",
    [
        "foodd",
        "foodd &",
        "/usr/sbin/foodd -x </dev/null >/dev/null 2>&1 &",
        "exec foodd",
        "DAEMON=/usr/sbin/foodd\n$DAEMON -a",
        'NAME=foodd; D="/usr/sbin/$NAME"; "$D"',
        "D=${UNSET:-foodd}; $D",
        "start() { foodd; }\nstart",
        "function start\n{\n foodd\n}\nstart",
        "for i in a foodd; do [ $i = a ] || $i; done",
        'set -- foodd -x\n"$@"',
        'eval "foodd -x"',
        "sh -c 'foodd -x'",
        "true && foodd",
        "false || foodd",
        "mount -t proc proc /proc && foodd",
        "if [ -x /usr/sbin/foodd ]; then foodd; fi",
        "test -f /etc/none.conf; foodd",
        "case start in stop) ;; st*) foodd ;; esac",
        "cd /usr/sbin\n./foodd",
        "PATH=/opt:/usr/sbin foodd",
        "while true; do foodd; sleep 1; done",
        "(foodd) &",
        "{ foodd; } &",
        "echo a | foodd",
        "nohup nice -n 5 setsid foodd -p 1 &",
        "start-stop-daemon -S -b -m -p /run/x.pid -x /usr/sbin/foodd -- -q",
        "start-stop-daemon --start --quiet --exec=/usr/sbin/foodd",
        "env A=b timeout 5 foodd",
        "cat > /tmp/go.sh <<EOF\n#!/bin/sh\nfoodd\nEOF\nsh /tmp/go.sh",
        "cp /usr/sbin/foodd /tmp/renamed; /tmp/renamed",
        "cat <<'EOF'\nif ( not shell\nEOF\nfoodd",
        "x=`basename /a/foodd`; $x",
        "x=$(echo foodd)\n$x",
        "foodd \\\n  -a \\\n  -b",
        'A=1\nif [ $A -eq 1 -a -n "$A" ]; then\n  foodd\nelse\n  exit 1\nfi',
    ],
)
def test_runs_at_boot(script: str) -> None:
    machine = busybox(script, programs=f"{DAEMON} bin/mount")
    found = machine.commands("foodd") or machine.commands("renamed")
    assert [step.started for step in found] == [Started.BOOT], machine.steps


@pytest.mark.parametrize(
    ("script", "condition"),
    [
        ("[ -f /etc/foodd.on ] && foodd", "[ -f /etc/foodd.on ]"),
        ("[ -f /etc/foodd.off ] || foodd", "not ([ -f /etc/foodd.off ])"),
        ('if [ "$(nvram get on)" = 1 ]; then foodd; fi', '[ "$(nvram get on)" = 1 ]'),
        ("grep -q on /proc/cmdline && foodd", "grep -q on /proc/cmdline"),
        ('case "$(nvram get on)" in 1) foodd ;; esac', '"$(nvram get on)" is 1'),
        ("[ -f /etc/foodd.on ] || exit 0\nfoodd", "[ -f /etc/foodd.on ]"),
        ("if [ -f /etc/no ]; then exit; fi\nfoodd", "not ([ -f /etc/no ])"),
        ("f() { [ -f /etc/on ] || return; foodd; }\nf", "[ -f /etc/on ]"),
        ("for i in a; do [ -f /etc/on ] || continue; foodd; done", "[ -f /etc/on ]"),
        ("while read line; do foodd; done < /etc/list", "while read line"),
        ('. /etc/not-here.conf\n[ "$ON" = 1 ] && foodd', '[ "$ON" = 1 ]'),
    ],
)
def test_what_is_not_known_is_a_condition(script: str, condition: str) -> None:
    step = busybox(script, programs=DAEMON).command("foodd")
    assert (step.started, step.condition) == (Started.MAYBE, condition)


@pytest.mark.parametrize(
    "script",
    [
        "# foodd",
        "echo foodd",
        "killall foodd",
        "false && foodd",
        "true || foodd",
        "exit 0\nfoodd",
        "start() { foodd; }",
        "case stop in start) foodd ;; esac",
        "if [ -x /usr/sbin/absent ]; then foodd; fi",
        "start-stop-daemon -K -x /usr/sbin/foodd",
        "cat <<EOF\nfoodd\nEOF",
        "for i in /etc/none.d/S*; do [ -f $i ] && foodd; done",
    ],
)
def test_what_does_not_run_is_not_there(script: str) -> None:
    assert busybox(script, programs=DAEMON).commands("foodd") == []


def test_a_line_that_is_no_shell_still_counts_for_something() -> None:
    machine = busybox("if then ((( fi\nfoodd -p 1", programs=DAEMON)
    assert machine.command("foodd").started in {Started.BOOT, Started.MAYBE}
    assert any("could not be read" in one for one in machine.system.graph.unresolved)


def test_both_branches_of_an_open_question() -> None:
    machine = busybox(
        'if [ "$(nvram get a)" = 1 ]; then OPT=-x; one; else OPT=-y; two; fi\nfoodd $OPT',
        programs=f"{DAEMON} usr/sbin/one usr/sbin/two",
    )
    assert machine.when("one") is machine.when("two") is Started.MAYBE
    assert machine.command("foodd").text == "foodd $OPT"
    assert machine.when("foodd") is Started.BOOT


def test_folder_of_scripts_with_their_arguments() -> None:
    machine = busybox(
        'for i in /etc/init.d/S??*; do\n [ ! -f "$i" ] && continue\n $i start\ndone',
        programs=DAEMON,
        etc__init_dd="",
    )
    assert machine.commands("foodd") == []
    machine = busybox("", programs=DAEMON)
    scripts = {
        "etc/init.d/S50b": "#!/bin/sh\ncase $1 in start) foodd -a ;; stop) killall foodd ;; esac",
        "etc/init.d/S40a.sh": "NAME=a\n",
    }
    machine = busybox(
        'for i in /etc/init.d/S??*; do\n case "$i" in\n *.sh) . $i ;;\n *) $i start ;;\n'
        " esac\ndone",
        programs=DAEMON,
        **{name.replace("/", "__"): text for name, text in scripts.items()},
    )
    step = machine.command("foodd")
    assert (step.where, step.started) == ("etc/init.d/S50b:2", Started.BOOT)
    assert machine.chain(step) == [
        "", "sbin/init", "etc/inittab:1", "etc/inittab:1", "etc/init.d/rcS:5", "etc/init.d/S50b:2",
    ]  # fmt: skip


def test_sourced_functions_keep_their_place() -> None:
    machine = busybox(
        ". /lib/functions.sh\nlaunch -v", programs=DAEMON,
        lib__functions_sh="", **{"lib__functions.sh": "\n\nlaunch() {\n  foodd $1\n}\n"},
    )  # fmt: skip
    step = machine.command("foodd")
    assert (step.where, step.text) == ("lib/functions.sh:4", "foodd -v")


def test_script_that_is_not_executable_can_only_be_started() -> None:
    machine = busybox("/etc/go", programs="usr/sbin/telnetd", etc__go="telnetd\n")
    step = machine.command("usr/sbin/telnetd")
    assert (step.started, step.condition) == (Started.STARTABLE, "etc/go is made executable")


def test_applet_without_a_link() -> None:
    machine = busybox("telnetd -l /bin/sh")
    step = machine.command("busybox")
    assert (step.started, step.text) == (Started.MAYBE, "telnetd -l /bin/sh")


@pytest.mark.parametrize(
    ("script", "why"),
    [
        (": a comment of a line\n" * 40_000 + "foodd", "is damaged, or too long to be followed"),
        ("if true; then " * 60 + "foodd" + "; fi" * 60, "could not be read to its end"),
        (NESTED.replace("foodd", "echo") + "\nfoodd", "its rest was not followed"),
    ],
)
def test_what_was_not_followed_is_told(script: str, why: str) -> None:
    machine = busybox(script, programs=DAEMON)
    assert machine.when("foodd") is None
    (told,) = machine.system.graph.start_up().cut
    assert told.endswith(why)


def test_what_was_followed_is_not_cut() -> None:
    for script in ("foodd", "(((\nfoodd", "\n".join(f"absent{n}" for n in range(300))):
        assert busybox(script, programs=DAEMON).system.graph.start_up().cut == ()


def test_missing_programs_are_named() -> None:
    machine = busybox("absentd -p 1")
    assert machine.system.graph.start_up().unresolved == ("etc/init.d/rcS:2 absentd",)
    (step,) = [one for one in machine.steps if one.text == "absentd -p 1"]
    assert step.program == ""


@pytest.mark.parametrize(
    ("line", "user"),
    [
        ("start-stop-daemon -S -c www:www -x /usr/sbin/foodd", "www"),
        ("start-stop-daemon --start --chuid www --exec /usr/sbin/foodd", "www"),
        ("su -c 'foodd -x' www", "www"),
        ("su www -c foodd", "www"),
        ("su - www -c 'exec foodd'", "www"),
        ("setuidgid www foodd", "www"),
        ("chpst -u www:www foodd", "www"),
        ("sudo -u www foodd", "www"),
        ("su-exec www foodd", "www"),
        ("setpriv --reuid=www --clear-groups foodd", "www"),
        ("chroot --userspec=www:www /jail foodd", "www"),
        ("foodd", ""),
    ],
)
def test_user(line: str, user: str) -> None:
    assert busybox(line, programs=DAEMON).command("foodd").user == user


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("foodd -u user:hunter2x", "foodd -u user:***"),
        ("P=hunter2x; foodd -u user:$P -v", "foodd -u user:*** -v"),
        ("foodd --password hunter2x -v", "foodd --password *** -v"),
        ("foodd --password=hunter2x", "foodd --password=***"),
        ("foodd http://me:hunter2x@host/", "foodd http://me:***@host/"),
        ("PASSWORD=hunter2x; foodd -k $PASSWORD", "foodd -k ***"),
        ("local_passwd=hunter2x\nfoodd $local_passwd", "foodd ***"),
        ("foodd WPAPSK=hunter2x", "foodd WPAPSK=***"),
        ("sh -c 'foodd --token hunter2x'", "foodd --token ***"),
        ('. /etc/absent; [ "$PASS" = "hunter2x" ] && foodd', "foodd"),
        ("if [ `get` = 1 ]; then p_password=hunter2x; fi\nfoodd $p_password", "foodd $p_password"),
    ],
)
def test_secrets_are_never_shown(line: str, shown: str) -> None:
    machine = busybox(line, programs=DAEMON)
    assert machine.command("foodd").text == shown
    assert "hunter2x" not in repr(machine.system.graph.start_up())


def test_a_script_that_starts_itself_ends() -> None:
    machine = busybox("/etc/init.d/rcS &\nfoodd", programs=DAEMON)
    assert machine.when("foodd") is Started.BOOT


@pytest.mark.slow
@pytest.mark.parametrize(
    "script",
    [
        "f() { f; f; }\nf",
        "f() { g; g; }\ng() { f; f; }\nf",
        "while :; do while :; do while :; do foodd; done; done; done",
        NESTED,
        "x=$(eval 'x=$(eval ...)'); eval \"$x\"",
        "A=x; for i in /bin/* /bin/* /bin/*; do A=$A$A$A$A; done; foodd $A",
        "eval 'eval \"$0\"'",
        "(" * 300 + "foodd" + ")" * 300,
        "if " * 2000,
        "$(" * 2000,
        "`" * 4001,
        "${" * 3000 + "}" * 3000,
        "\\a" * 100_000,
        "case x in " + "a) ;; " * 5000,
        "'" * 9999,
        "cat <<A <<B <<C <<D\n" * 500,
    ],
)
def test_hostile_scripts_end_soon(script: str) -> None:
    started = time.process_time()  # others may use the machine
    machine = busybox(script, programs=DAEMON)
    assert time.process_time() - started < 3
    assert len(machine.steps) <= 3000


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(st.text(alphabet=st.sampled_from(LETTERS),
               max_size=120))  # fmt: skip
def test_any_text_is_read(text: str) -> None:
    parse(text)
    busybox(text, programs=DAEMON)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_read(content: bytes) -> None:
    busybox(content.decode(errors="replace"), programs=DAEMON)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(
    ["start-stop-daemon", "-S", "-x", "--", "su", "-c", "-", "env", "A=b", "nice", "-n", "5", "sh",
     "-", "--chuid", "u:g", "chroot", "/d", "busybox", "exec", "foodd", "", "--", "-xfoodd"]),
    max_size=9))  # fmt: skip
def test_any_wrappers_are_read(words: list[str]) -> None:
    command = unwrap(words)
    assert all(isinstance(word, str) for word in command.words)


@pytest.mark.parametrize(
    "script",
    [
        'eval "`echo dGVsbmV0ZCAtbCAvYmluL3NoCg== | base64 -d`"',
        "echo dGVsbmV0ZCAtbCAvYmluL3NoCg== | base64 -d | sh",
        "sh <<EOF\ntelnetd -l /bin/sh\nEOF",
        "X=$(base64 -d <<< dGVsbmV0ZCAtbCAvYmluL3NoCg==); $X",
    ],
)
def test_follows_what_is_decoded_from_the_script(script: str) -> None:
    machine = busybox(script, programs="usr/sbin/telnetd")
    assert machine.command("telnetd").text == "telnetd -l /bin/sh"
    assert not machine.system.graph.cut


@pytest.mark.parametrize(
    "script",
    ['eval "$(nvram get x | base64 -d)"', "dd if=/dev/mtd5 | openssl enc -d -aes128 -k x | sh -s"],
)
def test_says_that_it_cannot_follow_what_is_decoded(script: str) -> None:
    machine = busybox(script, programs="usr/bin/nvram usr/bin/openssl")
    assert list(machine.system.graph.cut) == ["etc/init.d/rcS:2 runs what it decodes"]


@pytest.mark.parametrize("script", ['eval "$(nvram show)"', "echo x | md5sum | sh -c true"])
def test_does_not_doubt_all_that_is_evaluated(script: str) -> None:
    assert not busybox(script, programs="usr/bin/nvram").system.graph.cut


def test_a_pipeline_of_thousands_takes_no_longer_than_it_is_long() -> None:
    machine = busybox(" | ".join(["echo root:x"] * 5_000))
    assert machine.steps
