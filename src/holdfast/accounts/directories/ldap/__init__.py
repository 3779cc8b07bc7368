"""LDAP and Active Directory, with a client of our own (docs/decisions/0015)."""

from holdfast.accounts.directories.ldap.directory import LdapDirectory

__all__ = ["LdapDirectory"]
