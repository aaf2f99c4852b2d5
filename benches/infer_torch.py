"""transformers and matrix products, for benches/infer.py: a process that answers one request line at a time.

    python3 benches/infer_torch.py FILE.gguf TOKENIZER.json THREADS

It reads one JSON object per line on standard input and answers each with one line:

    {"do": "prefill", "text": TEXT, "keep": N}
        one pass in float32 by scaled-dot-product attention, no cache kept, logits of the last N tokens only:
        {"seconds": S, "tokens": T, "text": TEXT}, the N arg-max tokens
    {"do": "calibrate", "texts": [TEXT, ..], "new": N}
        how many of these prompts of one length to read at a time: {"batch": B}
    {"do": "generate", "groups": [{"texts": [TEXT, ..], "batch": B}, ..], "new": N}
        greedy decoding, each group's prompts B at a time: {"seconds": S, "tokens": T, "texts": [TEXT, ..]}
    {"do": "sgemm", "shapes": [[M, K, N, COUNT], ..]}
        all these products, by the fastest of numpy, torch and ONNX Runtime: {"seconds": S}

The seconds cover the model only: texts are tokenized before. Runs with tests/oracle/requirements.txt.
"""

import json
import os
import sys
import time
from pathlib import Path

# Set these before numpy and torch are loaded, which read them once. The core type named for OpenBLAS may be slower.
os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = sys.argv[3]
os.environ.pop("OPENBLAS_CORETYPE", None)

import numpy as np
import onnx
import onnxruntime
import torch
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM

# Batch sizes to try, and the most tokens that the prompts of a batch may have together.
BATCHES = (1, 2, 4, 8, 16)
MOST_TOKENS = 4096


class Peer:
    """The model and the requests that it can answer."""

    def __init__(self, source: Path, tokenizer: Path, threads: int):
        torch.set_num_threads(threads)
        self._threads = threads
        self._tokenizer = Tokenizer.from_file(str(tokenizer))
        self._model = AutoModelForCausalLM.from_pretrained(
            source.parent, gguf_file=source.name, dtype=torch.float32, attn_implementation="sdpa"
        ).eval()
        self._model.generation_config.pad_token_id = self._model.config.eos_token_id

    def _ids(self, texts: list[str]) -> torch.Tensor:
        ids = [self._tokenizer.encode(text, add_special_tokens=False).ids for text in texts]
        for text, row in zip(texts, ids):
            if len(row) != len(text):
                raise SystemExit(f"{len(text)} symbols are {len(row)} tokens: {text:.60}")
        return torch.tensor(ids)

    def prefill(self, text: str, keep: int) -> dict:
        ids = self._ids([text])
        begun = time.perf_counter()
        logits = self._model(input_ids=ids, use_cache=False, logits_to_keep=keep).logits
        best = logits[0].argmax(-1).tolist()
        seconds = time.perf_counter() - begun
        return {"seconds": seconds, "tokens": ids.shape[1], "text": self._tokenizer.decode(best)}

    def _greedy(self, ids: torch.Tensor, new: int) -> torch.Tensor:
        done = self._model.generate(
            input_ids=ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=new
        )
        return done[:, ids.shape[1] :]

    def calibrate(self, texts: list[str], new: int) -> dict:
        ids = self._ids(texts)
        took = {}
        for size in BATCHES:
            if size > len(ids) or (size > 1 and size * ids.shape[1] > MOST_TOKENS):
                break
            begun = time.perf_counter()
            self._greedy(ids[:size], new)
            took[size] = (time.perf_counter() - begun) / size
        return {"batch": min(took, key=took.get)}

    def generate(self, groups: list[dict], new: int) -> dict:
        batches = [batch for group in groups for batch in self._ids(group["texts"]).split(group["batch"])]
        begun = time.perf_counter()
        answers = [self._greedy(batch, new) for batch in batches]
        seconds = time.perf_counter() - begun
        texts = [self._tokenizer.decode(row.tolist()) for answer in answers for row in answer]
        return {"seconds": seconds, "tokens": sum(batch.numel() for batch in batches), "texts": texts}

    def sgemm(self, shapes: list[list[int]]) -> dict:
        took = dict.fromkeys(("numpy", "torch", "onnxruntime"), 0.0)
        rng = np.random.default_rng(0)
        for m, k, n, count in shapes:
            a, b = (rng.standard_normal(shape, np.float32) for shape in ((m, k), (k, n)))
            x, y = torch.from_numpy(a), torch.from_numpy(b)
            session = self._product(m, b)
            products = {
                "numpy": lambda: a @ b,
                "torch": lambda: x @ y,
                "onnxruntime": lambda: session.run(None, {"a": a}),
            }
            for name, product in products.items():
                product()
                begun = time.perf_counter()
                for _ in range(count):
                    product()
                took[name] += time.perf_counter() - begun
        return {"seconds": min(took.values())}

    def _product(self, m: int, b: np.ndarray) -> onnxruntime.InferenceSession:
        """A session that multiplies `a` [m, k] by b."""
        k, n = b.shape
        tensor = lambda name, *shape: onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)
        node = onnx.helper.make_node("MatMul", ["a", "b"], ["c"])
        weights = onnx.numpy_helper.from_array(b, "b")
        graph = onnx.helper.make_graph([node], "product", [tensor("a", m, k)], [tensor("c", m, n)], [weights])
        model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 20)], ir_version=10)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self._threads
        return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def main() -> int:
    # Standard output is only for the protocol's lines, so other output goes to standard error.
    answers, sys.stdout = sys.stdout, sys.stderr
    peer = Peer(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
    print(json.dumps({"ready": True}), file=answers, flush=True)
    with torch.inference_mode():
        for line in sys.stdin:
            request = json.loads(line)
            answer = getattr(peer, request.pop("do"))(**request)
            print(json.dumps(answer), file=answers, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
