"""Start-up that goes on in another volume, or where nobody can look."""

import pytest

from holdfast.audit.model.shapes import Started
from holdfast.audit.model.startup.shell.joined import mounted, unpacked
from tests.audit.model.machine import BUSYBOX, SERVER, Machine, busybox

RUN = "#!/bin/sh\ntelnetd -p 9527 &\n/mnt/mtd/helper &\n"
APP = ":jffs2@0x340000"


def cut(machine: Machine) -> tuple[str, ...]:
    return machine.system.graph.start_up().cut


def camera(script: str, **files: str | bytes) -> Machine:
    return Machine(
        {
            "bin/busybox": BUSYBOX,
            "etc/inittab": "::sysinit:/etc/init.d/rcS\n",
            "etc/init.d/rcS": f"#!/bin/sh\n{script}\n",
            f"{APP}/run.sh": RUN,
            f"{APP}/helper": SERVER,
            ":kernel@0x40/vmlinux": b"\x7f",
            ":romfs@0x300000/bin/tool": b"\x7f",
            **{name.replace("__", "/"): text for name, text in files.items()},
        },
        {"sbin/init": "../bin/busybox", "usr/sbin/telnetd": "../../bin/busybox"},
        modes={f"{APP}/helper": 0o755},
    )


@pytest.mark.parametrize(
    "script",
    [
        "mount -t jffs2 /dev/mtdblock3 /mnt/mtd\n/mnt/mtd/run.sh",
        "mount -t jffs2 /dev/mtdblock3 /mnt/mtd\ncd /mnt/mtd\n./run.sh &",
        "mount -t yaffs2 -o rw /dev/mtdblock3 /mnt/mtd; sh /mnt/mtd/run.sh",
        "mount /dev/mtdblock3 /mnt/mtd; for s in /mnt/mtd/r*.sh; do $s; done",
        "mount -tjffs2 /dev/mtdblock3 /mnt/mtd; mount --bind /mnt/mtd /app; /app/run.sh",
        "busybox mount /dev/mtdblock3 /mnt/mtd; [ -f /mnt/mtd/run.sh ] && . /mnt/mtd/run.sh",
        "mount /dev/mtdblock3 /mnt/mtd; ln -s /mnt/mtd /opt; /opt/run.sh",
    ],
)
def test_a_volume_is_where_it_is_mounted(script: str) -> None:
    machine = camera(script)
    assert machine.when("telnetd") in {Started.BOOT, Started.MAYBE}
    assert machine.command("telnetd").where == f"{APP}/run.sh:2"
    unknown = machine.listener("unknown")
    assert (unknown.program, cut(machine)) == (f"{APP}/helper", ())


def test_fstab_says_what_is_mounted() -> None:
    table = "/dev/mtdblock3 /mnt/mtd jffs2 defaults 0 0\nproc /proc proc defaults 0 0\n"
    assert camera("mount -a; /mnt/mtd/run.sh", etc__fstab=table).when("telnetd") is Started.BOOT
    assert camera("/mnt/mtd/run.sh", etc__fstab=table).when("telnetd") is None


def test_the_kind_decides_between_volumes_that_both_hold_it() -> None:
    other = {":ext@0x9/run.sh": "#!/bin/sh\ntrue\n"}
    machine = camera("mount -t jffs2 /dev/mtdblock3 /mnt/mtd; /mnt/mtd/run.sh", **other)
    assert machine.when("telnetd") is Started.BOOT
    machine = camera("mount /dev/mtdblock3 /mnt/mtd; /mnt/mtd/run.sh", **other)
    assert machine.when("telnetd") is None
    assert cut(machine) == (
        "etc/init.d/rcS:2 runs /mnt/mtd/run.sh, and it comes from elsewhere into /mnt/mtd",
    )


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("mount -t jffs2 /dev/mtdblock5 /usr/local\n/usr/local/bin/start.sh", "elsewhere"),
        ("mount /dev/sda1 /data\n[ -x /data/boot ] && /data/boot", "elsewhere"),
        ("[ -x /mnt/usb/autorun.sh ] && /mnt/usb/autorun.sh", "while the system runs"),
        (". /mnt/flash/rc.user", "while the system runs"),
        ("tar xzf /home/app.tgz -C /opt\n/opt/app/start", "elsewhere"),
        ("cd /opt; unzip -q /home/app.zip; app/start", "elsewhere"),
        ("nvram get script > /etc/x; sh /etc/x", "not known"),
        ("nvram get script > /etc/x; chmod 755 /etc/x; /etc/x", "not known"),
        ("/etc/init.d/network.sh", "not in the image"),
        (". /etc/rc.conf.local", "not in the image"),
    ],
)
def test_what_was_not_followed_is_told(script: str, why: str) -> None:
    machine = busybox(script)
    assert [why in one for one in cut(machine)] == [True], cut(machine)


@pytest.mark.parametrize(
    "script",
    [
        "[ -f /etc/rc.user ] && . /etc/rc.user",  # optional: the read-only image has none
        "[ -x /usr/sbin/extra.sh ] && /usr/sbin/extra.sh",
        "test -r /etc/default/x && . /etc/default/x",
        "[ -f /run/state ] && . /run/state",  # settings that a program leaves
        "/usr/sbin/vconfig add eth0 1",  # a program that is not there does nothing
        "mount -t tmpfs tmpfs /data; mount -t proc proc /proc; mount -o remount,ro /",
        "echo 'true' > /tmp/x.sh; sh /tmp/x.sh",
        "if false; then /mnt/mtd/run.sh; fi",
        "tar czf /tmp/x.tgz -C /opt . ; tar tf /tmp/x.tgz",
    ],
)
def test_what_is_simply_not_there_is_no_doubt(script: str) -> None:
    assert cut(busybox(script)) == ()


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("mount -t jffs2 /dev/mtdblock3 /mnt", ("/dev/mtdblock3", "/mnt", "jffs2")),
        ("mount /dev/sda1 /mnt -t vfat -o ro", ("/dev/sda1", "/mnt", "vfat")),
        ("mount -o bind /a /b", ("/a", "/b", "bind")),
        ("mount -B /a /b", ("/a", "/b", "bind")),
        ("mount /data", ("/dev/x", "/data", "ext4")),
        ("mount -at ext4", ("/dev/x", "/data", "ext4")),
        ("mount none /proc -t proc", None),
        ("mount -o remount,rw /", None),
        ("mount -t", None),
        ("mount", None),
    ],
)
def test_reads_mount(line: str, found: tuple[str, str, str] | None) -> None:
    table = "/dev/x /data ext4 defaults 0 2\n/dev/y /y ext4 noauto 0 0\n"
    assert next(mounted(line.split(), table), None) == found


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("tar xzf /a.tgz -C /opt", ("/a.tgz", "/opt")),
        ("tar -C /opt -xf /a.tar", ("/a.tar", "/opt")),
        ("tar -xJ -f /a.tar.xz", ("/a.tar.xz", "")),
        ("tar xf - -C /opt", ("", "/opt")),
        ("tar --extract --file=/a.tar --directory=/opt", ("/a.tar", "/opt")),
        ("tar czf /a.tgz /etc", None),
        ("unzip -o /a.zip -d /opt", ("/a.zip", "/opt")),
        ("cpio -idm", ("", "")),
        ("cpio -o", None),
        ("tar", None),
    ],
)
def test_reads_archivers(line: str, found: tuple[str, str] | None) -> None:
    told = unpacked(line.split())
    assert (told and (told.archive, told.folder)) == found


def test_an_archive_of_which_little_is_taken_is_not_everywhere() -> None:
    line = "cd /\ntar xvf /nvm/$N.tar nvm/bsp/$FILE\n[ -x /bin/auth ] && /bin/auth x &"
    assert busybox(line).system.graph.start_up().cut == ()
    line = "cd /\ntar xvf /nvm/$N.tar\n[ -x /bin/auth ] && /bin/auth x &"
    assert busybox(line).system.graph.start_up().cut != ()
