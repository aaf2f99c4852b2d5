"""Record the logits and greedy answers that transformers computes for the seeded models, for `make test`.

    python3 tests/oracle/make_family_fixtures.py [FAMILY ..]        (needs the built filters)

Writes tests/fixtures/models/families.json, or renews the models of some families in it. Every family
(tests/python/seeded_models.py) has one model per seed in SEEDS with weights as drawn (float32), and one model with
matrices rounded to bfloat16. For each model, the file has transformers' float32 logits at a few positions of random
tokens. It also has transformers' greedy answers to real prompts, with margins. The prompts come from gen-tasks and
encode, independent and nested, with answers at every shot count. Runs in the environment of
tests/oracle/requirements.txt; the result is committed.
"""

import json
import os
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "python"))

import progen  # noqa: E402, F401, for AutoModelForCausalLM
from seeded_models import FAMILIES, write_seeded  # noqa: E402

FIXTURE = ROOT / "tests" / "fixtures" / "models" / "families.json"
SEEDS = (11, 12, 13)
TOKENS = 70
POSITIONS = (0, 1, 33, 68, 69)
DRAWS = {
    "independent": "--task rotl1 --task flip_bits --bits 4 --shots 1,4 --trials 1 --seed 5",
    "nested": "--task rotl1 --task flip_bits --bits 4 --shots 1,2,4 --trials 1 --seed 5 --design nested",
}
ENCODING = ("--alphabet", "linguistic", "--template", r"{x}>{y}\n")


def program(name: str, *arguments: str, text: str = "") -> str:
    path = Path(os.environ.get("SHOTLINE_BIN", ROOT / "target" / "release")) / name
    return subprocess.run([path, *arguments], input=text, capture_output=True, text=True, check=True).stdout


def prompts() -> list[dict]:
    """Prompt records, as `infer` reads them."""
    lines = (program("encode", *ENCODING, text=program("gen-tasks", *draw.split())) for draw in DRAWS.values())
    return [json.loads(line) for text in lines for line in text.splitlines()]


def places(prompt: dict) -> list[tuple[int, str]]:
    """(shots, the text before the answer) for each answer that a prompt asks for."""
    if prompt["design"] == "independent":
        return [(prompt["shots"], prompt["prompt"])]
    whole = prompt["prompt"] + prompt["answer"]
    return [(shots, whole[:start]) for shots, start in zip(prompt["eval_shots"], prompt["answer_starts"])]


class Reference:
    """One model in transformers, in float32."""

    def __init__(self, folder: Path, is_rounded: bool):
        self.model = AutoModelForCausalLM.from_pretrained(folder, torch_dtype=torch.float32).eval()
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        with torch.no_grad():
            for parameter in self.model.parameters():
                if is_rounded and parameter.ndim == 2:
                    parameter.copy_(parameter.bfloat16().float())

    def logits(self, ids: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return self.model(torch.from_numpy(ids)[None]).logits[0].double().numpy()

    def answer(self, text: str, symbols: int) -> dict:
        """The greedy continuation of a text. Every symbol is one token, as in `infer`."""
        single = [self.tokenizer.encode(symbol, add_special_tokens=False) for symbol in text]
        assert all(len(ids) == 1 for ids in single)
        # The tokens that the model's tokenizer puts before every text.
        leading = self.tokenizer.encode("")
        ids = torch.tensor([leading + [id for (id,) in single]])
        out = self.model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            do_sample=False,
            max_new_tokens=symbols,
            return_dict_in_generate=True,
            output_logits=True,
            pad_token_id=self.model.config.eos_token_id,
        )
        best = torch.cat(out.logits).double().topk(2).values
        tokens = out.sequences[0, ids.shape[1] :].tolist()
        if tokens[-1] == self.model.config.eos_token_id:
            tokens.pop()
        known = len(self.tokenizer)
        text = lambda id: self.tokenizer.decode([id], skip_special_tokens=True) if id < known else "\ufffd"
        return {
            "output": "".join(map(text, tokens)),
            "margin": round(float((best[:, 0] - best[:, 1]).min()), 5),
        }


def entry(family: str, seed: int, weights: str, questions: list[dict]) -> dict:
    with tempfile.TemporaryDirectory() as temp:
        config = write_seeded(Path(temp) / "source", family, seed)
        reference = Reference(Path(temp) / "source", weights == "bfloat16")
    ids = np.random.default_rng(seed).integers(0, config["vocab_size"], TOKENS)
    logits = reference.logits(ids)[list(POSITIONS)]
    answers = [
        {"function": prompt["function"], "design": prompt["design"], "shots": shots}
        | reference.answer(text, len(prompt["answer"]))
        for prompt in questions
        for shots, text in places(prompt)
    ]
    return {
        "family": family,
        "seed": seed,
        "weights": weights,
        "ids": ids.tolist(),
        "logits": [[float(f"{value:.7g}") for value in row] for row in logits],
        "answers": answers,
    }


def main() -> None:
    questions = prompts()
    wanted = sys.argv[1:] or FAMILIES
    kept = json.loads(FIXTURE.read_text())["models"]
    models = []
    for family in FAMILIES:
        drawn = [(seed, "float32") for seed in SEEDS] + [(SEEDS[0], "bfloat16")]
        anew = (entry(family, *pair, questions) for pair in drawn)
        models += anew if family in wanted else [model for model in kept if model["family"] == family]
    header = {
        "made_with": {p: version(p) for p in ("torch", "transformers", "tokenizers", "numpy")},
        "positions": list(POSITIONS),
        "prompts": questions,
    }
    # One model per line, for readable diffs.
    lines = [f" {json.dumps(key)}: {json.dumps(value)}," for key, value in header.items()]
    lines.append(' "models": [\n  ' + ",\n  ".join(map(json.dumps, models)) + "\n ]")
    FIXTURE.write_text("{\n" + "\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
