"""How fast text is generated: seconds, tokens per second, and what a million tokens take of energy and money."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from symflops.units import seconds, separated

MILLION = 10**6
# Quantities of a Speed: the key, the words, and how a number of it is written.
QUANTITIES = {
    "ttft_seconds": "time to first token",
    "tpot_seconds": "time per output token",
    "seconds": "all tokens",
    "request_tokens_per_second": "tokens/s of a request",
    "tokens_per_second": "tokens/s of the machine",
    "joules_per_million": "energy of 1M tokens",
    "price_per_million": "price of 1M tokens",
}


@dataclass(frozen=True)
class Speed:
    """How fast it is: seconds to the first token (`ttft`) and for each further one (`tpot`, None where there is none).

    `price_per_hour` is what all devices together cost, `watts` what they draw at most; None where it is not known.
    """

    ttft: float
    tpot: float | None
    batch: int
    new_tokens: int
    price_per_hour: float | None = None
    watts: float | None = None

    @property
    def seconds(self) -> float:
        """From the prompts to the last token."""
        return self.ttft + (self.new_tokens - 1) * (self.tpot or 0.0)

    @property
    def request_tokens_per_second(self) -> float | None:
        """Generated tokens of one request by the time of all; None where it takes no time."""
        return self.new_tokens / self.seconds if self.seconds else None

    @property
    def tokens_per_second(self) -> float | None:
        """Generated tokens of the whole batch by the time of all."""
        each = self.request_tokens_per_second
        return None if each is None else self.batch * each

    @property
    def price_per_million(self) -> float | None:
        """Money for a million generated tokens."""
        return None if self.price_per_hour is None else self._per_million(self.price_per_hour / 3600)

    @property
    def joules_per_million(self) -> float | None:
        """Energy for a million generated tokens, with all devices at their full power all the time."""
        return None if self.watts is None else self._per_million(self.watts)

    def _per_million(self, per_second: float) -> float:
        return per_second * self.seconds * MILLION / (self.batch * self.new_tokens)

    @property
    def numbers(self) -> Mapping[str, float | None]:
        """Each of the `QUANTITIES`; None where it is not known."""
        found = (
            self.ttft, self.tpot, self.seconds, self.request_tokens_per_second, self.tokens_per_second,
            self.joules_per_million, self.price_per_million,
        )  # fmt: skip
        return dict(zip(QUANTITIES, found, strict=True))


def written(name: str, number: float | None) -> str:
    """A number of one of the `QUANTITIES` as people read it; nothing for None."""
    if number is None:
        return ""
    if name.endswith("seconds"):
        return seconds(number)
    if name == "joules_per_million":
        return f"{separated(number / 1000, 4)} kJ"
    return f"{separated(number, 4)}"
