"""What a user names a run by; the command line needs no more to list the choices."""

from typing import Literal

ModelName = Literal["pggan", "lc_pggan", "dcgan"]
Target = Literal["positive", "negative"]
"""The class to imitate."""
