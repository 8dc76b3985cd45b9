"""The script that compares real configs with what was counted of them: its judgement, and its processes."""

from __future__ import annotations

import json
import os
import time

import check_configs
import pytest

import symflops
from symflops.model import load

TINY = {
    "model_type": "llama", "architectures": ["LlamaForCausalLM"], "vocab_size": 32, "hidden_size": 8,
    "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1,
}  # fmt: skip
# By hand: embedding and head 2*32*8; a layer q, o 2*8*8, k, v 2*8*4, mlp 3*8*16, two norms 2*8; the last norm 8.
PARAMETERS = 2 * 32 * 8 + 2 * (2 * 8 * 8 + 2 * 8 * 4 + 3 * 8 * 16 + 2 * 8) + 8
# Of the matrices each is 2 FLOPs per weight and token, without the embedding's; attention 4 per pair and head width.
WEIGHTS = 32 * 8 + 2 * (2 * 8 * 8 + 2 * 8 * 4 + 3 * 8 * 16)
PREFILL = 2 * 3 * WEIGHTS + 2 * 4 * 8 * 3 * 3
DECODE = 2 * 2 * WEIGHTS + 2 * 4 * 8 * 2 * 701
EXPECTED = {"parameters": PARAMETERS, "S": 3, "matmul_flops": PREFILL, "decode_2_1_700": DECODE}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(check_configs, "MODELS", tmp_path / "derived")
    monkeypatch.setattr(check_configs, "RESULTS", tmp_path / "rows.jsonl")

    def made(name, config, expected):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text(json.dumps(config))
        (tmp_path / name / "expected.json").write_text(json.dumps(expected))
        return tmp_path / name

    return made


@pytest.mark.torch
def test_equal_and_different(folder):
    row = check_configs.derived(folder("a", TINY, EXPECTED), 60)
    assert [row[column] for column in check_configs.COLUMNS] == ["equal"] * 3
    row = check_configs.compare(load(check_configs.MODELS / "a.json"), EXPECTED | {"decode_2_1_700": DECODE + 1})
    assert row["decode_2_1_700"] == f"{DECODE:,}, counted {DECODE + 1:,}"
    assert check_configs.verdict(row) == "different"


@pytest.mark.torch
def test_another_class_than_was_counted(folder):
    row = check_configs.derived(folder("a", TINY, EXPECTED | {"class": "LlamaModel", "parameters": 7}), 60)
    assert row["class"] == "LlamaForCausalLM, counted LlamaModel"
    assert check_configs.verdict(row) == "another class"
    row = check_configs.derived(folder("b", TINY, EXPECTED | {"class": "LlamaForCausalLM"}), 60)
    assert check_configs.verdict(row) == "equal"


@pytest.mark.torch
def test_a_refusal_and_what_nobody_counted(folder):
    unknown = {"model_type": "no_such_type"}
    row = check_configs.derived(folder("a", unknown, {"note": "unknown"}), 60)
    assert "no_such_type" in row["refused"]
    assert check_configs.verdict(row) == "refused, and not counted"
    row = check_configs.derived(folder("b", unknown, EXPECTED), 60)
    assert check_configs.verdict(row) == "refused"


PAIR = {
    "model_type": "bart", "architectures": ["BartModel"], "vocab_size": 32, "d_model": 8, "encoder_layers": 1,
    "decoder_layers": 1, "encoder_ffn_dim": 16, "decoder_ffn_dim": 16, "encoder_attention_heads": 2,
    "decoder_attention_heads": 2, "max_position_embeddings": 40,
}  # fmt: skip


@pytest.mark.torch
def test_a_decoder_that_is_fed_nothing_takes_the_tokens_of_the_encoder(folder):
    # By hand, of 5 tokens: attention has 4 matrices of 8 x 8 and two products of 5 x 5 x 8, once in the encoder and
    # twice in the decoder; each has an MLP of 2 matrices of 8 x 16.
    flops = 2 * 5 * (3 * 4 * 8 * 8 + 2 * 2 * 8 * 16) + 3 * 2 * 2 * 5 * 5 * 8
    expected = {"S": 5, "matmul_flops": flops, "decode_2_1_700": "RuntimeError"}
    row = check_configs.derived(folder("a", PAIR, expected), 60)
    assert (row["matmul_flops"], row["decode_2_1_700"][:11]) == ("equal", "not counted")
    assert check_configs.verdict(row) == "equal"


@pytest.mark.torch
def test_what_no_number_is_stated_of_is_counted(folder, monkeypatch):
    import types_count

    resnet = {
        "model_type": "resnet", "architectures": ["ResNetModel"], "num_channels": 3, "embedding_size": 8,
        "hidden_sizes": [8, 16], "depths": [1, 1], "layer_type": "basic",
    }  # fmt: skip
    row = check_configs.derived(folder("a", resnet, {"note": "fails without images"}), 60)
    assert [row[column] for column in check_configs.COLUMNS] == ["equal", "equal", "not counted"]
    monkeypatch.setattr(types_count, "matmul_flops", lambda *_: 7)
    row = check_configs.derived(folder("b", resnet, {"note": "fails without images"}), 60)
    assert ", counted 7" in row["matmul_flops"]
    assert check_configs.verdict(row) == "different"


def test_a_point_that_is_refused_though_it_was_counted():
    model = symflops.load("gpt2")  # 1,024 positions
    row = check_configs.compare(model, {"S": 2000, "matmul_flops": 7, "decode_2_1_700": "IndexError"})
    assert row["matmul_flops"].startswith("refused: ")
    assert check_configs.verdict(row) == "refused at a point"


@pytest.mark.torch
def test_bound_to_another(folder):
    first = folder("a", TINY, EXPECTED)
    check_configs.derived(first, 60)
    other = {**TINY, "num_hidden_layers": 1, "tie_word_embeddings": False}
    layer = (PARAMETERS - 2 * 32 * 8 - 8) // 2
    second = folder("b", other, {"parameters": PARAMETERS - layer})
    third = folder("c", {**TINY, "hidden_act": "gelu"}, EXPECTED)
    rows = dict(check_configs.bound(first, [second, third]))
    assert rows["b"]["parameters"] == "equal"
    assert "hidden_act" in rows["c"]["refused"]


def test_a_process_that_dies_or_hangs_costs_its_own_row():
    def dies(hand_over):
        hand_over({"config": "first"})
        os._exit(3)

    rows = list(check_configs._apart(dies, 60, {"config": "second"}))
    assert rows[0] == {"config": "first"}
    assert rows[1]["config"] == "second"
    assert "ended with status" in rows[1]["failed"]
    (row,) = check_configs._apart(lambda _: time.sleep(600), 1, {"config": "slow"})
    assert row["failed"] == "more than 1 s"
    (row,) = check_configs._apart(lambda _: 1 / 0, 60, {"config": "wrong"})
    assert row["failed"] == "ZeroDivisionError: division by zero"


@pytest.mark.torch
def test_what_is_finished_is_not_done_again(folder, monkeypatch, capsys):
    one = folder("a", TINY, EXPECTED)
    done = []
    monkeypatch.setattr(check_configs, "_apart", lambda *_: done.append(1) or [{"config": "a", "parameters": "equal"}])
    monkeypatch.setattr("sys.argv", ["check_configs.py", str(one.parent)])
    check_configs.main()
    check_configs.main()
    assert len(done) == 1
    assert capsys.readouterr().out.count("1 rows: 1 equal.") == 2


def test_the_table_escapes_and_counts():
    text = check_configs.table([{"config": "a", "refused": "x|y"}, {"config": "b", "to": "c", "parameters": "equal"}])
    assert "| a | refused |  |  |  |  | x\\|y |" in text
    assert "| b → c | equal | equal |" in text
    assert "2 rows: 1 equal, 1 refused." in text
