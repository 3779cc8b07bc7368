"""Central login: who somebody is, as an LDAP, RADIUS or TACACS+ server says it."""
