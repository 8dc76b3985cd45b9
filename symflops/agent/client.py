"""One call of the Messages API: a tool that must be used, and every way in which that can fail as one line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from symflops.errors import SymflopsError, one_line

# The newest Opus that can be made to use a tool; later ones refuse that and are offered it (see `_choices`).
DEFAULT_MODEL = "claude-opus-5"
MAX_TOKENS = 16_000
# US dollars per million tokens read and written, list prices of November 2026; the cost of other models is not known.
_PRICES = {
    "claude-fable-5-1": (10, 50), "claude-opus-5-5": (4, 20), "claude-opus-5": (5, 25), "claude-sonnet-5-5": (2, 10),
    "claude-haiku-4-5": (1, 5),
}  # fmt: skip


@dataclass(frozen=True)
class Reply:
    """What came back: the tool's input, or None, and the text around it. `content` is the message as it was received,
    for the next round."""

    given: Any
    text: str
    stop: str
    content: list[dict[str, Any]]
    calls: tuple[str, ...]  # the ids of the tool uses, of any tool
    tokens: tuple[int, int]  # read and written
    identity: str

    @property
    def is_cut_off(self) -> bool:
        return self.stop in ("max_tokens", "model_context_window_exceeded")


@dataclass
class Client:
    """Claude behind the anthropic SDK, which takes key and base URL from the environment.

    `timeout` is in seconds and `retries` are the SDK's own, for rate limits, overload, server errors and connections.
    """

    model: str = DEFAULT_MODEL
    timeout: float = 600.0
    retries: int = 2
    choice: int = 0  # which of `_choices` the model takes

    def __post_init__(self) -> None:
        """Raises SymflopsError, one line, without the SDK and without a key."""
        try:
            import anthropic
        except ImportError as error:
            raise SymflopsError(f"the agent needs the anthropic SDK ({error}): pip install 'symflops[agent]'") from None
        self.errors = anthropic
        try:
            self.sdk = anthropic.Anthropic(timeout=self.timeout, max_retries=self.retries)
            known = bool(self.sdk.auth_headers) or self.sdk.credentials is not None
        except (anthropic.AnthropicError, ValueError) as error:
            raise SymflopsError(f"the API's credentials cannot be used: {error}") from None
        if not known:
            raise SymflopsError("no API key: set ANTHROPIC_API_KEY")

    def ask(self, system: str, messages: Sequence[Mapping[str, Any]], tool: Mapping[str, Any]) -> Reply:
        """The answer to a conversation, through a tool.

        Raises SymflopsError for everything but an answer: a refused key, an unknown model, limits, servers and
        connections that fail, an answer that is no message of the API, and a model that declines.
        """
        e = self.errors
        try:
            message = self._create(system=system, messages=list(messages), tools=[tool], max_tokens=MAX_TOKENS)
            return self._read(message, str(tool["name"]))
        except e.APITimeoutError:
            raise SymflopsError(f"no answer from the API within {self.timeout:g} s") from None
        except e.APIConnectionError as error:
            host = self.sdk.base_url.netloc.decode()  # a URL may have a password in it
            raise SymflopsError(f"cannot reach the API at {host}: {error.__cause__ or error}") from None
        except e.APIStatusError as error:
            why = error.api_message or error.message
            raise SymflopsError(f"the API says {error.status_code}: {one_line(str(why), 200)}") from None
        except e.AnthropicError as error:
            raise SymflopsError(f"the API's answer cannot be used: {error}") from None
        except ValueError as error:  # the SDK passes on what its JSON reader says
            raise SymflopsError(f"the API's answer is no message: {error}") from None

    def _create(self, **request: Any) -> Any:
        while True:
            try:
                return self.sdk.messages.create(model=self.model, **request, **_choices(request)[self.choice])
            except self.errors.BadRequestError as error:
                # Which models refuse a forced tool is nowhere to be asked: the refusal names what it does not take.
                named = str(error.api_message or error.message)
                if self.choice or not ("tool_choice" in named or "thinking" in named):
                    raise
                self.choice = 1

    def _read(self, message: Any, tool: str) -> Reply:
        # The SDK hands over what it was sent without looking at it.
        given = getattr(message, "content", None)
        if not isinstance(given, list) or not isinstance(message.stop_reason, str):
            raise SymflopsError("the API's answer is no message")
        content = [block for block in given if hasattr(block, "to_dict")]
        if message.stop_reason == "refusal":
            raise SymflopsError(f"{self.model} declined to answer")
        uses = [block for block in content if block.type == "tool_use"]
        ours = [block for block in uses if getattr(block, "name", "") == tool]
        usage = getattr(message, "usage", None)
        return Reply(
            getattr(ours[0], "input", None) if len(uses) == len(ours) == 1 else None,
            "\n".join(str(getattr(block, "text", "")) for block in content if block.type == "text"),
            message.stop_reason,
            [block.to_dict() for block in content],
            tuple(str(getattr(block, "id", "")) for block in uses),
            (int(getattr(usage, "input_tokens", 0) or 0), int(getattr(usage, "output_tokens", 0) or 0)),
            str(getattr(message, "id", "")),
        )


def _choices(request: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The tool forced, which no thinking may come before; and for models that refuse that, the tool offered."""
    name = request["tools"][0]["name"]
    forced = {"type": "tool", "name": name, "disable_parallel_tool_use": True}
    return {"tool_choice": forced, "thinking": {"type": "disabled"}}, {"tool_choice": {"type": "auto"}}


def price(model: str, tokens: tuple[int, int]) -> float | None:
    """US dollars for tokens read and written; None where the model's price is not known.

    >>> price("claude-opus-5", (10_000, 2_000))
    0.1
    """
    if model not in _PRICES:
        return None
    return round(sum(n * dollars for n, dollars in zip(tokens, _PRICES[model], strict=True)) / 1e6, 6)
