"""What is fed is as large as a size of the config: where that stays a number in the closed form, it is said."""

from __future__ import annotations

import pytest
from atlas_choices import bases

from symflops.source import derive

pytestmark = [pytest.mark.torch, pytest.mark.slow]


def test_an_image_of_a_size_that_stays_a_number_is_a_fact():
    """Mistral 3 is told how large its images are and lays out their patches one by one, so their number is one of the
    closed form: four times as many patches are another one."""
    stated = next(bases("mistral3", "Mistral3ForConditionalGeneration"))
    side = 4 * stated["spatial_merge_size"] * stated["vision_config"]["patch_size"]
    stated["vision_config"] |= {"image_size": side, "num_hidden_layers": 1}
    stated["text_config"]["num_hidden_layers"] = 1
    small = derive(stated)
    assert small.inputs[1].text() == "float[1, num_channels, image_size, image_size]"
    assert f"image_size == {side}" in small.assumes
    stated["vision_config"]["image_size"] = 2 * side
    point = {"batch_size": 1, "seq_len": 8, "past_len": 0, "encoder": 1}
    assert derive(stated).total().at(**point).flops > 2 * small.total().at(**point).flops
