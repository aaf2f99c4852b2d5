"""The stages of `check`."""

import importlib
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kit import BIN, LIBRARY, ROOT, Answered, Failed, Kit, environment

SHOTS = (1, 2, 4, 8, 16, 32, 64, 128)
# The ways to read a prompt. All give the same answers.
WAYS = {
    "whole": (),
    "in chunks": ("--prefill-chunk", "64"),
    "alone": ("--batch-tokens", "1"),
    "stepwise": ("--method", "generate"),
}
# Families with byte or character tokens; the others are language models.
GENOMIC = ("evo1", "evo2", "hyenadna")
# How much float32 rounding may change a symbol's ln p or a margin.
FLOAT32 = 1e-3


@dataclass(frozen=True)
class Stage:
    run: Callable[[Kit], None]
    purpose: str
    # The stage is not started with fewer seconds left than this.
    least: float


# --- comparing answers ---


def compare(expected: list[dict], found: list[dict]) -> dict:
    """How many answers differ, and for equal ones the largest differences of a symbol's ln p and of a margin."""
    key = lambda row: (row["trial_id"], row["shots"])
    pairs = list(zip(sorted(expected, key=key), sorted(found, key=key), strict=True))
    if any(key(one) != key(other) for one, other in pairs):
        raise Failed("the answers are to other prompts")
    equal = [(one, other) for one, other in pairs if one["output"] == other["output"]]
    unequal = [one["margin"] or 0.0 for one, other in pairs if one["output"] != other["output"]]
    largest = lambda differences: max(differences, default=0.0)
    return {
        "answers": len(pairs),
        "different": len(unequal),
        "largest_margin_of_different": largest(unequal),
        # `generate` gives no margins.
        "logprob_difference": largest(
            abs(one["answer_logprob"] - other["answer_logprob"]) / len(one["target"])
            for one, other in equal
            if other["answer_logprob"] is not None
        ),
        "margin_difference": largest(abs(one["margin"] - other["margin"]) for one, other in equal),
    }


def agree(figures: dict, most: float | None = None) -> bool:
    """Whether answers differ only at near ties: the two tokens are closer than twice the error of a logit."""
    off = figures["margin_difference"] if most is None else most
    within = most is None or max(figures["margin_difference"], figures["logprob_difference"]) <= most
    return within and figures["largest_margin_of_different"] <= 2 * off


# --- the machine ---


def doctor(kit: Kit) -> None:
    """Runs `infer --doctor` and records what the machine has."""
    ran = kit.run(BIN / "infer", "--doctor", "--device", kit.device, "--ort-lib", LIBRARY)
    rate = re.search(r"its rate\s+(\d+) TFLOP/s", ran.out)
    figures = {"product_rate": 1e12 * float(rate[1])} if rate else {}
    kit.add("doctor", ran.code == 0, report=ran.out.splitlines(), said=ran.err.strip(), **figures)
    asked = "import sys, torch, transformers; print(sys.version, torch.__version__, transformers.__version__)"
    kit.add("Python", True, versions=kit.run(sys.executable, "-c", asked).out.strip())
    made = ROOT / "kit.json"
    kit.add("kit", True, made=json.loads(made.read_text()) if made.exists() else None)


# --- small models of every family ---


def tiny(kit: Kit) -> None:
    """Compares every family and every way of reading with float32 on the CPU."""
    from seeded_models import FAMILIES

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(tiny_family, kit, family) for family in (*FAMILIES, *GENOMIC)]:
            done.result()


def tiny_family(kit: Kit, family: str) -> None:
    source, options = tiny_source(kit, family)
    alphabet = "genomic" if family in GENOMIC else "linguistic"
    prompts = kit.prompts(alphabet, "1,4,16", 8) + kit.prompts(alphabet, "1,4,16", 8, "nested")
    truth = kit.infer(kit.convert(source, *options, "--device", "cpu"), prompts, device="cpu").records
    for weights in ("float32", "bfloat16"):
        model = kit.convert(source, *options, *kit.for_device(weights))
        whole = None
        for way, choice in WAYS.items():
            found = kit.infer(model, prompts, *choice).records
            whole = whole or found
            figures = compare(truth, found)
            is_right = agree(figures, FLOAT32 if weights == "float32" else None)
            kit.add(f"{family} {weights} {way}", is_right, **figures, **among(compare(whole, found)))


def among(figures: dict) -> dict:
    """How one way of reading differs from the first."""
    return {f"beside_whole_{name}": figures[name] for name in ("different", "largest_margin_of_different")}


def tiny_source(kit: Kit, family: str, seed: int = 11) -> tuple[Path, tuple]:
    """A checkpoint, and the options that the converter needs for it."""
    if family == "evo2":
        import evo2_checkpoint

        kinds = ("short", "attention", "long", "medium")
        config = evo2_checkpoint.Config(kinds, width=32, heads=2, hidden=48, groups=4, taps=5, long_taps=130)
        path = kit.work / "tiny_evo2.pt"
        if not path.exists():
            evo2_checkpoint.write(path, evo2_checkpoint.tensors(config, seed))
        return path, ("--rope-scaling", "1", "--max-positions", "2304")
    from seeded_models import write_seeded

    folder = kit.work / f"tiny_{family}"
    if not folder.exists() and family in GENOMIC:
        module = importlib.import_module(f"{family}_checkpoint")
        config = module.drawn(seed)
        module.write(folder, config, module.tensors(config, seed))
    elif not folder.exists():
        write_seeded(folder, family, seed)
    return folder, ()


def whole_provider(kit: Kit) -> None:
    """Compares the pruned provider with the whole one."""
    whole = ROOT / "lib-whole"
    if not whole.is_dir():
        return kit.skip("whole", "the kit has one provider only (make gpu-kit WHOLE=yes adds the other)")
    prompts = kit.prompts("linguistic", "1,4,16", 8)
    source, options = tiny_source(kit, "qwen3")
    model = kit.convert(source, *options, *kit.for_device("bfloat16"))
    pruned, other = kit.infer(model, prompts), kit.infer(model, prompts, "--ort-lib", whole)
    figures = compare(other.records, pruned.records)
    kit.add("whole", pruned.records == other.records, **figures)


# --- models of real size ---


@dataclass(frozen=True)
class Large:
    """A model with random weights. `write` makes its checkpoint; `weights` counts the weights used for each token."""

    name: str
    write: Callable[[Path], Path]
    alphabet: str
    weights: int
    options: tuple = ()


def qwen3(kit: Kit, name: str) -> Large:
    import qwen3_shapes

    shape = qwen3_shapes.SHAPES[name]
    if kit.is_dry:
        shape = qwen3_shapes.Qwen3(2, 64, 4, 2, 96, is_tied=shape.is_tied, head_dim=32, rows=512)
    return Large(name, lambda folder: qwen3_shapes.write(folder, shape), "linguistic", shape.layer_weights)


def evo2(kit: Kit, name: str) -> Large:
    import evo2_checkpoint
    import evo2_shapes

    shape, options = evo2_shapes.SHAPES[name], ()
    if kit.is_dry:
        shape = evo2_checkpoint.Config(evo2_shapes.kinds(7), width=32, heads=2, hidden=48, groups=4, taps=7, long_taps=128)
        options, name = ("--rope-scaling", "1", "--max-positions", "8192"), f"tiny_{name}"
    write = lambda folder: evo2_shapes.write(folder, name, shape)
    return Large(name, write, "genomic", evo2_shapes.layer_weights(shape), options)


def checkpoint(kit: Kit, model: Large) -> Path:
    """The model's checkpoint, written only once."""
    folder = kit.work / f"checkpoint-{model.name}"
    if folder.exists():
        return next(folder.glob("*.pt"), folder)
    return model.write(folder)


def shots(kit: Kit) -> tuple[int, ...]:
    return SHOTS[:3] if kit.is_dry else SHOTS


def nested(kit: Kit, model: Large, functions: int) -> str:
    """Nested prompts that cover the whole curve."""
    return kit.prompts(model.alphabet, ",".join(map(str, shots(kit))), size(kit, functions), "nested")


def converted(kit: Kit, model: Large, *options) -> Path:
    return kit.convert(checkpoint(kit, model), *model.options, *options)


def size(kit: Kit, full: int) -> int:
    """The number of prompts."""
    return 2 if kit.is_dry else full


def speed(kit: Kit, model: Large, folder: Path) -> Answered:
    """Measures loading, prefill and the nested curve. Returns the curve's run."""
    most = str(max(shots(kit)))
    short = kit.infer(folder, kit.prompts(model.alphabet, "1", 1))
    kit.add(f"{model.name} load", True, load_seconds=short.seconds, peak_bytes=short.peak_bytes)
    read = kit.infer(folder, kit.prompts(model.alphabet, most, size(kit, 32)), "--complete", "none")
    rate, product = 2 * model.weights * read.tokens_per_second, kit.product_rate()
    share = {"share_of_product_rate": rate / product} if product else {}
    kit.add(
        f"{model.name} prefill",
        True,
        tokens_per_second=read.tokens_per_second,
        operations_per_second=rate,
        peak_bytes=read.peak_bytes,
        **share,
    )
    curve = kit.infer(folder, nested(kit, model, 32))
    measured = {name: curve.measured[name] for name in ("seconds", "tokens", "runtime_seconds", "batches_halved")}
    kit.add(f"{model.name} curve", True, answers=len(curve.records), peak_bytes=curve.peak_bytes, **measured)
    return curve


def qwen3_small(kit: Kit) -> None:
    """Compares Qwen3-0.6B's shape with transformers: logits, answers, speed."""
    model = qwen3(kit, "qwen3-0.6b")
    source = checkpoint(kit, model)
    peer = Peer.start(kit, source)
    if peer is None:
        kit.skip("transformers", "PyTorch or transformers is not there")
        speed(kit, model, converted(kit, model, *kit.for_device("bfloat16")))
        return
    with peer:
        recorded = peer.ask(do="record")
        off = {}
        for weights in ("float32", "bfloat16"):
            folder = converted(kit, model, *kit.for_device(weights))
            # Do what the converter's --record does. Another stage uses this folder too.
            card = json.loads((folder / "card.json").read_text())
            (folder / "card.json").write_text(json.dumps(card | {"recorded": recorded}))
            ran = kit.run(BIN / "infer", "--verify", "--model", folder, "--device", kit.device, "--ort-lib", LIBRARY)
            found = re.search(r"off by ([\d.e+-]+)", ran.out)
            if not found:
                raise Failed(f"infer --verify: {ran.out} {ran.err}")
            off[weights] = abs(float(found[1]))
        theirs = peer.ask(do="difference", recorded=recorded)["difference"]
        kit.add("logits float32", off["float32"] <= FLOAT32 * 5, off_by=off["float32"])
        # The largest of 320 logit errors. Both sides have the same kind of noise, and such a maximum is itself noisy.
        kit.add("logits bfloat16", off["bfloat16"] <= 2 * theirs, off_by=off["bfloat16"], transformers_off_by=theirs)
        curve = speed(kit, model, folder)
        few = kit.prompts(model.alphabet, "1,4,16", size(kit, 8))
        rows = [json.loads(line) for line in few.splitlines()]
        expected = peer.ask(do="answers", texts=[row["prompt"] for row in rows])["texts"]
        found = kit.infer(folder, few).records
        margins = [row["margin"] for row, text in zip(found, expected, strict=True) if row["output"] != text]
        largest = max(margins, default=0.0)
        kit.add(
            "answers",
            largest <= 2 * max(off["bfloat16"], theirs),
            answers=len(found),
            different=len(margins),
            largest_margin_of_different=largest,
        )
        beside_transformers(kit, peer, model, curve)


def beside_transformers(kit: Kit, peer: "Peer", model: Large, curve: Answered) -> None:
    """Runs the same prompts, separate for each shot count, with transformers' generate in bfloat16."""
    prompts = kit.prompts(model.alphabet, ",".join(map(str, shots(kit))), size(kit, 32))
    rows = [json.loads(line) for line in prompts.splitlines()]
    groups = [[row["prompt"] for row in rows if row["shots"] == count] for count in shots(kit)]
    read = peer.ask(do="prefill", texts=groups[-1])
    kit.add("transformers prefill", True, **read)
    theirs = peer.ask(do="generate", groups=groups)
    ours = curve.measured["seconds"]
    kit.add("transformers curve", True, **theirs, seconds_of_infer=ours, ratio=theirs["seconds"] / ours)


class Peer:
    """A process with transformers (reference.py) that answers one line at a time."""

    def __init__(self, process: subprocess.Popen):
        self._process = process

    @classmethod
    def start(cls, kit: Kit, source: Path) -> "Peer | None":
        """Starts the process. Returns None if it cannot start."""
        if kit.run(sys.executable, "-c", "import torch, transformers").code != 0:
            return None
        command = [sys.executable, ROOT / "scripts" / "gpu-kit" / "reference.py", source, kit.device]
        process = subprocess.Popen(
            list(map(str, command)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment()
        )
        return cls(process)

    def ask(self, **request) -> dict:
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise Failed("transformers' process ended (its message is on stderr)")
        return json.loads(line)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait()


def evo2_small(kit: Kit) -> None:
    """Compares Evo 2 1B's shape with the CPU."""
    model = evo2(kit, "evo2_1b_base")
    prompts = kit.prompts(model.alphabet, "1,8", size(kit, 4))
    with cleared(kit, model):
        checkpoint(kit, model)
        with ThreadPoolExecutor(2) as pool:
            here = pool.submit(converted, kit, model, "--device", "cpu")
            there = {weights: converted(kit, model, *kit.for_device(weights)) for weights in ("float32", "bfloat16")}
            here = here.result()
        truth = kit.infer(here, prompts, device="cpu").records
        for weights, folder in there.items():
            figures = compare(truth, kit.infer(folder, prompts).records)
            kit.add(f"answers {weights}", agree(figures, 5 * FLOAT32 if weights == "float32" else None), **figures)
        speed(kit, model, there["bfloat16"])


@contextmanager
def cleared(kit: Kit, model: Large):
    """Deletes every file of a model from the disk afterwards."""
    try:
        yield
    finally:
        for path in kit.work.glob(f"*{model.name}*"):
            shutil.rmtree(path)


def large(kit: Kit, model: Large) -> None:
    """Measures loading, prefill, the curve and memory."""
    with cleared(kit, model):
        folder = converted(kit, model, *kit.for_device("bfloat16"))
        shutil.rmtree(kit.work / f"checkpoint-{model.name}")
        speed(kit, model, folder)


# --- little memory, and batch sizes ---


def refused(kit: Kit) -> None:
    """Runs with memory for the weights and little more, then with less than the weights need."""
    model = qwen3(kit, "qwen3-0.6b")
    folder = converted(kit, model, *kit.for_device("bfloat16"))
    prompts = nested(kit, model, 16)
    if kit.device == "cpu":
        return kit.skip("memory", "a processor's memory is not filled up")
    weights = (folder / "model.onnx.data").stat().st_size
    whole = kit.infer(folder, prompts)
    # Memory beside the weights: CUDA's own context, about 500 MB, and room for one sequence.
    with little_memory(kit, weights + (1 << 20 if kit.is_dry else 3 << 29)) as variables:
        little = kit.infer(folder, prompts, **variables)
    figures = compare(whole.records, little.records)
    halved = little.measured["batches_halved"]
    kit.add("a little", agree(figures), **figures, halved=halved, seconds=little.seconds, before=whole.seconds)
    with little_memory(kit, weights // 2) as variables:
        command = (BIN / "infer", "--model", folder, "--device", kit.device, "--ort-lib", LIBRARY)
        ran = kit.run(*command, text=prompts, **variables)
    kit.add("too little", ran.code == 4 and ran.err.count("\n") == 1, code=ran.code, said=ran.err)


@contextmanager
def little_memory(kit: Kit, free: int):
    """Leaves `free` bytes of GPU memory. Yields the variables that do so on the device that computes nothing."""
    if kit.is_dry:
        yield {"NULL_CUDA_MEMORY": free}
        return
    fill = (
        "import sys, torch; torch.zeros(1, device='cuda'); free, _ = torch.cuda.mem_get_info();"
        "kept = torch.empty(max(free - int(sys.argv[1]), 0), dtype=torch.uint8, device='cuda');"
        "print('full', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", fill, str(free)]
    filler = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        if not filler.stdout.readline():
            raise Failed("the card's memory could not be filled")
        yield {}
    finally:
        filler.kill()
        filler.wait()


def sweep(kit: Kit) -> None:
    """Tokens per second of prefill, by the tokens of a batch and of a chunk."""
    model = qwen3(kit, "qwen3-0.6b")
    folder = converted(kit, model, *kit.for_device("bfloat16"))
    long = kit.prompts(model.alphabet, str(max(shots(kit))), size(kit, 64))
    short = kit.prompts(model.alphabet, "8", size(kit, 64))
    for name, prompts in (("long", long), ("short", short)):
        for batch in (4096, 16384, 65536):
            read = kit.infer(folder, prompts, "--complete", "none", "--batch-tokens", batch)
            kit.add(f"{name} batch {batch}", True, tokens_per_second=read.tokens_per_second, peak_bytes=read.peak_bytes)
    for chunk in (256, 1024, 2048, 8192):
        read = kit.infer(folder, long, "--complete", "none", "--prefill-chunk", chunk)
        kit.add(f"chunk {chunk}", True, tokens_per_second=read.tokens_per_second, peak_bytes=read.peak_bytes)


STAGES = {
    "doctor": Stage(doctor, "does the card compute, and what is there", 10),
    "tiny": Stage(tiny, "small models of every family against the processor", 30),
    "qwen3-0.6b": Stage(qwen3_small, "its shape: logits, answers, speed and memory beside transformers", 60),
    "evo2-1b": Stage(evo2_small, "its shape against the processor", 60),
    "evo2-7b": Stage(lambda kit: large(kit, evo2(kit, "evo2_7b")), "its shape: load, prefill, curve, memory", 90),
    "qwen3-8b": Stage(lambda kit: large(kit, qwen3(kit, "qwen3-8b")), "its shape: load, prefill, curve, memory", 90),
    "refused": Stage(refused, "refused memory", 30),
    "sweep": Stage(sweep, "tokens of a batch and of a chunk", 40),
    "whole": Stage(whole_provider, "the pruned provider beside the whole one", 15),
}
