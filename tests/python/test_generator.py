"""GENERator, a llama whose words have six bases, converted from the published folder.

    SHOTLINE_BIN=target/release python3 -m pytest tests/python/test_generator.py
"""

import json
import sys

import numpy as np
import pytest
from tokenizers import Tokenizer

from converter import ROOT, convert, refused
from filters import filtered, infer
from onnx_model import Model
from seeded_models import TOKENS, draw_weights, write_folder

sys.path.append(str(ROOT / "tests" / "oracle"))

import generator_checkpoint as generator  # noqa: E402

SEED = 3
CONFIG = generator.drawn(SEED)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    temp = tmp_path_factory.mktemp("generator")
    return convert(generator.write(temp / "source", CONFIG, SEED), temp / "model")


def test_the_weights_are_those_of_a_llama(folder, tmp_path):
    """The folder's own code is not run and not needed."""
    plain = {key: value for key, value in CONFIG.items() if key != "auto_map"}
    llama = convert(write_folder(tmp_path / "source", plain, draw_weights(CONFIG, SEED)), tmp_path / "model")
    for name in ("model.onnx", "model.onnx.data", "config.json"):
        assert (folder / name).read_bytes() == (llama / name).read_bytes(), name
    cards = [json.loads((path / "card.json").read_text()) for path in (folder, llama)]
    assert [card["modality"] for card in cards] == ["genomic", "linguistic"] and len(TOKENS) < 4128


def test_texts_are_read_as_the_code_of_the_folder_reads_them(folder):
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    assert tokenizer.get_vocab() == generator.IDS
    # Ids that others have published as output of the folder's own code.
    assert tokenizer.encode("AAAAAATTTTTT").ids == [1, 32, 1397]
    assert tokenizer.encode("<s>ACGTNACGTNAC").ids == [1, 1, 0, 0]
    rng = np.random.default_rng(SEED)
    for _ in range(200):
        pieces = ["".join(rng.choice(list("ACGT"), rng.integers(0, 30))), "N", str(rng.choice(generator.SPECIAL)), "ACGTAC"]
        text = "".join(rng.choice(pieces, rng.integers(1, 8)))
        assert tokenizer.encode(text).ids == generator.encoded(text), text
    assert tokenizer.decode([33, 4127]) == "AAAAATGGGGGG"


@pytest.mark.parametrize(
    "config, words, lines, told",
    [
        ({"auto_map": {"AutoModelForCausalLM": "modeling_other.Other"}}, {}, None, ('config.json: "auto_map": code of its',)),
        ({"vocab_size": 4000}, {}, None, ("token id 4127", "vocab_size")),
        ({}, {"k": "six"}, None, ("tokenizer_config.json: k: ",)),
        ({}, {"k": 5}, None, ("vocab.txt:33: expected AAAAA 32, found 'AAAAAA 32'",)),
        ({}, {"add_eos_token": True}, None, ("tokenizer_config.json: add_eos_token: ",)),
        ({}, {}, [f"{token} {id}" for token, id in list(generator.IDS.items())[:-1]], ("vocab.txt:4128: expected GGGGGG 4127",)),
        ({}, {}, [f"{token} {id}" for id, token in enumerate([*generator.IDS, "N"])], ("vocab.txt:4129: expected the end",)),
        ({}, {}, [f"{token} {id}" for id, token in enumerate(sorted(generator.IDS))], ("vocab.txt:1: expected <oov> 0",)),
    ],
    ids=lambda value: "" if value is None else str(value)[:40],
)
def test_what_does_not_fit_is_named(config, words, lines, told, tmp_path):
    weights = CONFIG | config
    refused(tmp_path, generator.write(tmp_path / "source", weights, SEED, words, lines), *told)


def test_a_folder_without_the_list_of_words_converts_likewise(folder, tmp_path):
    source = generator.write(tmp_path / "source", CONFIG, SEED)
    (source / "vocab.txt").unlink()
    other = convert(source, tmp_path / "model")
    assert (folder / "tokenizer.json").read_bytes() == (other / "tokenizer.json").read_bytes()


def test_trials_in_words_are_answered_as_greedy_decoding_of_their_tokens_answers_them(folder):
    words = ["AAAAAA", "CCCCCC", "GGGGGG", "TTTTTT"]
    trials = filtered("gen-tasks", "--suite", "primitives", "--shots", "2", "--trials", "1")
    prompts = filtered("encode", "--alphabet", f"words:{','.join(words)}", text=trials)
    found = [json.loads(line) for line in infer(folder, prompts, "--method", "score").stdout.splitlines()]
    assert len(found) > 20
    model = Model(folder)
    for prediction in found:
        ids = generator.encoded(prediction["prompt"])
        assert len(ids) == 1 + len(prediction["prompt"]) // 6 and set(ids[1:]) <= {generator.IDS[word] for word in words}
        answer = []
        while len(answer) < 8 and (best := int(model.whole(np.array(ids))[-1].argmax())) != model.config["eos_token_id"]:
            ids.append(best)
            answer.append("" if best < 32 else list(generator.IDS)[best])
        assert prediction["output"] == " ".join(answer)
