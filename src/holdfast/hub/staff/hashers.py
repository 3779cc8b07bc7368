"""How staff passwords are hashed."""

from django.contrib.auth.hashers import Argon2PasswordHasher


class Argon2idHasher(Argon2PasswordHasher):
    """Argon2id with 19 MiB, two passes, one lane: OWASP's first choice for a server."""

    time_cost = 2
    memory_cost = 19 * 1024
    parallelism = 1
