"""Types whose sources do something unusual: what a call asks for, configs made on the way, layers called by forward."""

from __future__ import annotations

import pytest
import torch
import transformers
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode
from types_count import built, parameters

import symflops
from symflops.polynomial import multiply, symbol
from symflops.trace.architecture import architecture
from symflops.trace.internals import Sizes
from symflops.trace.patches import sizes_validated
from symflops.trace.refusal import words_of

pytestmark = pytest.mark.torch


def test_what_a_call_with_ids_asks_for_is_fed_beside_them() -> None:
    """BROS takes ids, and refuses a call without boxes."""
    sizes = {"hidden_size": 64, "num_attention_heads": 4, "intermediate_size": 128, "num_hidden_layers": 2}
    config = transformers.BrosConfig(vocab_size=99, **sizes)
    model = symflops.derive(config, task="base")
    assert [f"{one.name}: {one.text()}" for one in model.inputs] == [
        "input_ids: int64[batch_size, seq_len]", "bbox: int64[batch_size, seq_len, 4]",
    ]  # fmt: skip
    real = built(transformers.BrosModel, config, fake=False)
    ids = torch.ones(2, 9, dtype=torch.long)
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        real(input_ids=ids, bbox=torch.ones(2, 9, 4, dtype=torch.long))
    assert model.total().at(batch_size=2, seq_len=9).matmul_flops == counter.get_total_flops()


def test_layers_whose_forward_is_called_by_its_name_each_own_their_weights() -> None:
    sizes = {"hidden_size": 64, "embedding_size": 64, "num_attention_heads": 4, "intermediate_size": 128}
    config = transformers.SqueezeBertConfig(vocab_size=99, num_hidden_layers=4, **sizes)
    model = symflops.derive(config, task="base")
    assert model.total().parameters == parameters(built(transformers.SqueezeBertModel, config))


def test_a_config_that_a_source_makes_on_the_way_takes_symbols() -> None:
    sizes = Sizes()
    values = {**transformers.MimiConfig().to_dict(), "hidden_size": sizes.symbol("width", 512)}
    with pytest.raises(Exception, match="hidden_size"):
        transformers.MimiConfig(**values)
    with sizes_validated():
        assert transformers.MimiConfig(**values).hidden_size is values["hidden_size"]


def test_an_argument_that_begins_a_sentence_is_found() -> None:
    assert "bbox" in words_of(ValueError("Bbox is required for horizontal relative position bias"))


@pytest.mark.parametrize(("image_size", "is_so"), [(72, True), (48, False)])
def test_a_field_is_what_others_say_only_where_the_config_has_such_numbers(image_size: int, is_so: bool) -> None:
    """Patches of 12 that fill a window of 6, or are fewer and padded, of SAM 3: these were taken for wider."""
    config = transformers.PreTrainedConfig(image_size=image_size, patch_size=12, window_size=6)
    shape = architecture(config, set(), set())
    assert shape.solve(symbol("image_size"), multiply(symbol("patch_size"), symbol("window_size"))) is is_so
