"""What can be wrong with a product profile."""

from holdfast.core.config import ConfigError
from holdfast.core.errors import UsageError


class ProfileError(ConfigError):
    """A product profile cannot be read, or says something that it may not say.

    Attributes:
        faults: All of them, by line.
    """

    code = "product-profile"
    hint = "Correct the named lines; `holdfast product check` names them again."


class ProfileExistsError(UsageError):
    """A new profile would have replaced a file."""

    code = "product-profile-exists"
    http_status = 409
    hint = "Choose another file name, or move the old file away first."
