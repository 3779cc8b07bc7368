"""How passwords are kept: Argon2id over what only this device's key can make of them.

Importing this loads nothing. `passwords` loads Argon2 and libcrypto, so a resident process of the
device leaves it to a short-lived child; `costs` and `slots` are small enough for everybody.
"""
