"""Make the tiny models of the tests, and record transformers' answers with the same weights.

    python3 tests/oracle/make_tiny_models.py

Writes tests/fixtures/models/tiny-hf (optimum's export), tiny-subset (by scripts/convert, from a GGUF file written
here) and tiny.json. Runs in the environment of tests/oracle/requirements.txt; the result is committed. The model is a
Llama with random weights from a seed. The answers mean nothing, but every logit depends on every weight.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

import gguf
import numpy as np
import onnxruntime
import torch
from optimum.exporters.onnx import main_export
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

ROOT = Path(__file__).resolve().parents[2]
MODELS = ROOT / "tests" / "fixtures" / "models"
SEED = 20251116
END = "<|endoftext|>"
# A line break and a space as in byte-level BPE, the printable characters, and two pairs that merge. Because of the
# pairs, a program must take care that one symbol becomes one token.
TOKENS = [END, "\u010a", "\u0120", *(chr(c) for c in range(0x21, 0x7F)), "AT", "GC"]
MERGES = ["A T", "G C"]
CONFIG = {
    "vocab_size": len(TOKENS),
    "hidden_size": 24,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 16,
    "max_position_embeddings": 512,
    "rms_norm_eps": 1e-5,
    "rope_theta": 10000.0,
    "tie_word_embeddings": False,
    "bos_token_id": None,
    "eos_token_id": 0,
    # transformers' default, 0.02, gives flat logits. With this value, the best two logits lie well apart.
    "initializer_range": 0.4,
}
PROMPTS = [
    "0110",
    "3",
    "ACGTACGT",
    "ATGC",
    "7337>3773\n7733>",
    "A,C\nG,T\n",
    ">",
    "\n",
    "CCCCCCCC",
    "01234567890123456789",
    "1,0,1,1,0,1,0,0,",
    "x>y\n",
    "GATTACA" * 6,
    "82288228",
    "5 6 5 6 5",
    "ACCA>CAAC\nCCAA>AACC\nCACA>",
    "The query: 1001",
    "9" * 64,
    "(a+b)*c",
    "TTTTGGGGTTTTGGGGCCCCAAAACCCCAAAA" * 8,
]
NEW_TOKENS = 8


def write_gguf(model: LlamaForCausalLM, path: Path) -> None:
    """Writes the model as llama.cpp's converter does, with the rows of Q and K interleaved."""
    c = model.config
    w = gguf.GGUFWriter(path, "llama")
    w.add_name("tiny")
    w.add_license("MIT OR Apache-2.0")
    w.add_block_count(c.num_hidden_layers)
    w.add_context_length(c.max_position_embeddings)
    w.add_embedding_length(c.hidden_size)
    w.add_feed_forward_length(c.intermediate_size)
    w.add_head_count(c.num_attention_heads)
    w.add_head_count_kv(c.num_key_value_heads)
    w.add_layer_norm_rms_eps(c.rms_norm_eps)
    w.add_rope_freq_base(c.rope_theta)
    w.add_rope_dimension_count(c.head_dim)
    w.add_key_length(c.head_dim)
    w.add_value_length(c.head_dim)
    w.add_tokenizer_model("gpt2")
    w.add_tokenizer_pre("smollm")
    w.add_token_list(TOKENS)
    w.add_token_types([gguf.TokenType.CONTROL] + [gguf.TokenType.NORMAL] * (len(TOKENS) - 1))
    w.add_token_merges(MERGES)
    w.add_eos_token_id(c.eos_token_id)
    w.add_add_bos_token(False)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, c.num_hidden_layers)
    for name, tensor in model.state_dict().items():
        array = tensor.numpy()
        heads = {"q_proj": c.num_attention_heads, "k_proj": c.num_key_value_heads}.get(name.split(".")[-2])
        if heads:
            rows, columns = array.shape
            array = array.reshape(heads, 2, rows // heads // 2, columns).swapaxes(1, 2).reshape(rows, columns)
        w.add_tensor(names.get_name(name, try_suffixes=(".weight",)), np.ascontiguousarray(array))
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def answers(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast) -> list[dict]:
    """transformers' greedy continuation of each prompt."""
    table = []
    for prompt in PROMPTS:
        ids = tokenizer(prompt, return_tensors="pt").input_ids
        out = model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            do_sample=False,
            max_new_tokens=NEW_TOKENS,
            return_dict_in_generate=True,
            output_logits=True,
            pad_token_id=0,
        )
        logits = torch.cat(out.logits).double()
        tokens = out.sequences[0, ids.shape[1] :]
        best = logits.topk(2).values
        table.append(
            {
                "prompt": prompt,
                "ids": ids[0].tolist(),
                "tokens": tokens.tolist(),
                "text": tokenizer.decode(tokens),
                "logprobs": [round(v, 6) for v in logits.log_softmax(-1).gather(1, tokens[:, None])[:, 0].tolist()],
                "margins": [round(v, 6) for v in (best[:, 0] - best[:, 1]).tolist()],
            }
        )
    return table


def largest_difference(model: LlamaForCausalLM, table: list[dict]) -> dict[str, float]:
    """For both ONNX graphs, the largest difference of a logit from transformers', over all positions."""
    c = model.config
    sessions = {
        name: onnxruntime.InferenceSession(MODELS / name / "model.onnx", providers=["CPUExecutionProvider"])
        for name in ("tiny-hf", "tiny-subset")
    }
    worst = dict.fromkeys(sessions, 0.0)
    for row in table:
        ids = np.array([row["ids"] + row["tokens"]], np.int64)
        tokens = ids.shape[1]
        steps = np.arange(tokens)[None]
        feeds = {
            "tiny-hf": {"attention_mask": np.ones_like(ids), "position_ids": steps},
            "tiny-subset": {
                "seqlens_k": np.array([tokens - 1], np.int32),
                "total_sequence_length": np.array([tokens], np.int32),
                "positions": steps,
                "choices": np.tile(np.arange(c.vocab_size), (1, tokens, 1)),
            },
        }
        with torch.no_grad():
            reference = model(torch.from_numpy(ids)).logits.numpy()
        for name, session in sessions.items():
            # tiny-subset writes new tokens into the past cache, which needs room. tiny-hf returns a longer cache.
            room = tokens if name == "tiny-subset" else 0
            past = np.zeros((1, c.num_key_value_heads, room, c.head_dim), np.float32)
            cache = {i.name: past for i in session.get_inputs() if i.name.startswith("past")}
            output = "chosen" if name == "tiny-subset" else "logits"
            logits = session.run([output], {"input_ids": ids} | feeds[name] | cache)[0]
            worst[name] = max(worst[name], float(abs(logits - reference).max()))
    return worst


def tiny_model() -> LlamaForCausalLM:
    torch.manual_seed(SEED)
    model = LlamaForCausalLM(LlamaConfig(**CONFIG)).eval()
    with torch.no_grad():
        for name, tensor in model.named_parameters():
            if "norm" in name:
                tensor.uniform_(0.5, 1.5)
    return model


def main() -> None:
    model = tiny_model()
    for name in ("tiny-hf", "tiny-subset"):
        shutil.rmtree(MODELS / name, ignore_errors=True)
    with tempfile.TemporaryDirectory() as temp:
        temp = Path(temp)
        write_gguf(model, temp / "tiny.gguf")
        subset = MODELS / "tiny-subset"
        subprocess.run([sys.executable, ROOT / "scripts" / "convert", temp / "tiny.gguf", "-o", subset], check=True)
        tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(subset / "tokenizer.json"))
        model.save_pretrained(temp / "hf")
        exported = temp / "onnx"
        main_export(temp / "hf", exported, task="text-generation-with-past", library_name="transformers")
        (MODELS / "tiny-hf").mkdir()
        for file in ("model.onnx", "config.json"):
            shutil.copyfile(exported / file, MODELS / "tiny-hf" / file)
        shutil.copyfile(subset / "tokenizer.json", MODELS / "tiny-hf" / "tokenizer.json")
    table = answers(model, tokenizer)
    worst = largest_difference(model, table)
    if max(worst.values()) > 1e-4:
        sys.exit(f"the ONNX graphs do not agree with transformers: {worst}")
    made_with = {p: version(p) for p in ("torch", "transformers", "optimum", "optimum-onnx", "onnx", "onnxruntime", "gguf")}
    header = {"made_with": made_with, "seed": SEED, "largest_logit_difference": worst}
    # One prompt per line, for readers and diffs.
    lines = [f' "{key}": {json.dumps(value)},' for key, value in header.items()]
    lines.append(' "prompts": [\n  ' + ",\n  ".join(json.dumps(row) for row in table) + "\n ]")
    (MODELS / "tiny.json").write_text("{\n" + "\n".join(lines) + "\n}\n")
    print(worst)


if __name__ == "__main__":
    main()
