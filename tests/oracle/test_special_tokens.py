"""Test that transformers begins texts and ends answers with the tokens in tests/fixtures/models/special-tokens.json.

    target/venv-oracle/bin/python -m pytest tests/oracle/test_special_tokens.py
"""

import json
from pathlib import Path

import pytest
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM

TABLE = json.loads((Path(__file__).parents[1] / "fixtures" / "models" / "special-tokens.json").read_text())
SIZES = {"vocab_size": 100, "hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}


@pytest.mark.parametrize("case", [c for c in TABLE["cases"] if "refused" not in c], ids=lambda case: case["name"])
def test_transformers_begins_and_ends_likewise(case, tmp_path):
    LlamaForCausalLM(LlamaConfig(**SIZES)).save_pretrained(tmp_path)
    (tmp_path / "generation_config.json").unlink()
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json", "generation_config.json"):
        path = tmp_path / name
        if name in TABLE or name in case:
            saved = json.loads(path.read_text()) if path.exists() else {}
            path.write_text(json.dumps(saved | TABLE.get(name, {}) | case.get(name, {})))
    if "not transformers'" not in case:
        ids = AutoTokenizer.from_pretrained(tmp_path)("A").input_ids
        assert ids == [*case["first"], TABLE["tokenizer.json"]["model"]["vocab"]["A"]]
    model = AutoModelForCausalLM.from_pretrained(tmp_path)
    end = model._prepare_generation_config(None)[0].eos_token_id
    assert ([] if end is None else end if isinstance(end, list) else [end]) == case["end"]
