"""Convert a model to a folder that `infer --model` reads.

    python3 scripts/convert SOURCE -o MODEL_DIR [--weights TYPE] [--device cpu|cuda]
                            [--name NAME] [--modality MODALITY] [--record FILE]

SOURCE is
    FILE.gguf      architectures llama, gemma3, gpt2, olmo2, phi3, qwen2, qwen3; quantised weights are dequantised exactly;
                   of a model in parts (NAME-00001-of-00003.gguf ..) any part
    a folder       of Hugging Face's: config.json, model.safetensors or its shards or pytorch_model.bin, tokenizer.json;
                   model types llama, gemma3_text, gpt2, gpt_neox, hyenadna, imagegpt, mistral, olmo2, phi3, progen, qwen2,
                   qwen3, stripedhyena (Evo 1); weights in float32, float16, bfloat16, or FP8 with scales in blocks; or
                   of HyenaDNA, with weights.ckpt
    FILE.pt        an Evo 2 checkpoint, or one of its parts FILE.pt.part0, FILE.pt.part1 .., or their folder; or one of
                   nanoGPT's, with the meta.pkl of its characters beside it
MODEL_DIR receives
    model.onnx, model.onnx.data   the graph (contract: decoder.py) and, in the second file, its weights
    config.json                   sizes and special tokens, named as in Hugging Face's config.json
    tokenizer.json                the tokenizer, in the format of Hugging Face's `tokenizers`
    card.json                     who the model is (card.py)

It appears whole or not at all; an interrupted conversion leaves at most a hidden folder beside it. The memory needed
is the largest tensor of SOURCE and less than 1 GB.

--device says where the model will run; a graph runs nowhere else. On a CPU everything is computed in float32. For CUDA,
matrices, products, attention and what lies between layers are bfloat16, and what the head says of the logits float32:
docs/gpu.md.

--weights is the type that matrices are stored in. For a CPU, float32, the default, is exact and fastest; bfloat16 (what
most models are published in, and then exact, too) and float16 halve the file and are widened before anything is
computed. float16 refuses weights beyond 65504. For CUDA, bfloat16 is the default, and float32 is there for exact
comparison: attention is then slow. q4, for a GGUF file and the CPU, keeps the layers' matrices that the file has in
blocks of 4 bits (Q4_0, Q4_1, Q4_K) as these blocks; nothing is quantised anew, and matrices of any other type are
stored as float32. blocks.py has the arithmetic.

--evo2-model NAME says which published Evo 2 model a checkpoint is, where its file's name does not; one that is not
published takes --rope-scaling FACTOR (what positions are divided by) and --max-positions COUNT instead. Of a HyenaDNA
model, --max-positions is the longest prompt that its filters are computed for (8192, if its context is longer).

--record FILE copies logits of a reference implementation into the card (scripts/record-logits.py makes the file).

Exit codes: 0 done, 1 the source cannot be converted, 2 usage, 130 interrupted, 143 terminated.
"""

import argparse
import json
import shutil
import signal
import sys
import tempfile
from pathlib import Path

import card
from blocks import TAKEN_APART
from errors import ConvertError
from evo2 import PUBLISHED, Told
from families import family_of
from onnx_writer import DEVICES, Q4, WEIGHT_TYPES, OnnxWriter
from progress import Progress
from sources import open_source


def convert(source: Path, folder: Path, args: argparse.Namespace) -> None:
    """Write the model folder. If anything fails, nothing is left behind."""
    if folder.exists():
        raise ConvertError(f"{folder}: already there")
    recorded = None if args.record is None else card.read_recorded(args.record)
    opened = open_source(source)
    if args.weights == Q4 and not opened.has_blocks():
        kinds = ", ".join(kind.name for kind in TAKEN_APART)
        raise ConvertError(f"{source}: no layer has a matrix of 4-bit blocks ({kinds}) that --weights {Q4} could keep")
    model = family_of(opened, Told(args.evo2_model, args.rope_scaling, args.max_positions))
    for warning in model.notes().get("warnings", []):
        print(f"convert: warning: {warning}", file=sys.stderr)
    tables = model.tables(args.weights)
    name = args.name or card.default_name(folder.name, args.weights)
    tables["card.json"] = card.card(model, name, args.modality, args.weights, args.device, recorded)
    folder.parent.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        for file_name, table in tables.items():
            text = json.dumps(table, ensure_ascii=False, indent=1 if file_name != "tokenizer.json" else None)
            (building / file_name).write_text(text + "\n", encoding="utf-8")
        with Progress(model.parameters()) as progress:
            with OnnxWriter(building, args.weights, args.device, progress) as writer:
                model.write(writer)
                writer.save(model.architecture)
        building.chmod(0o755)
        building.rename(folder)
    except BaseException:
        shutil.rmtree(building, ignore_errors=True)
        raise


def positive(text: str) -> int:
    """Parse an argument that must be a positive integer."""
    value = int(text)
    if value < 1:
        raise ValueError(f"{value} is not above zero")
    return value


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="convert", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("source", type=Path, metavar="SOURCE")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="MODEL_DIR")
    parser.add_argument("--weights", choices=WEIGHT_TYPES, help="default: float32; for cuda, bfloat16")
    parser.add_argument("--device", choices=DEVICES, default="cpu", help="default: %(default)s")
    parser.add_argument("--name", help="the model's name in records (default: the folder's, and TYPE if not float32)")
    parser.add_argument("--modality", help="default: the family's, linguistic for language models")
    parser.add_argument("--record", type=Path, metavar="FILE.json", help="a reference's logits, for infer --verify")
    parser.add_argument("--evo2-model", choices=PUBLISHED, metavar="NAME", help=", ".join(PUBLISHED))
    parser.add_argument("--rope-scaling", type=positive, metavar="FACTOR", help="of an unpublished Evo 2 checkpoint")
    lags = "of an unpublished Evo 2 checkpoint, or the longest prompt of a HyenaDNA model"
    parser.add_argument("--max-positions", type=positive, metavar="COUNT", help=lags)
    args = parser.parse_args()
    args.weights = args.weights or DEVICES[args.device][0]
    if args.weights not in DEVICES[args.device]:
        parser.error(f"--weights {args.weights}: not for --device {args.device} ({', '.join(DEVICES[args.device])})")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        convert(args.source, args.output.absolute(), args)
    except (ConvertError, OSError) as err:
        print(f"convert: {err}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
