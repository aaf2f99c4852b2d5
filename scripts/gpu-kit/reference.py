"""Runs transformers on a model folder, for stages.py. It is a process that answers one line at a time.

    python3 reference.py FOLDER cuda|cpu

It reads one JSON object per line on standard input and answers each with one line:

    {"do": "record"}                            float32 logits at positions of a prompt (scripts/record-logits.py)
    {"do": "difference", "recorded": {..}}      the error of bfloat16 at those positions: {"difference": D}
    {"do": "answers", "texts": [TEXT, ..]}      the float32 continuation of each text: {"texts": [TEXT, ..]}
    {"do": "prefill", "texts": [TEXT, ..]}      bfloat16 passes, last logits: {"tokens_per_second": R, ..}
    {"do": "generate", "groups": [[TEXT, ..]]}  bfloat16 greedy decoding, fastest batch per group: {"seconds": S, ..}

Attention is PyTorch's scaled-dot-product attention. The seconds cover the model only.
"""

import json
import runpy
import sys
import time
from pathlib import Path

import torch
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM

# Tokens of an answer.
NEW = 8


class Peer:
    """The model, in the type of the last request, and the requests that it can answer."""

    def __init__(self, folder: Path, device: str):
        self._folder, self._device = folder, device
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._recorder = runpy.run_path(str(Path(__file__).parents[1] / "record-logits.py"))
        self._models: dict[torch.dtype, torch.nn.Module] = {}

    def _model(self, dtype: torch.dtype) -> torch.nn.Module:
        if dtype not in self._models:
            model = AutoModelForCausalLM.from_pretrained(self._folder, dtype=dtype, attn_implementation="sdpa")
            # Answers are compared as a whole, so no token may end one early.
            model.generation_config.eos_token_id, model.generation_config.pad_token_id = None, 0
            self._models = {dtype: model.eval().to(self._device)}
        return self._models[dtype]

    def _ids(self, texts: list[str]) -> torch.Tensor:
        ids = [self._tokenizer.encode(text, add_special_tokens=False).ids for text in texts]
        return torch.tensor(ids, device=self._device)

    def _logits(self, dtype: torch.dtype, ids: list[int]) -> torch.Tensor:
        return self._model(dtype)(torch.tensor([ids], device=self._device)).logits[0].float().cpu()

    def record(self) -> dict:
        ids = self._tokenizer.encode(self._recorder["PROMPT"], add_special_tokens=False).ids
        return self._recorder["recorded"](self._logits(torch.float32, ids), ids, 20)

    def difference(self, recorded: dict) -> dict:
        logits = self._logits(torch.bfloat16, recorded["input_ids"])
        rows = zip(recorded["positions"], recorded["ids"], recorded["logits"])
        off = [(logits[place, ids] - torch.tensor(expected)).abs().max().item() for place, ids, expected in rows]
        return {"difference": max(off)}

    def _greedy(self, dtype: torch.dtype, ids: torch.Tensor) -> torch.Tensor:
        model = self._model(dtype)
        done = model.generate(
            input_ids=ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=NEW, min_new_tokens=NEW
        )
        return done[:, ids.shape[1] :]

    def answers(self, texts: list[str]) -> dict:
        rows = [self._greedy(torch.float32, self._ids([text]))[0].tolist() for text in texts]
        # Decode token by token, as infer does: a single byte may not be a character.
        return {"texts": ["".join(self._tokenizer.decode([id]) for id in row) for row in rows]}

    def prefill(self, texts: list[str]) -> dict:
        model, ids = self._model(torch.bfloat16), self._ids(texts)
        batch, seconds = self._fastest(ids, lambda part: model(input_ids=part, use_cache=False, logits_to_keep=NEW))
        return {"tokens_per_second": ids.numel() / seconds, "batch": batch, **self._memory()}

    def generate(self, groups: list[list[str]]) -> dict:
        found = [self._fastest(self._ids(texts), lambda part: self._greedy(torch.bfloat16, part)) for texts in groups]
        return {
            "seconds": sum(seconds for _, seconds in found),
            "batches": [batch for batch, _ in found],
            **self._memory(),
        }

    def _fastest(self, ids: torch.Tensor, work) -> tuple[int, float]:
        """The fastest batch size for all rows (tries all rows, then half of them, and so on), and its seconds."""
        best, batch = (0, float("inf")), len(ids)
        while batch:
            try:
                # The first run of a shape is not timed.
                work(ids[:batch])
                self._wait()
                begun = time.perf_counter()
                for part in ids.split(batch):
                    work(part)
                self._wait()
                seconds = time.perf_counter() - begun
            except torch.OutOfMemoryError:
                torch.cuda.empty_cache()
                seconds = float("inf")
            if seconds > best[1]:
                break
            best = min(best, (batch, seconds), key=lambda pair: pair[1])
            batch //= 2
        return best

    def _wait(self) -> None:
        if self._device == "cuda":
            torch.cuda.synchronize()

    def _memory(self) -> dict:
        return {"peak_bytes": torch.cuda.max_memory_allocated()} if self._device == "cuda" else {}


def main() -> None:
    # Standard output is only for the protocol's lines, so other output goes to standard error.
    answers, sys.stdout = sys.stdout, sys.stderr
    peer = Peer(Path(sys.argv[1]), sys.argv[2])
    with torch.inference_mode():
        for line in sys.stdin:
            request = json.loads(line)
            answer = getattr(peer, request.pop("do"))(**request)
            print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
