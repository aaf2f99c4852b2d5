"""Make the tests' tiny model in the layout of onnxruntime-genai's model builder: tests/fixtures/models/tiny-genai.

    python3 tests/oracle/make_tiny_genai.py PYTHON

Runs in the environment of tests/oracle/requirements.txt. PYTHON is a Python with onnxruntime-genai 0.18.0, transformers
5 and torch. The environment itself cannot have these beside optimum. The weights are those of make_tiny_models.py, so
tiny.json has the expected answers. The result is committed.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from make_tiny_models import MODELS, tiny_model
from transformers import PreTrainedTokenizerFast

FOLDER = MODELS / "tiny-genai"


def main() -> None:
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_file=str(MODELS / "tiny-hf" / "tokenizer.json"), eos_token="<|endoftext|>"
    )
    with tempfile.TemporaryDirectory() as temp:
        source = Path(temp) / "source"
        tiny_model().save_pretrained(source)
        tokenizer.save_pretrained(source)
        shutil.rmtree(FOLDER, ignore_errors=True)
        builder = [sys.argv[1], "-m", "onnxruntime_genai.models.builder", "-m", "", "-i", source, "-o", FOLDER]
        options = ["-p", "fp32", "-e", "cpu", "-c", Path(temp) / "cache"]
        subprocess.run(list(map(str, builder + options)), check=True)


if __name__ == "__main__":
    main()
