"""Test `infer --device cuda` from end to end, on a CUDA device that computes nothing.

    make test-cuda

The tests cover the bytes that are copied to the host, refused memory, and the messages for unsuitable devices. All
results of the device are zeros. So the best token is always token 0. It is never right, so every answer is completed.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from device import NULL_CUDA, ROOT, RUNTIME, run_infer

FAMILIES = ("llama", "gemma3_text", "evo1", "evo2", "hyenadna")
PROVIDER = "libonnxruntime_providers_cuda.so"
# Every position returns at most 28 bytes: the best token, two logits, the softmax's log-sum, and the logits asked for.
# An answer of 8 symbols has 8 positions, and 8 more if it is completed in a batch. An answer that is completed alone is
# drafted: each call asks for all remaining symbols, and gains one symbol if the model rejects the whole draft.
BATCHED = (8 + 8) * 28
ALONE = (8 + 7 * 8 // 2) * 28


@pytest.fixture(params=FAMILIES)
def model(request, converted, prompts):
    """(folder, prompts)"""
    return converted(request.param), prompts(request.param)


@pytest.mark.parametrize("method", ["score", "generate"])
@pytest.mark.parametrize(
    "options, bound",
    [
        ((), BATCHED),
        (("--prefill-chunk", "64"), BATCHED),
        (("--batch-tokens", "1024"), BATCHED),
        (("--batch-tokens", "64"), ALONE),
        (("--constrain",), BATCHED),
    ],
    ids=lambda value: "".join(value) or "-" if isinstance(value, tuple) else "",
)
def test_only_what_was_asked_for_comes_back(model, method, options, bound, tmp_path, figures):
    folder, prompts = model
    ran = run_infer(tmp_path, "--model", folder, "--method", method, *options, prompts=prompts)
    assert ran.code == 0, ran.err
    assert len(ran.records) > len(prompts.splitlines())
    assert ran.report["launches"] > 0 and ran.report["launches_without_code"] == 0
    per_answer = ran.report["to_host"]["bytes"] / len(ran.records)
    figures.append(f"{folder.parent.name} {' '.join([method, *options])}: {per_answer:.0f} bytes to the host an answer")
    assert per_answer <= bound


def test_a_run_goes_on_where_it_was_interrupted(model, tmp_path):
    folder, prompts = model
    whole = run_infer(tmp_path, "--model", folder, prompts=prompts)
    lines, out = prompts.splitlines(True), tmp_path / "out.jsonl"
    broken = run_infer(tmp_path, "--model", folder, "-o", out, prompts="".join(lines[:7]) + "no prompt\n")
    assert broken.code == 1 and not out.exists()
    rest = run_infer(tmp_path, "--model", folder, "-o", out, "--resume", prompts=prompts)
    assert rest.code == 0, rest.err
    assert out.read_text() == whole.out
    assert 0 < rest.report["to_host"]["bytes"] < whole.report["to_host"]["bytes"]


def test_each_allocation_may_be_refused_once(model, tmp_path):
    refuse_in_turn(*model, tmp_path)


def test_each_allocation_may_be_refused_once_in_float32(converted, prompts, tmp_path):
    """In float32, the KV caches are filled with zeros."""
    refuse_in_turn(converted("llama", "float32"), prompts("llama"), tmp_path)


def refuse_in_turn(folder, prompts, tmp_path):
    """Refuses one allocation per run. The run gives the same answers as without a refusal, or ends with exit code 4."""
    run = lambda **variables: run_infer(tmp_path, "--quiet", "--model", folder, prompts=prompts, **variables)
    whole = run()
    allocations = whole.report["allocations"]
    codes = set()
    for number in sorted({1, 2, 3, 5, *(allocations * part // 16 for part in range(1, 17))}):
        ran = run(NULL_CUDA_REFUSE=number)
        assert ran.report["refused"] == 1
        codes.add(ran.code)
        if ran.code == 0:
            assert ran.out == whole.out
        else:
            ran.refused(4)
    assert 0 in codes


def test_weights_that_do_not_fit_are_refused_with_their_size(model, tmp_path):
    folder, prompts = model
    ran = run_infer(tmp_path, "--model", folder, prompts=prompts, NULL_CUDA_MEMORY=100_000)
    ran.refused(4, "weights", "cuda:0", "free")


def test_little_memory_takes_smaller_batches(model, tmp_path):
    folder, prompts = model
    whole = run_infer(tmp_path, "--quiet", "--model", folder, prompts=prompts)
    memory = int(0.8 * whole.report["peak_bytes"])
    small = run_infer(tmp_path, "--quiet", "--model", folder, prompts=prompts, NULL_CUDA_MEMORY=memory)
    assert small.code == 0, small.err
    assert small.out == whole.out


# --- devices and providers that do not suit ---


def test_a_card_without_bfloat16_is_named(converted, prompts, tmp_path):
    old = {"NULL_CUDA_CAPABILITY": "7.5", "prompts": prompts("llama")}
    ran = run_infer(tmp_path, "--model", converted("llama"), **old)
    ran.refused(3, "compute capability 7.5", "bfloat16", "--weights float32")
    assert run_infer(tmp_path, "--model", converted("llama", "float32"), **old).code == 0


def test_a_device_that_is_not_there_is_refused(converted, prompts, tmp_path):
    ran = run_infer(tmp_path, "--model", converted("llama"), device="cuda:1", prompts=prompts("llama"))
    ran.refused(3, "cuda:1")


def test_a_library_that_is_missing_is_named_with_the_package_that_has_it(converted, prompts, tmp_path):
    ran = run_infer(tmp_path, "--model", converted("llama"), prompts=prompts("llama"), LD_LIBRARY_PATH="")
    ran.refused(3, "libcublasLt.so.13", "PyPI has it in nvidia-cublas")


def beside(folder: Path, provider: bytes) -> Path:
    """Copies the runtime into a new folder, with these bytes as the CUDA provider."""
    folder.mkdir()
    for file in RUNTIME.glob("*.so*"):
        if file.name == PROVIDER:
            (folder / PROVIDER).write_bytes(provider)
        else:
            shutil.copy(file, folder)
    return folder


def test_a_provider_of_another_version_is_refused(converted, prompts, tmp_path):
    provider = (RUNTIME / PROVIDER).read_bytes()
    other = beside(tmp_path / "other", provider.replace(b"\x001.31.1\x00", b"\x001.30.1\x00"))
    ran = run_infer(tmp_path, "--model", converted("llama"), prompts=prompts("llama"), runtime=other)
    ran.refused(3, PROVIDER, "not of ONNX Runtime 1.31.1")


@pytest.fixture(scope="module")
def pruned(tmp_path_factory) -> Path:
    folder = beside(tmp_path_factory.mktemp("pruned") / "runtime", b"")
    prune = ROOT / "scripts" / "gpu-kit" / "prune_provider.py"
    subprocess.run([sys.executable, prune, RUNTIME / PROVIDER, folder / PROVIDER, "90"], check=True)
    return folder


@pytest.mark.parametrize("family", FAMILIES)
def test_a_pruned_provider_has_the_code_of_every_kernel(family, converted, prompts, pruned, tmp_path):
    run = lambda runtime: run_infer(tmp_path, "--model", converted(family), prompts=prompts(family), runtime=runtime)
    whole, little = run(RUNTIME), run(pruned)
    assert little.code == 0, little.err
    assert little.out == whole.out
    assert little.report == whole.report


def test_a_pruned_provider_is_refused_by_another_card(converted, prompts, pruned, tmp_path):
    old = {"NULL_CUDA_CAPABILITY": "8.0", "prompts": prompts("llama")}
    assert run_infer(tmp_path, "--model", converted("llama"), **old).code == 0
    ran = run_infer(tmp_path, "--model", converted("llama"), runtime=pruned, **old)
    ran.refused(3, "no code for", "compute capability 8.0")


# --- the doctor ---


def test_the_doctor_tells_the_card_and_that_it_computes_nothing(tmp_path):
    ran = run_infer(tmp_path, "--doctor")
    assert ran.code == 3 and "--doctor" in ran.err
    said = dict((line[:40].strip(), line[41:]) for line in ran.out.splitlines())
    assert said["cuda:0"] == "a device that computes nothing, compute capability 9.0"
    assert said["its memory"] == "85.9 GB free of 85.9"
    assert said["CUDA runtime"] == "13.0" and "CUDA up to 13.0" in said["driver"]
    assert said["bfloat16 product"].endswith("computes wrongly: 0 where 16 is right")
    assert said["its rate"].endswith(" TFLOP/s")
    assert "computes wrongly: 0 where" in said["bfloat16 attention"]
    assert "nvidia-cudnn-cu13" in said["libcudnn.so.9"] and "nvidia-cufft" in said["libcufft.so.12"]


def test_the_doctor_tells_a_card_without_bfloat16(tmp_path):
    ran = run_infer(tmp_path, "--doctor", NULL_CUDA_CAPABILITY="7.5")
    assert ran.code == 3 and "bfloat16 needs 8.0; convert with --weights float32" in ran.out


def test_nvidias_libraries_are_found_among_pythons_packages(converted, prompts, tmp_path):
    packages = tmp_path / "site-packages"
    capi, cuda = packages / "onnxruntime" / "capi", packages / "nvidia" / "cu13" / "lib"
    capi.mkdir(parents=True)
    for file in RUNTIME.resolve().glob("*.so*"):
        # The runtime looks for the providers beside its library. Links will do, and save hundreds of megabytes.
        place = os.symlink if "providers" in file.name else shutil.copy
        place(file, capi / file.name)
    shutil.copytree(NULL_CUDA, cuda, ignore=shutil.ignore_patterns(".*"))
    # The driver belongs to the machine, not to a Python package.
    driver = tmp_path / "driver"
    driver.mkdir()
    shutil.move(cuda / "libcuda.so.1", driver)
    ran = run_infer(
        tmp_path, "--model", converted("llama"), prompts=prompts("llama"), runtime=capi, LD_LIBRARY_PATH=driver
    )
    assert ran.code == 0 and ran.report["launches"] > 0, ran.err
    said = run_infer(tmp_path, "--doctor", runtime=capi, LD_LIBRARY_PATH=driver).out
    for library in ("libcudart.so.13", "libcublas.so.13", "libcublasLt.so.13"):
        assert re.search(rf"^{re.escape(library)} +found$", said, re.MULTILINE), said
