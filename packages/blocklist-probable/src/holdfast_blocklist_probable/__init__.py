"""A block list for Holdfast under CC-BY-SA-4.0, and the list of passwords that it is made from."""

from pathlib import Path
from typing import Final

PATH: Final = Path(__file__).with_name("probable.blocklist")
"""The block list; name it in the settings. Holdfast knows its seal, so it needs no key."""
