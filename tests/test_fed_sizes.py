"""What is fed is as large as a size of the config: a symbol, or where it stays a number a fact that is said."""

from __future__ import annotations

import pytest
from atlas_choices import bases

from symflops.source import derive

pytestmark = [pytest.mark.torch, pytest.mark.slow]


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
