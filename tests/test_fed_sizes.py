"""What is fed is as large as a size of the config: a symbol, or where it stays a number a fact that is said."""

from __future__ import annotations

import pytest
import transformers
from atlas_choices import bases

from symflops.errors import SymflopsError
from symflops.source import bind, derive

pytestmark = [pytest.mark.torch, pytest.mark.slow]


def test_an_image_that_no_source_asks_the_size_of_is_not_taken_for_another_one():
    """PVTv2 works on images of any size, and does not read the `image_size` that its images have."""

    def config(side: int) -> transformers.PvtV2Config:
        return transformers.PvtV2Config(
            image_size=side, hidden_sizes=[8, 16, 24, 32],
            depths=[1, 1, 1, 1], num_attention_heads=[1, 2, 3, 4], architectures=["PvtV2Model"],
        )  # fmt: skip

    small, large = derive(config(64)), derive(config(128))
    point = {"batch_size": 2}
    assert large.total().at(**point).flops > 3 * small.total().at(**point).flops
    with pytest.raises(SymflopsError, match=r"image_size == \[64, 64\] \(with image_size=\[128, 128\]\)"):
        bind(small, config(128))


def test_an_image_of_another_size_has_as_many_patches_as_it_has():
    """Mistral 3 is told how large its images are and lays out their patches one by one: four times as many are bound
    to what is derived of them. While the side stayed a number, nothing said so."""
    stated = next(bases("mistral3", "Mistral3ForConditionalGeneration"))
    side = 4 * stated["spatial_merge_size"] * stated["vision_config"]["patch_size"]
    stated["vision_config"] |= {"image_size": side, "num_hidden_layers": 1}
    stated["text_config"]["num_hidden_layers"] = 1
    small = derive(stated)
    assert small.inputs[1].text() == "float[1, num_channels, image_size, image_size]"
    stated["vision_config"]["image_size"] = 2 * side
    point = {"batch_size": 1, "seq_len": 20, "past_len": 0, "encoder": 1}
    large = derive(stated).total().at(**point)
    assert large.flops > 2 * small.total().at(**point).flops
    if f"image_size == {side}" not in small.assumes:
        assert small.with_symbols({"image_size": 2 * side}).total().at(**point) == large
