"""Numbers of a config that are equal by accident, and lengths that a source divides: neither is taken for a rule."""

from __future__ import annotations

import pytest

pytest.importorskip("transformers")

from small_configs import small_config

from symflops import derive
from symflops.source import bind

pytestmark = [pytest.mark.torch, pytest.mark.xdist_group("coincidences")]


def test_parts_of_a_layer_are_not_counted_by_how_many_layers_there_are() -> None:
    """LongCat-Flash adds residuals between the two halves of each layer, and the small config has three layers: two is
    one less than that, in that config."""
    bound = bind(derive(small_config("longcat_flash", 0)), small_config("longcat_flash", 1))
    other = derive(small_config("longcat_flash", 1))
    point = {"batch_size": 1, "seq_len": 16}
    assert bound.total().at(**point) == other.total().at(**point)


def test_rows_of_ids_are_no_sequences() -> None:
    """MusicGen takes three rows of ids for each sequence here; a batch that three divides is no batch of a third."""
    model = derive(small_config("musicgen", 1))
    # What FlopCounterMode counts in a forward of nine rows of 33 ids: three sequences.
    assert model.total().at(batch_size=3, seq_len=33).matmul_flops == 46_037_376
    assert model.total().at(batch_size=1, seq_len=33).matmul_flops == 46_037_376 // 3
