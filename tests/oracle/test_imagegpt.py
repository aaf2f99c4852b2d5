"""Test converted ImageGPT models against transformers, on random models: in float32, and in bfloat16 as on a GPU.

    make test-oracle
"""

import numpy as np
import pytest
import torch
from transformers import ImageGPTForCausalImageModeling
from transformers.models.imagegpt import modeling_imagegpt

from bfloat16_graph import Graph
from test_language_models import agree

from converter import convert  # noqa: E402, after the path of test_language_models
import imagegpt_checkpoint as imagegpt  # noqa: E402
from onnx_model import Model  # noqa: E402

LIMIT = 1.1
# transformers 4.57 divides attention scores by the square root of the head size, which torch_float rounds down. The
# paper, OpenAI's code and earlier versions of transformers divide by the exact root. This line restores the exact root.
modeling_imagegpt.torch_float = float


def logits(folder, ids: np.ndarray, dtype: torch.dtype = torch.float32) -> np.ndarray:
    model = ImageGPTForCausalImageModeling.from_pretrained(folder, dtype=dtype).eval()
    with torch.no_grad():
        return model(torch.from_numpy(ids)[None]).logits[0].double().numpy()


def image(seed: int, length: int) -> np.ndarray:
    """The token that begins an image, and then random colours."""
    return np.append(imagegpt.COLOURS, np.random.default_rng(seed).integers(0, imagegpt.COLOURS, length - 1))


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_logits_are_those_of_transformers(seed, device, tmp_path):
    config = imagegpt.drawn(seed)
    source = imagegpt.write(tmp_path / "source", config, imagegpt.tensors(config, seed))
    model = Model(convert(source, tmp_path / "model", "--device", device, "--weights", "float32"))
    for length, sizes in ((1, [1]), (600, [300, 1, 299]), (1024, [1000, 23, 1])):
        ids = image(seed, length)
        expected = logits(source, ids)
        agree(model.whole(ids), expected)
        agree(model.chunks(ids, sizes), expected)


def test_a_file_of_pytorchs_is_the_same_model(tmp_path):
    """The file has the causal masks, as in the folders of 2021."""
    config = imagegpt.drawn(1)
    table = imagegpt.tensors(config, 1)
    expected = convert(imagegpt.write(tmp_path / "source", config, table), tmp_path / "expected")
    masks = {"transformer.h.0.attn.bias": torch.ones(1, 1, 9, 9, dtype=torch.bool).tril()}
    masks |= {"transformer.h.0.attn.masked_bias": torch.tensor(-1e4)}
    saved = {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in table.items()} | masks
    torch.save(saved, tmp_path / "source" / "pytorch_model.bin")
    (tmp_path / "source" / "model.safetensors").unlink()
    found = convert(tmp_path / "source", tmp_path / "found")
    for name in ("model.onnx", "model.onnx.data"):
        assert (found / name).read_bytes() == (expected / name).read_bytes()


def test_roundings_cost_no_more_than_those_of_transformers(tmp_path):
    """test_bfloat16.py has the same test for the other families."""
    squares = []
    for seed in range(20):
        config = imagegpt.drawn(seed)
        table = imagegpt.tensors(config, seed)
        table = {name: torch.from_numpy(array.copy()).bfloat16().float().numpy() for name, array in table.items()}
        source = imagegpt.write(tmp_path / f"source-{seed}", config, table)
        folder = convert(source, tmp_path / f"model-{seed}", "--device", "cuda")
        ids = image(seed, 160)
        exact = logits(source, ids, torch.float64)
        found = Model(folder, session=Graph(folder)).chunks(ids, [100, 1, 59])
        squares.append([((x - exact) ** 2).mean() for x in (found.astype(np.float64), logits(source, ids, torch.bfloat16))])
    ours, theirs = np.mean(squares, 0) ** 0.5
    print(f"imagegpt: {ours:.4f}, transformers {theirs:.4f}, ratio {ours / theirs:.3f}")
    assert 0.5 < ours / theirs < LIMIT
