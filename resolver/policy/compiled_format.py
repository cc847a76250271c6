"""The number of the form that compiled policies have."""

from typing import Final

FORMAT: Final = 4
"""Of the compiled bytes; a snapshot of another format is compiled anew."""
