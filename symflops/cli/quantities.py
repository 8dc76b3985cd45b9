"""Numbers and tables as people read them in a terminal."""

from __future__ import annotations

from symflops.cli.terminal import aligned as aligned
from symflops.units import engineering as engineering
from symflops.units import exact_number as exact_number
from symflops.units import printable as printable
