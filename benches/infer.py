"""`infer` on a real model against the figures that the project promises, beside transformers and llama.cpp.

    target/venv-test/bin/python benches/infer.py [--only PART]... [--functions N] [--runs N]

SmolLM2-135M, --threads threads everywhere, the same prompts for all. What is timed is timed in rounds, every contender
once a round, after one round that does not count; figures are medians. Model loading and tokenisation are left out for
all, but not from `start`. The parts:

    prefill   a prompt of 128 shots in the paper's format and 7 tokens of its answer, float32: infer, transformers (one
              pass, no cache, logits of 8 tokens), llama.cpp with the file's 4 bits (activations in 8) and with
              the same weights in float32; the machine's float32 matrix products in the same rounds. Operations are
              counted below (`operations`). The others stay up between rounds; infer, which is started anew for each,
              reads PROMPTS prompts of this length one after the other, so that its first touch of memory is spread.
    curve     --functions functions of the paper's 100, shots 1 to 128, one trial each: infer on nested trials, infer's
              `generate` and transformers' on the eight separate prompts, in batches of whatever size transformers is
              fastest at for each shot count. Everything grows with the number of functions, so ratios do not.
    memory    peak memory of `infer` at that prompt, and on a plain export with a vocabulary of 152 thousand.
    profile   the share of time outside the model while the nested curve is read: `runtime_seconds` of what infer
              measures itself, and CPU samples by library, where `perf` can be used.
    start     from starting `infer` with the 4-bit model to its first answer at the end of a pipe.

Runs with scripts/requirements/test.txt, which brings llama.cpp's server; transformers runs in a process of its own with
tests/oracle/requirements.txt.
"""

import argparse
import contextlib
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import infer_llama
from measuring import machine, met, print_table

ROOT = Path(__file__).resolve().parents[1]
SHOTS = (1, 2, 4, 8, 16, 32, 64, 128)
BITS = 8
# Tokens of a 128-shot prompt: 128 times (8 + 8 + 1) symbols, then the query.
PROMPT_TOKENS = 2184
# The number of these prompts in one run of `prefill`.
PROMPTS = 4
SQUARE = 2048
Row = tuple[str, str, str]


@dataclass
class Answered:
    """One run of infer: its predictions and its measurements."""

    records: list[dict]
    measured: dict

    @property
    def seconds(self) -> float:
        return self.measured["seconds"]


class Bench:
    """The paths, and what the parts of the bench share."""

    def __init__(self, args: argparse.Namespace, temp: Path):
        self.args, self.temp = args, temp
        self.config = json.loads((args.model / "config.json").read_text())

    def program(self, name: str) -> str:
        return str(self.args.bin / name)

    def prompts(self, name: str, *trials: str) -> Path:
        """Draws and encodes prompts in the paper's format."""
        path = self.temp / f"{name}.jsonl"
        if not path.exists():
            draw = subprocess.Popen(
                [self.program("gen-tasks"), "--quiet", *trials], stdout=subprocess.PIPE
            )
            dress = [self.program("encode"), "--alphabet", "linguistic", "--quiet", "-o", path]
            subprocess.run(dress, stdin=draw.stdout, check=True)
            if draw.wait() != 0:
                raise SystemExit("gen-tasks failed")
        return path

    def suite(self) -> str:
        """A file with some of the paper's functions, evenly spread over its list."""
        path = self.temp / "suite.txt"
        listed = subprocess.run([self.program("gen-tasks"), "--list", "--to", "jsonl"], capture_output=True, check=True)
        names = [json.loads(line)["function"] for line in listed.stdout.splitlines()]
        count = self.args.functions
        path.write_text("".join(f"{names[i * len(names) // count]}\n" for i in range(count)))
        return str(path)

    def infer(self, prompts: Path, *options: str, model: Path | None = None, before: tuple[str, ...] = ()) -> Answered:
        """Runs infer. `before` is put in front of its command."""
        out = self.temp / "answers.jsonl"
        command = [*before, self.program("infer"), "--model", model or self.args.model]
        command += ["--threads", self.args.threads, "--quiet", *options, "-o", out, prompts]
        subprocess.run([str(part) for part in command], check=True)
        chain = json.loads(out.with_name(f"{out.name}.provenance.json").read_text())
        return Answered([json.loads(line) for line in out.read_text().splitlines()], chain[-1]["measured"])

    def rounds(self, contenders: dict[str, Callable[[], float]]) -> dict[str, list[float]]:
        """The seconds of each contender in every round except the first."""
        took = {name: [] for name in contenders}
        for number in range(self.args.runs + 1):
            for name, run in contenders.items():
                seconds = run()
                print(f"round {number} of {self.args.runs}: {name}: {seconds:.2f} s", file=sys.stderr, flush=True)
                if number > 0:
                    took[name].append(seconds)
        return took

    @contextlib.contextmanager
    def transformers(self):
        """Yields a function that sends requests to the process of benches/infer_torch.py."""
        args, program = self.args, ROOT / "benches" / "infer_torch.py"
        command = [args.peers, program, args.gguf, args.model / "tokenizer.json", args.threads]
        command = [str(part) for part in command]
        with open(self.temp / "transformers.log", "wb") as log:
            peer = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True)

        def heard() -> dict:
            line = peer.stdout.readline()
            if not line:
                raise SystemExit((self.temp / "transformers.log").read_text())
            return json.loads(line)

        def ask(**request) -> dict:
            peer.stdin.write(json.dumps(request) + "\n")
            peer.stdin.flush()
            return heard()

        try:
            heard()
            yield ask
        finally:
            # When the bench is stopped, the process may still be busy with an answer for minutes.
            peer.kill()
            peer.wait()


def matrices(config: dict) -> list[tuple[int, int, int]]:
    """(in, out, count) of the matrices in the layers."""
    width, hidden, layers = (config[name] for name in ("hidden_size", "intermediate_size", "num_hidden_layers"))
    q, kv = (config[name] * config["head_dim"] for name in ("num_attention_heads", "num_key_value_heads"))
    shapes = [(width, q, 1), (width, kv, 2), (q, width, 1), (width, hidden, 2), (hidden, width, 1)]
    return [(columns, rows, count * layers) for columns, rows, count in shapes]


def operations(config: dict, tokens: int, wanted: int) -> float:
    """The least number of multiplications and additions for a pass over `tokens` tokens.

    They are two for every weight of a layer and token; after the last layer's attention, for the wanted tokens only. In
    attention, four for every dimension of every head and every pair of a token with itself or an earlier one. Two for
    every weight of the output matrix and every token whose logits are wanted.
    """
    *_, out, up, down = sizes = [columns * rows * count for columns, rows, count in matrices(config)]
    last = (out + up + down) / config["num_hidden_layers"]
    linear = 2 * (tokens * (sum(sizes) - last) + wanted * last)
    pairs = tokens * (tokens + 1) / 2
    attention = 4 * pairs * config["num_attention_heads"] * config["head_dim"] * config["num_hidden_layers"]
    return linear + attention + 2 * wanted * config["hidden_size"] * config["vocab_size"]


def long_prompts(bench: Bench, count: int) -> tuple[Path, str]:
    """Prompts of 128 shots: the file, and the first prompt with the answer symbols that a teacher-forced pass reads."""
    path = bench.prompts(f"long-{count}", "--task", "identity", "--shots", str(SHOTS[-1]), "--trials", str(count))
    record, *_ = map(json.loads, path.read_text().splitlines())
    if len(record["prompt"]) != PROMPT_TOKENS:
        raise SystemExit(f"a prompt of {len(record['prompt'])} symbols, expected {PROMPT_TOKENS}")
    return path, record["prompt"] + record["answer"][:-1]


def prefill(bench: Bench) -> list[Row]:
    """Measures one pass over a long prompt."""
    path, text = long_prompts(bench, PROMPTS)
    tokens, config = len(text), bench.config
    log = bench.temp / "llama.log"
    wide = bench.temp / "float32.gguf"
    infer_llama.widen(bench.args.gguf, wide)
    shapes = [[tokens, columns, rows, count] for columns, rows, count in matrices(config)]
    said: dict[str, str] = {}

    def ours(name: str, model: Path) -> Callable[[], float]:
        def run() -> float:
            done = bench.infer(path, "--complete", "none", "--slim", model=model)
            if done.measured["tokens"] != PROMPTS * tokens:
                raise SystemExit(f"infer read {done.measured['tokens']} tokens, expected {PROMPTS * tokens}")
            said[name] = done.records[0]["output"]
            return done.seconds / PROMPTS

        return run

    with contextlib.ExitStack() as stack:
        ask = stack.enter_context(bench.transformers())
        llama, threads = bench.args.llama, bench.args.threads
        server = lambda model: stack.enter_context(infer_llama.serving(llama, model, threads, log))
        servers = {}
        # llama.cpp rounds activations to 8 bits before it multiplies them with 4-bit weights; infer does not.
        for name, model in {"llama.cpp, 4 bits times 8": bench.args.gguf, "llama.cpp, float32": wide}.items():
            try:
                servers[name] = server(model)
            except SystemExit as failed:
                print(f"{name}: left out: {failed}", file=sys.stderr, flush=True)

        def transformers() -> float:
            answer = ask(do="prefill", text=text, keep=BITS)
            said["transformers"] = answer["text"]
            return answer["seconds"]

        took = bench.rounds({
            "infer, float32": ours("infer, float32", bench.args.model),
            "infer, 4 bits": ours("infer, 4 bits", bench.args.q4),
            "transformers, float32": transformers,
            **{name: lambda url=url: infer_llama.prefill(url, text) for name, url in servers.items()},
            "square": lambda: ask(do="sgemm", shapes=[[SQUARE] * 3 + [10]])["seconds"],
            "shapes": lambda: ask(do="sgemm", shapes=shapes)["seconds"],
        })  # fmt: skip
    # With teacher forcing, the answer must agree with the reference up to its last symbol.
    for name in ("infer, float32", "infer, 4 bits"):
        if not said["transformers"].startswith(said[name]):
            raise SystemExit(f"{name} says {said[name]!r}, transformers {said['transformers']!r}")
    rate = {name: tokens / statistics.median(seconds) for name, seconds in took.items()}
    needed = operations(config, tokens, BITS)
    speed = {name: needed * per_second / tokens / 1e9 for name, per_second in rate.items()}
    square = 10 * 2 * SQUARE**3 / statistics.median(took["square"]) / 1e9
    own = sum(2 * m * k * n * count for m, k, n, count in shapes) / statistics.median(took["shapes"]) / 1e9
    best = rate["infer, float32"]
    verdicts = {
        "transformers, float32": met(">= 1.2 times transformers", best >= 1.2 * rate["transformers, float32"]),
        **{name: met("more than llama.cpp", best > rate[name]) for name in servers},
    }
    rows = [
        (f"prefill of {tokens} tokens: {name}", f"{rate[name]:.0f} tokens/s, {speed[name]:.0f} GFLOP/s",
         (f"infer is {best / rate[name]:.2f} times as fast; " + verdicts[name]) if name in verdicts else "")
        for name in rate if name not in ("square", "shapes")
    ]  # fmt: skip
    share = speed["infer, float32"] / square
    return [
        *rows,
        (f"sgemm, {SQUARE} x {SQUARE} x {SQUARE}", f"{square:.0f} GFLOP/s", ""),
        ("sgemm, the model's own products", f"{own:.0f} GFLOP/s", ""),
        ("infer, float32, of the square's", f"{share:.0%}", met(">= 65 %", share >= 0.65)),
    ]


def curve(bench: Bench) -> list[Row]:
    """Measures the whole ICL curve in three ways."""
    shots, suite = ",".join(map(str, SHOTS)), bench.suite()
    nested = bench.prompts("nested", "--suite", suite, "--shots", shots, "--trials", "1", "--design", "nested")
    separate = bench.prompts("separate", "--suite", suite, "--shots", shots, "--trials", "1")
    prompts = [json.loads(line) for line in separate.read_text().splitlines()]
    last: dict[str, object] = {}

    def ours(name: str, path: Path, method: str) -> Callable[[], float]:
        def run() -> float:
            last[name] = bench.infer(path, "--method", method, "--slim")
            return last[name].seconds

        return run

    with bench.transformers() as ask:
        groups = []
        for n in SHOTS:
            texts = [p["prompt"] for p in prompts if p["shots"] == n]
            batch = ask(do="calibrate", texts=texts, new=BITS)["batch"]
            print(f"transformers: {n} shots: batches of {batch}", file=sys.stderr, flush=True)
            groups.append({"texts": texts, "batch": batch})

        def transformers() -> float:
            last["transformers"] = ask(do="generate", groups=groups, new=BITS)
            return last["transformers"]["seconds"]

        took = bench.rounds({
            "nested": ours("nested", nested, "score"),
            "generate": ours("generate", separate, "generate"),
            "transformers": transformers,
        })  # fmt: skip
    seconds = {name: statistics.median(each) for name, each in took.items()}
    theirs = dict(zip((text for group in groups for text in group["texts"]), last["transformers"]["texts"]))
    said = {record["trial_id"]: record["output"] for record in last["generate"].records}
    # Our answers end at a symbol that is not a bit; theirs continue.
    alike = sum(theirs[p["prompt"]].startswith(said[p["trial_id"]]) for p in prompts)
    count = len(prompts)
    tokens = {name: last[name].measured["tokens"] for name in ("nested", "generate")}
    to = lambda name: seconds[name] / seconds["nested"]
    return [
        (f"curve of {bench.args.functions} functions: infer, nested", f"{seconds['nested']:.1f} s",
         f"{tokens['nested']:,} tokens"),
        ("  infer, generate", f"{seconds['generate']:.1f} s",
         f"{tokens['generate']:,} tokens; nested is {to('generate'):.2f} times as fast; "
         + met(">= 1.7", to("generate") >= 1.7)),
        ("  transformers, generate", f"{seconds['transformers']:.1f} s",
         f"nested is {to('transformers'):.2f} times as fast; " + met(">= 2.5", to("transformers") >= 2.5)),
        ("  answers alike, infer's and transformers' generate", f"{alike} of {count}", ""),
    ]  # fmt: skip


def size(folder: Path) -> int:
    """The bytes of a model's graph and weights."""
    return sum(path.stat().st_size for path in folder.glob("model.onnx*"))


def memory(bench: Bench) -> list[Row]:
    """Measures peak memory for one long prompt, beyond the size of the model."""
    path, _ = long_prompts(bench, 1)
    plain = bench.args.plain
    if not plain.exists():
        build = [bench.args.peers, ROOT / "benches" / "infer_plain.py", bench.args.model / "tokenizer.json", plain]
        with open(bench.temp / "plain.log", "wb") as log:
            subprocess.run([str(part) for part in build], check=True, stdout=log, stderr=log)
    rows, subset = [], bench.args.model
    for name, model, most in (("SmolLM2-135M", subset, 600e6), ("a plain export, vocabulary 152k", plain, 1.5e9)):
        over = bench.infer(path, "--slim", model=model).measured["peak_memory_bytes"] - size(model)
        verdict = met(f"< the model + {most / 1e6:.0f} MB", over < most)
        what = f"peak memory at {PROMPT_TOKENS} tokens: {name}"
        rows.append((what, f"{size(model) / 1e6:.0f} MB and {over / 1e6:.0f} MB", verdict))
    return rows


def profile(bench: Bench) -> list[Row]:
    """Measures the time that is not spent in the model."""
    shots = ",".join(map(str, SHOTS))
    nested = bench.prompts("nested", "--suite", bench.suite(), "--shots", shots, "--trials", "1", "--design", "nested")
    measured = bench.infer(nested, "--slim").measured
    rows = []
    if "runtime_seconds" in measured:
        outside = 1 - measured["runtime_seconds"] / measured["seconds"]
        rows.append(("time outside the runtime, nested curve", f"{outside:.2%}", met("< 2 %", outside < 0.02)))
    else:
        rows.append(("time outside the runtime, nested curve", "not recorded", "this infer records no runtime_seconds"))
    perf, samples = shutil.which("perf"), bench.temp / "perf.data"
    if perf is None:
        return [*rows, ("CPU samples by library", "no perf here", "")]
    with contextlib.suppress(subprocess.CalledProcessError):
        bench.infer(nested, "--slim", before=(perf, "record", "-q", "-F", "199", "-o", str(samples), "--"))
        report = [perf, "report", "-i", samples, "--stdio", "--sort", "dso", "-g", "none", "-q"]
        shares = subprocess.run(report, capture_output=True, check=True, text=True).stdout.split("\n")
        named = [line.split() for line in shares if "%" in line]
        return [*rows, *((f"CPU samples, loading included: {dso}", share, "") for share, dso, *_ in named[:5])]
    return [*rows, ("CPU samples by library", "perf failed", "")]


def start(bench: Bench) -> list[Row]:
    """Measures the time from the start of the process to an answer."""
    prompt = bench.prompts("short", "--task", "identity", "--shots", "4", "--trials", "1").read_bytes()
    command = [bench.program("infer"), "--model", bench.args.q4, "--threads", bench.args.threads, "--slim", "--quiet"]

    def run() -> float:
        begun = time.perf_counter()
        with subprocess.Popen([str(p) for p in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            process.stdin.write(prompt)
            process.stdin.close()
            if "prediction" not in json.loads(process.stdout.readline()):
                raise SystemExit("infer's first line is no prediction")
            seconds = time.perf_counter() - begun
        return seconds

    seconds = statistics.median(bench.rounds({"start": run})["start"])
    what = "start to first prediction, 4-bit model, one prompt in a pipe"
    return [(what, f"{seconds:.2f} s", met("< 2 s", seconds < 2))]


PARTS = {"prefill": prefill, "curve": curve, "memory": memory, "profile": profile, "start": start}


def main() -> int:
    models, target = ROOT / "models", ROOT / "target"
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", type=Path, default=target / "release", help="folder of the filters")
    parser.add_argument("--only", action="append", choices=PARTS, help="this part; repeatable (default: all)")
    parser.add_argument("--runs", type=int, default=5, help="rounds that count (default: %(default)s)")
    parser.add_argument("--functions", type=int, default=10, help="of the curve (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="default: %(default)s")
    parser.add_argument("--model", type=Path, default=models / "smollm2-135m", help="as `make model-smollm2` makes it")
    parser.add_argument("--q4", type=Path, default=models / "smollm2-135m-q4", help="as `make model-smollm2-q4` does")
    parser.add_argument("--gguf", type=Path, default=models / "gguf" / "SmolLM2-135M-Instruct.Q4_1.gguf")
    parser.add_argument("--plain", type=Path, default=models / "plain-152k", help="made if it is not there")
    parser.add_argument("--peers", type=Path, default=target / "venv-oracle/bin/python", help="transformers' Python")
    parser.add_argument("--llama", type=Path, default=Path(sysconfig.get_path("scripts")) / "llama-server-vulkan")
    args = parser.parse_args()
    # Convert SIGTERM to an exit, so that servers and peer processes end with the bench.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    for path in (args.bin / "infer", args.model, args.q4, args.gguf, args.peers, args.llama):
        if not path.exists():
            parser.error(f"{path} is not there (make bench-infer makes what is needed)")
    print(f"machine   {machine()}; load {os.getloadavg()[0]:.1f}")
    version = subprocess.run([args.bin / "infer", "--version"], capture_output=True, text=True, check=True)
    print(f"versions  {version.stdout.strip()}; {args.threads} threads; {args.runs} rounds, medians", flush=True)
    with tempfile.TemporaryDirectory() as temp:
        bench = Bench(args, Path(temp))
        for name in args.only or PARTS:
            print_table(PARTS[name](bench))
    return 0


if __name__ == "__main__":
    sys.exit(main())
