"""Passwords that devices are delivered with."""

from holdfast.accounts.blocklist.reader import DELIVERED
from holdfast.accounts.normal import folded
from holdfast.accounts.policy import Lists
from holdfast.accounts.policy.defaults import credentials

# Two rows of the bot's own table that the source list has wrong, and two that it lacks.
MIRAI = {("root", "juantech"), ("admin", "smcadmin"), ("admin", "admin1234"), ("admin", "4321")}


def test_the_table() -> None:
    found = credentials()
    assert len({(one.user, one.password) for one in found}) > 2370
    assert len({one.password for one in found}) > 1690
    mirai = {(one.user, one.password) for one in found if one.product == "Mirai"}
    assert len(mirai) == 61
    assert mirai >= MIRAI
    assert found == sorted(found)


def test_every_one_is_in_the_list_that_comes_with_holdfast(lists: Lists) -> None:
    passwords = {one.password for one in credentials() if one.password}
    missing = {one for one in passwords if lists.rank(folded(one)) != DELIVERED}
    assert missing == set()
