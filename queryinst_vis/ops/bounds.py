"""How much reading a file that nobody vouches for may cost. Environment variables move the limits.

A few bytes can promise a picture of a terabyte. What exceeds a limit is refused before memory is taken for it.
"""

import os
from dataclasses import dataclass

from queryinst_vis.errors import UserError


@dataclass(frozen=True, slots=True)
class Bound:
    """A limit. variable: of the environment; usual: without it; unit: in words."""

    variable: str
    usual: int
    unit: str

    def most(self) -> int:
        """What is allowed now. UserError: the variable is no number above 0."""
        text = os.environ.get(self.variable, "").strip()
        if not text:
            return self.usual
        if not text.isdecimal() or not text.isascii() or len(text) > 18 or not int(text):
            raise UserError(f"{self.variable}={text:.40} must be a whole number of {self.unit} above 0")
        return int(text)

    def remedy(self) -> str:
        """What to do, for the end of a message."""
        return f"{self.variable} allows more"

    def problem(self, amount: int) -> str | None:
        """What to say of so much, None when it is within the limit."""
        most = self.most()
        return None if amount <= most else f"{amount} {self.unit} exceed the limit of {most}; {self.remedy()}"


PIXELS = Bound("QUERYINST_VIS_MAX_PIXELS", 100_000_000, "pixels")  # of a picture or a frame
HEADER = Bound("QUERYINST_VIS_MAX_HEADER_BYTES", 16_000_000, "bytes")  # of weights; 2,000 tensors take 0.2 million
UNPACKED = Bound("QUERYINST_VIS_MAX_UNPACKED_BYTES", 4_000_000_000, "bytes")  # of a zip's member that is read whole
