"""scripts/convert --weights q4: the graph keeps the 4-bit blocks of a GGUF file unchanged and computes the same.

    python3 -m pytest tests/python/test_convert_q4.py

Needs scripts/requirements/test.txt. If SHOTLINE_SMOLLM2_DIR names the folder of the converted model, with its GGUF
file in ../gguf, that file is also converted with q4 and compared with transformers' logits in tests/fixtures/models.
"""

import json
import os
from pathlib import Path

import gguf
import numpy as np
import onnx
import pytest
from gguf import GGMLQuantizationType as Kind
from onnx import numpy_helper

from converter import ROOT, convert, refused, run_convert
from onnx_model import Model
from seeded_models import write_seeded

LAYERS, HEADS, KV_HEADS, HEAD_DIM, VOCABULARY, LENGTH = 2, 4, 2, 64, 40, 19
# A Q4_K block holds 256 weights of a row.
WIDTH, HIDDEN = HEADS * HEAD_DIM, 512
MATRICES = {
    "attn_q": (HEADS * HEAD_DIM, WIDTH),
    "attn_k": (KV_HEADS * HEAD_DIM, WIDTH),
    "attn_v": (KV_HEADS * HEAD_DIM, WIDTH),
    "attn_output": (WIDTH, HEADS * HEAD_DIM),
    "ffn_gate": (HIDDEN, WIDTH),
    "ffn_up": (HIDDEN, WIDTH),
    "ffn_down": (WIDTH, HIDDEN),
}
KEPT = [Kind.Q4_0, Kind.Q4_1, Kind.Q4_K]
# Recent types, for the five matrices of a layer whose rows keep their order.
NEWER = [Kind[name] for name in "IQ1_S IQ1_M IQ2_XXS IQ2_S IQ3_S IQ4_NL IQ4_XS TQ1_0 TQ2_0 MXFP4".split()]
# Bytes of a block, and how many float16 numbers it begins with.
LAYOUT = {Kind.Q4_0: (18, 1), Kind.Q4_1: (20, 2), Kind.Q4_K: (144, 2), Kind.Q8_0: (34, 1)}


def random_blocks(rng: np.random.Generator, kind: Kind, shape: tuple[int, int]) -> np.ndarray:
    """The bytes of a random matrix of this type, by rows. Every code, scale and minimum may occur."""
    size, numbers = LAYOUT[kind]
    count = shape[0] * shape[1] // gguf.GGML_QUANT_SIZES[kind][0]
    data = rng.integers(0, 256, (count, size), dtype=np.uint8)
    scales = rng.normal(0, 0.02 / (60 if kind in (Kind.Q4_K, Kind.Q8_0) else 1), (count, numbers)).astype(np.float16)
    # A block with scale 0: every weight is the minimum.
    scales[0, 0] = 0
    data[:, : 2 * numbers] = scales.view(np.uint8)
    return data.reshape(shape[0], -1)


def write_gguf(path: Path, kind: Kind | None, infinite: bool = False, others: dict | None = None) -> Path:
    """A llama with matrices of type `kind` (None: float32); attn_v is Q8_0. If `others` is a dict, the other matrices
    have the types of NEWER, and their weights are put into it."""
    rng = np.random.default_rng(5)
    w = gguf.GGUFWriter(path, "llama")
    w.add_block_count(LAYERS)
    w.add_context_length(64)
    w.add_embedding_length(WIDTH)
    w.add_feed_forward_length(HIDDEN)
    w.add_head_count(HEADS)
    w.add_head_count_kv(KV_HEADS)
    w.add_layer_norm_rms_eps(1e-5)
    w.add_rope_freq_base(10000.0)
    w.add_tokenizer_model("gpt2")
    w.add_tokenizer_pre("smollm")
    w.add_token_list([*(chr(0x21 + i) for i in range(VOCABULARY - 1)), "!!"])
    w.add_token_types([gguf.TokenType.NORMAL] * VOCABULARY)
    w.add_token_merges(["! !"])
    w.add_eos_token_id(0)
    # Gives logits a standard deviation near 1.
    w.add_tensor("token_embd.weight", rng.normal(0, WIDTH**-0.5, (VOCABULARY, WIDTH)).astype(np.float32))
    w.add_tensor("output_norm.weight", rng.uniform(0.5, 1.5, WIDTH).astype(np.float32))
    for i in range(LAYERS):
        for norm in ("attn_norm", "ffn_norm"):
            w.add_tensor(f"blk.{i}.{norm}.weight", rng.uniform(0.5, 1.5, WIDTH).astype(np.float32))
        for part, shape in MATRICES.items():
            own = Kind.Q8_0 if part == "attn_v" else kind
            if others is not None and part not in ("attn_q", "attn_k"):
                own = NEWER[len(others)]
                # Bytes below 64 keep every scale at 2 or less, wherever the type stores it.
                data = rng.integers(0, 64, gguf.quant_shape_to_byte_shape(shape, own), dtype=np.uint8)
                others[f"layers.{i}.{part}"] = gguf.quants.dequantize(data, own)
                w.add_tensor(f"blk.{i}.{part}.weight", data, raw_dtype=own)
                continue
            if own is None:
                w.add_tensor(f"blk.{i}.{part}.weight", rng.normal(0, 0.05, shape).astype(np.float32))
                continue
            data = random_blocks(rng, own, shape)
            if infinite and part == "ffn_up":
                data[3, :2] = np.array([np.inf], np.float16).view(np.uint8)
            w.add_tensor(f"blk.{i}.{part}.weight", data, raw_dtype=own)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()
    return path


def constants(folder: Path) -> dict[str, np.ndarray]:
    graph = onnx.load(folder / "model.onnx").graph
    return {i.name: numpy_helper.to_array(i) for i in graph.initializer}


def multiplied(folder: Path) -> list[onnx.NodeProto]:
    graph = onnx.load(folder / "model.onnx", load_external_data=False).graph
    return [node for node in graph.node if node.op_type == "MatMulNBits"]


def test_types_that_are_not_kept_are_widened(tmp_path):
    expected = {}
    folder = convert(write_gguf(tmp_path / "t.gguf", Kind.Q4_0, others=expected), tmp_path / "model")
    found = constants(folder)
    assert len(expected) == len(NEWER)
    for name, array in expected.items():
        assert array.any()
        np.testing.assert_array_equal(found[name], array)


@pytest.fixture(scope="module", params=KEPT, ids=lambda kind: kind.name)
def both(request, tmp_path_factory):
    """(type, the folder of floats, the folder of blocks)"""
    temp = tmp_path_factory.mktemp(request.param.name)
    source = write_gguf(temp / "tiny.gguf", request.param)
    return request.param, convert(source, temp / "float32"), convert(source, temp / "q4", "--weights", "q4")


def test_every_weight_is_the_files(both):
    """Decodes codes and scales as the operator does, Q and K in its order, and compares with the dequantised graph."""
    kind, floats, blocks = both
    expected, found = constants(floats), constants(blocks)
    for i in range(LAYERS):
        for part, (rows, columns) in MATRICES.items():
            name = f"layers.{i}.{part}"
            if part == "attn_v":
                np.testing.assert_array_equal(found[name], expected[name])
                continue
            assert name not in found
            packed = found[f"{name}.codes"]
            assert packed.dtype == np.uint8 and packed.shape == (rows, columns // 32, 16)
            codes = np.stack([packed & 15, packed >> 4], -1).reshape(rows, columns // 32, 32)
            weight = found[f"{name}.scales"].astype(np.float64)[..., None] * (codes.astype(int) - 8)
            if kind == Kind.Q4_0:
                assert f"{name}.offsets" not in found
                np.testing.assert_array_equal(weight.reshape(rows, columns), expected[name])
                continue
            weight += found[f"{name}.offsets"].T[..., None]
            # An offset is rounded once, by up to half a unit in the last place, and so is the dequantised weight.
            ulp = np.spacing(np.abs(weight).max(-1, keepdims=True).astype(np.float32)).astype(np.float64)
            there = expected[name].reshape(rows, columns // 32, 32)
            assert (np.abs(weight - there) <= ulp).all()


def test_logits_are_those_of_the_floats(both):
    _, floats, blocks = both
    ids = np.random.default_rng(3).integers(0, VOCABULARY, LENGTH)
    expected = Model(floats).whole(ids)
    assert expected.std() > 0.5
    np.testing.assert_allclose(Model(blocks).whole(ids), expected, atol=1e-4)
    np.testing.assert_allclose(Model(blocks).chunks(ids, [7, 1, 10, 1]), expected, atol=1e-4)


def test_activations_are_not_quantised(both):
    """The operator multiplies every matrix in blocks in float32 (accuracy level 1)."""
    _, _, blocks = both
    nodes = multiplied(blocks)
    assert len(nodes) == LAYERS * (len(MATRICES) - 1)
    for node in nodes:
        options = {a.name: a.i for a in node.attribute}
        assert (options["accuracy_level"], options["bits"], options["block_size"]) == (1, 4, 32)
        # There are no zero points: unless all are 8, ONNX Runtime unpacks whole matrices in every call.
        assert len(node.input) == 3


def test_the_folder_says_so(both):
    _, floats, blocks = both
    card, config = (json.loads((blocks / name).read_text()) for name in ("card.json", "config.json"))
    # The folder's name already states the type.
    assert (card["name"], card["weights"], config["torch_dtype"]) == ("q4", "q4", "float32")
    assert any("blocks of 4 bits" in sentence for sentence in card["verified"])
    size = lambda folder: (folder / "model.onnx.data").stat().st_size
    assert size(blocks) < size(floats) / 2


def test_a_file_without_blocks_is_refused(tmp_path):
    source = write_gguf(tmp_path / "t.gguf", None)
    refused(tmp_path, source, "t.gguf", "4-bit", "Q4_0, Q4_1, Q4_K", options=("--weights", "q4"))


def test_a_folder_is_refused(tmp_path):
    """Hugging Face folders hold floats, so 4-bit weights would have to be made."""
    write_seeded(tmp_path / "hf", "llama", 0)
    refused(tmp_path, tmp_path / "hf", "4-bit", options=("--weights", "q4"))


def test_a_scale_that_is_no_number_is_refused(tmp_path):
    source = write_gguf(tmp_path / "t.gguf", Kind.Q4_1, infinite=True)
    refused(tmp_path, source, "blk.0.ffn_up.weight", "not finite", options=("--weights", "q4"))


def test_another_device_is_a_usage_error(tmp_path):
    source = write_gguf(tmp_path / "t.gguf", Kind.Q4_0)
    done = run_convert(source, "-o", tmp_path / "model", "--weights", "q4", "--device", "cuda")
    assert done.returncode == 2
    assert "--weights q4: not for --device cuda" in done.stderr
    assert not (tmp_path / "model").exists()


def test_smollm2_says_what_transformers_says(tmp_path):
    if "SHOTLINE_SMOLLM2_DIR" not in os.environ:
        pytest.skip("SHOTLINE_SMOLLM2_DIR is not set")
    source = Path(os.environ["SHOTLINE_SMOLLM2_DIR"]).parent / "gguf" / "SmolLM2-135M-Instruct.Q4_1.gguf"
    folder = convert(source, tmp_path / "model", "--weights", "q4")
    assert len(multiplied(folder)) == 30 * 7
    fixture = json.loads((ROOT / "tests" / "fixtures" / "models" / "smollm2.json").read_text())
    rows = fixture["positions"]
    answers, _ = Model(folder)(fixture["ids"], [row["position"] for row in rows], fixture["vocab_ids"])
    assert answers["best"][0].tolist() == [row["argmax"] for row in rows]
    np.testing.assert_allclose(answers["top"][0, :, 0], [row["max"] for row in rows], atol=5e-3)
    np.testing.assert_allclose(answers["chosen"][0], [row["logits"] for row in rows], atol=5e-3)
