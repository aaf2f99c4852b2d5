"""Test converted GENERator models against transformers' llama in float32, on random models in the published layout.

    make test-oracle

The published code inherits the computation of logits from transformers' llama class.
"""

import numpy as np
import pytest

from test_language_models import Reference, agree

from converter import convert  # noqa: E402, after the path of test_language_models
import generator_checkpoint as generator  # noqa: E402
from onnx_model import Model  # noqa: E402


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_logits_are_those_of_transformers(seed, device, tmp_path):
    source = generator.write(tmp_path / "source", generator.drawn(seed), seed)
    model = Model(convert(source, tmp_path / "model", "--device", device, "--weights", "float32"))
    bases = "".join(np.random.default_rng(seed).choice(list("ACGT"), 6 * 400))
    ids = np.array(generator.encoded(f"<mam>{bases}"))
    expected = Reference(source)(ids)
    agree(model.whole(ids), expected)
    agree(model.chunks(ids, [300, 1, 101]), expected)
