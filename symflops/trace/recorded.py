"""One call of a model, as a program: what `symflops show --program` prints."""

from __future__ import annotations

from typing import Any

from symflops import deadline
from symflops.errors import SymflopsError
from symflops.program.block import Program
from symflops.trace.architecture import sizes_by_name, windowed
from symflops.trace.conditions import conditions
from symflops.trace.configs import find
from symflops.trace.feeds import run_hints
from symflops.trace.internals import check_versions
from symflops.trace.patches import old_objects_left_alone
from symflops.trace.programs import program_of
from symflops.trace.refine import Knowledge
from symflops.trace.settings import Settings
from symflops.trace.usual_inputs import usual_inputs
from symflops.trace.work import Work


def recorded(what: Any, *, attention: str = "fused", timeout: float = deadline.DERIVATION) -> Program:
    """The program of one call of a transformers config's model: with tokens in its cache, where it takes one.
    Parameters and errors are those of `derive`.

    >>> from symflops.program.block import Again
    >>> from transformers import GPT2Config
    >>> program = recorded(GPT2Config(n_layer=2))
    >>> transformer = program.body.items[0]
    >>> [item.path for item in transformer.items if isinstance(item, Again)]
    ['transformer.h.1']
    """
    check_versions()
    named = find(what)
    named = named._replace(inputs=usual_inputs(named))
    settings = Settings(eager=attention == "eager", past="none" if named.inputs else "symbol")
    known = Knowledge(
        {*windowed(named.config)}, run_symbols=frozenset(run_hints(named.inputs, sizes_by_name(named.config)))
    )
    try:
        with deadline.limit(timeout), old_objects_left_alone():
            run, shape = Work(named, known).run(settings)
            assert run.recorder is not None
            return program_of(run.recorder, named.name, conditions(run, shape, shape.numbers))
    except deadline.OutOfTimeError:
        raise SymflopsError(f"not recorded within {timeout:g} s of processor time", where=named.name) from None
    except SymflopsError as error:
        raise error.within(named.name) from None
