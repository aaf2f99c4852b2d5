"""llama.cpp's server, for benches/infer.py, with the weights as in the file or widened to float32."""

import json
import socket
import subprocess
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import gguf
import numpy as np
from gguf.quants import dequantize

CONTEXT = 4096
START_SECONDS = 60


def widen(source: Path, target: Path) -> None:
    """Writes the GGUF file with every tensor dequantised to float32."""
    reader = gguf.GGUFReader(source)
    writer = gguf.GGUFWriter(target, reader.fields["general.architecture"].contents())
    for name, field in reader.fields.items():
        # Skip fields that the reader derives from the header, and those that the writer adds itself.
        if name.startswith("GGUF.") or name == "general.architecture":
            continue
        kind, *inner = field.types
        writer.add_key_value(name, field.contents(), kind, inner[-1] if kind == gguf.GGUFValueType.ARRAY else None)
    for tensor in reader.tensors:
        writer.add_tensor(tensor.name, dequantize(tensor.data, tensor.tensor_type).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


@contextmanager
def serving(program: Path, model: Path, threads: int, log: Path):
    """Runs the server on the CPU alone. Yields its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [program, "-m", model, "--device", "none", "-t", threads, "-c", CONTEXT, "--parallel", 1, "--port", port]
    with log.open("wb") as file:
        server = subprocess.Popen([str(part) for part in command], stdout=file, stderr=subprocess.STDOUT)
    url = f"http://127.0.0.1:{port}"
    try:
        _wait(server, url, log)
        yield url
    finally:
        server.terminate()
        server.wait()


def _wait(server: subprocess.Popen, url: str, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/health"):
                return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.2)
    raise SystemExit(f"llama.cpp's server does not start: {log}")


def prefill(url: str, text: str) -> float:
    """Seconds that the server reports for reading the text with an empty cache, one symbol per token."""
    body = {"prompt": text, "n_predict": 1, "temperature": 0, "cache_prompt": False}
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{url}/completion", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request) as response:
        timings = json.load(response)["timings"]
    if timings["prompt_n"] != len(text):
        raise SystemExit(f"llama.cpp read {len(text)} symbols as {timings['prompt_n']} tokens")
    return timings["prompt_ms"] / 1000
