"""Test optimum's exports of nine families, in float32 and float16, against transformers on the same random weights.

    make test-oracle

`main_export` writes the model folders, with the tokenizer of the tiny models. Both methods of `infer` must give
transformers' greedy answers and log-probabilities. Both must refuse a prompt that is longer than the family's
configuration allows.
"""

import json
import sys
from pathlib import Path

import pytest
import torch
from optimum.exporters.onnx import main_export
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "python"))

from filters import infer  # noqa: E402
from greedy import TINY, prompts, refused  # noqa: E402

SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": 99}
LLAMA = SIZES | {"intermediate_size": 48, "num_key_value_heads": 2, "max_position_embeddings": 128}
FAMILIES = {
    "bloom": {"hidden_size": 32, "n_layer": 2, "n_head": 4, "vocab_size": 99, "seq_length": 128},
    "gemma": LLAMA | {"head_dim": 8},
    "gpt2": {"n_embd": 32, "n_layer": 2, "n_head": 4, "vocab_size": 99, "n_positions": 128},
    "gpt_neox": SIZES | {"intermediate_size": 48, "max_position_embeddings": 128},
    "llama": LLAMA,
    "mistral": LLAMA | {"sliding_window": None},
    "opt": SIZES | {"init_std": 0.3, "ffn_dim": 48, "word_embed_proj_dim": 32, "max_position_embeddings": 128},
    "qwen2": LLAMA,
    "qwen3": LLAMA | {"head_dim": 16},
}
CLOSE = {"fp32": 1e-3, "fp16": 0.03}
# For these families, optimum-onnx 0.1.0 makes invalid float16 graphs, or graphs that return the cache in another type.
FLOAT32_ONLY = {"gemma", "gpt2", "gpt_neox"}


@pytest.fixture(scope="module", params=FAMILIES)
def model(request, tmp_path_factory):
    """(transformers' model, the tokenizer, the folder with both)"""
    torch.manual_seed(17)
    tokens = {"bos_token_id": None, "eos_token_id": 0, "pad_token_id": 0}
    config = AutoConfig.for_model(request.param, initializer_range=0.3, **tokens, **FAMILIES[request.param])
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(TINY / "tokenizer.json"), eos_token="<|endoftext|>")
    folder = tmp_path_factory.mktemp(request.param)
    model.save_pretrained(folder / "source")
    tokenizer.save_pretrained(folder / "source")
    return model, tokenizer, folder


@pytest.fixture(scope="module", params=CLOSE)
def exported(request, model):
    """(transformers' model, the tokenizer, the folder of the export, the tolerance)"""
    *reference, folder = model
    if request.param == "fp16" and reference[0].config.model_type in FLOAT32_ONLY:
        pytest.skip("not exported as it should be")
    out = folder / request.param
    options = {"dtype": "fp16"} if request.param == "fp16" else {}
    main_export(folder / "source", out, task="text-generation-with-past", library_name="transformers", **options)
    return *reference, out, CLOSE[request.param]


@pytest.mark.parametrize("design", ["independent", "nested"])
@pytest.mark.parametrize("method", ["score", "generate"])
def test_an_export_answers_as_transformers_does(exported, design, method):
    model, tokenizer, folder, close = exported
    done = infer(folder, prompts("--shots", "1,4", "--design", design), "--method", method, "--quiet")
    assert done.returncode == 0, done.stderr
    checked = 0
    for line in done.stdout.splitlines()[::2]:
        row = json.loads(line)
        ids = lambda text: [tokenizer.convert_tokens_to_ids({"\n": "\u010a"}.get(symbol, symbol)) for symbol in text]
        prompt, target = ids(row["prompt"]), ids(row["answer"])
        with torch.no_grad():
            logits = model(torch.tensor([prompt + target])).logits[0, len(prompt) - 1 : -1].double()
            expected, read = [], list(prompt)
            for _ in target:
                best = model(torch.tensor([read])).logits[0, -1].argmax().item()
                if best == 0:
                    break
                read.append(best)
        logprob = logits.log_softmax(-1)[range(len(target)), target].sum().item()
        if row["answer_logprob"] is not None:
            assert abs(row["answer_logprob"] - logprob) < close * len(target)
        if row["margin"] > 2 * close:
            checked += 1
            assert row["output"] == "".join(tokenizer.decode([token]) for token in read[len(prompt) :])
    assert checked > 5


def test_a_prompt_beyond_the_longest_is_refused_by_line(exported):
    data = prompts("--shots", "15")
    refused(infer(exported[2], data), 1, "stdin:1: ", "tokens", "reads at most 128")
