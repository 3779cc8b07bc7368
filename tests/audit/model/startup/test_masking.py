"""Command lines as they stand in a report: without what was secret in them, with all the rest."""

import shlex
from time import process_time

import pytest

from holdfast.audit.model.startup.masking import masked, masked_text

SECRET = "Sesame-42"


@pytest.mark.parametrize(
    "line",
    [
        f"curl -H 'Authorization: Bearer {SECRET}' https://x.example",
        f"wget --header='X-Api-Key: {SECRET}' https://x.example",
        f"curl -uadmin:{SECRET} https://x.example",
        f"curl --user=admin:{SECRET} https://x.example",
        f'curl -d \'{{"user": "a", "password": "{SECRET}"}}\' https://x.example',
        f"wpa_passphrase home {SECRET}",
        f"wpa_cli -i wlan0 set_network 0 wep_key0 {SECRET}",
        f"iwconfig ath0 key {SECRET}",
        f"uci set wireless.@wifi-iface[0].key={SECRET}",
        f"mosquitto_pub -u u -P {SECRET} -t x",
        f"mysql -uroot -p{SECRET}",
        f"busybox ftpget -u user -p {SECRET} host a b",
        f"sshpass -p{SECRET} ssh host",
        f"openssl enc -d -aes-256-cbc -k {SECRET} -in a -out b",
        f"openssl aes-128-cbc -K {SECRET} -iv 00",
        f"openssl passwd -1 {SECRET}",
        f"htpasswd -cb /etc/htpasswd admin {SECRET}",
        f"usermod -p '$6$abcdefgh${SECRET}abcdefgh' root",
        f"echo '$1$abcdefgh${SECRET}abcdefgh'",
        f"nice -n 5 unzip -P {SECRET} firmware.zip",
        f"7z x -p{SECRET} firmware.7z",
        f"lftp -u user,{SECRET} host",
        f"prog --api-key {SECRET}",
        f"prog --auth_key={SECRET}",
        f"wg set wg0 private-key {SECRET}",
    ],
)
def test_secret_is_hidden(line: str) -> None:
    shown = masked(shlex.split(line))
    assert SECRET not in shown
    assert "***" in shown
    assert shown.startswith(line.partition(" ")[0])  # the program is what the reader looks for


@pytest.mark.parametrize(
    "line",
    [
        "mkdir -p /var/run",
        "dropbear -p 22 -P /var/run/dropbear.pid -K 300",
        "nc -l -p 4444 -e /bin/sh",
        "htpasswd /etc/htpasswd admin",
        "wpa_supplicant -i wlan0 -c /etc/wpa.conf -P /var/run/wpa.pid",
        "start-stop-daemon -S -u www:www -x /usr/sbin/httpd",
        "mysqld --user=mysql -P 3306",
        "wpa_passphrase",
        "chat ATZ",
        "curl -u admin https://x.example",
    ],
)
def test_nothing_else_is(line: str) -> None:
    assert masked(shlex.split(line)) == line


@pytest.mark.parametrize("piece", ["x-", "api-", "a.b.", "://a:", "$1$", "'pass':", "telnetd -u "])
def test_a_hostile_line_takes_no_time(piece: str) -> None:
    started = process_time()
    for _ in range(20):
        masked(["foodd", piece * 100_000, *[piece] * 100_000])
        masked_text(piece * 100_000)
    assert process_time() - started < 3


@pytest.mark.parametrize(
    "text",
    [
        "::once:/usr/bin/mysql -u root -pSesame-42 x",
        "*/5 * * * * root /usr/bin/sshpass -p Sesame-42 ssh host",
        "! mysqladmin -pSesame-42 ping",
        "wpa_passphrase home Sesame-42 > /tmp/wpa.conf",
        "curl -H 'Authorization: Basic Sesame-42' https://x.example | grep ok",
        "openssl enc -d -k Sesame-42 -in /etc/x | sh",
    ],
)
def test_source_that_was_not_taken_apart_is_masked_too(text: str) -> None:
    shown = masked_text(text)
    assert SECRET not in shown
    assert "***" in shown


def test_hash_in_a_piece_of_source_is_hidden() -> None:
    assert masked_text('[ "$x" = "$5$salt$abcdefghijkl" ]') == '[ "$x" = "***" ]'
