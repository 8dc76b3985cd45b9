"""The conversation: ask, judge, say what is wrong, up to a number of rounds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from symflops import progress
from symflops.agent.client import Client, Reply, price
from symflops.agent.gate import Judgement
from symflops.agent.prompt import correction, tool_results

_RANK = ("invalid", "different", "unproven", "equal")


@dataclass
class Log:
    """What was said in a run, in the order in which it was; kept whatever becomes of it."""

    model: str
    system: str
    prompt: str
    rounds: list[dict[str, Any]] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """The run as JSON data, with the tokens of all rounds and their price in US dollars, where it is known."""
        read, written = (sum(r["tokens"][kind] for r in self.rounds) for kind in ("read", "written"))
        return {
            "model": self.model,
            "system": self.system,
            "prompt": self.prompt,
            "rounds": self.rounds,
            "tokens": {"read": read, "written": written},
            "usd": price(self.model, (read, written)),
        }


def converse(
    client: Client,
    log: Log,
    tool: Mapping[str, Any],
    judge: Callable[[Any], Judgement],
    rounds: int,
) -> tuple[Judgement, Any]:
    """The best answer of a conversation, and its judgement. It ends when an answer is equal to the reference, or when
    nothing can be said against one that cannot be proved.

    Raises SymflopsError for what the client raises; `log` has every round until then.
    """
    messages: list[dict[str, Any]] = [{"role": "user", "content": log.prompt}]
    best: tuple[Judgement, Any] = Judgement("invalid", "no answer"), None
    for number in range(1, rounds + 1):
        progress.tell(f"round {number} of {rounds}: asking {client.model}")
        answer = client.ask(log.system, messages, tool)
        progress.tell(f"round {number} of {rounds}: checking the answer")
        judgement = _judged(answer, judge)
        log.rounds.append(_entry(answer, judgement))
        if _RANK.index(judgement.status) >= _RANK.index(best[0].status):
            best = judgement, answer.given
        if judgement.status == "equal" or (judgement.status == "unproven" and not _is_told(judgement)):
            break
        results = tool_results(answer.calls, correction(judgement.said))
        messages += [
            {"role": "assistant", "content": answer.content or "(nothing)"},
            {"role": "user", "content": results},
        ]
    return best


def _judged(answer: Reply, judge: Callable[[Any], Judgement]) -> Judgement:
    if answer.is_cut_off:
        return Judgement("invalid", "the answer was cut off: it is longer than the limit of tokens")
    if answer.given is None:
        said = "the answer has more than one tool use" if len(answer.calls) > 1 else "the answer does not use the tool"
        return Judgement("invalid", said)
    return judge(answer.given)


def _is_told(judgement: Judgement) -> bool:
    """Whether an unproven answer could be written in another way that can be proved."""
    return any(verdict["status"] == "unproven" for verdict in judgement.verdicts)


def _entry(answer: Reply, judgement: Judgement) -> dict[str, Any]:
    return {
        "id": answer.identity,
        "stop": answer.stop,
        "answer": answer.given,
        "text": answer.text,
        "status": judgement.status,
        "said": judgement.said,
        "verdicts": [dict(v) for v in judgement.verdicts if v["status"] != "equal"],
        "tokens": {"read": answer.tokens[0], "written": answer.tokens[1]},
    }
