"""Convert a language model from GGUF to a folder that `infer --model` reads.

    python3 scripts/convert SOURCE.gguf -o MODEL_DIR [--name NAME] [--modality MODALITY]

The folder holds
    model.onnx, model.onnx.data   the subset graph in float32 (contract: decoder.py), weights in the second file
    config.json                   sizes and special tokens, named as in Hugging Face's config.json
    tokenizer.json                the tokenizer, in the format of Hugging Face's `tokenizers`
    card.json                     name, modality, params (number of weights, a tied embedding once), architecture,
                                  vocabulary (the tokenizer's file), weights (their type), max_positions,
                                  sources (file and SHA-256 of what was converted), license, converter

Architectures: llama, gemma3. Quantised weights are dequantised exactly. The folder appears whole or not at all.
Exit codes: 0 done, 1 the source cannot be converted, 2 usage.
"""

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path

import card
from errors import ConvertError
from gemma3 import Gemma3
from gguf_file import GgufFile
from llama import Llama
from onnx_writer import OnnxWriter
from tokenizer import Vocabulary

ARCHITECTURES = {"llama": Llama, "gemma3": Gemma3}


def convert(source: Path, folder: Path, name: str, modality: str) -> None:
    """Write the model folder; whatever fails, nothing is left behind."""
    if folder.exists():
        raise ConvertError(f"{folder}: already there")
    file = GgufFile(source)
    if file.architecture not in ARCHITECTURES:
        known = ", ".join(ARCHITECTURES)
        raise ConvertError(f'{source}: architecture "{file.architecture}": not supported (expected one of {known})')
    vocabulary = Vocabulary(file)
    model = ARCHITECTURES[file.architecture](file)
    tables = {
        "config.json": card.config(model, vocabulary),
        "tokenizer.json": vocabulary.json(),
        "card.json": card.card(model, name, modality),
    }
    folder.parent.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        for file_name, table in tables.items():
            text = json.dumps(table, ensure_ascii=False, indent=1 if file_name != "tokenizer.json" else None)
            (building / file_name).write_text(text + "\n", encoding="utf-8")
        with OnnxWriter(building) as writer:
            model.write(writer)
            writer.save(file.architecture)
        building.chmod(0o755)
        building.rename(folder)
    except BaseException:
        shutil.rmtree(building, ignore_errors=True)
        raise


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="convert", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("source", type=Path, metavar="SOURCE.gguf")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="MODEL_DIR")
    parser.add_argument("--name", help="the model's name in records (default: the folder's)")
    parser.add_argument("--modality", default="linguistic", help="default: %(default)s")
    args = parser.parse_args()
    folder = args.output.absolute()
    try:
        convert(args.source, folder, args.name or folder.name, args.modality)
    except (ConvertError, OSError) as err:
        print(f"convert: {err}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
