"""Test the wheel as a user installs it: every filter runs, finds the runtime, and says what is missing.

    make test-wheel
"""

import os
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from pyarrow import parquet

from environments import ROOT, TOOLS, Environment, built, pythons, said

FILTERS = ("contrast", "encode", "figure", "fit-loglinear", "gen-tasks", "infer", "merge-shards", "score")
MODEL = ROOT / "tests" / "fixtures" / "models" / "tiny-subset"
# The demo's commands, with a model of the fixtures.
PIPELINE = f"""
gen-tasks --suite paper --design nested --shots 1,2,4,8,16 --trials 1 --to arrow \
  | encode --alphabet linguistic --template '{{x}}>{{y}}\\n' --to arrow \
  | infer --model {MODEL} -o predictions.parquet
score predictions.parquet -o scores.csv
fit-loglinear predictions.parquet -o fits.csv
figure curve scores.csv -o curve.svg
"""
TABLES = ("predictions.parquet", "scores.csv", "fits.csv", "curve.svg")
# A release that is too old for `infer`.
OLD_RUNTIME = "onnxruntime==1.23.2"


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """The folder with the tables that the filters of `make build` write, with the runtime of `make runtime`."""
    folder = tmp_path_factory.mktemp("expected")
    binaries = Path(os.environ["SHOTLINE_BIN"]).resolve()
    environment = os.environ | {"PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}", "SHOTLINE_ORT_LIB": f"{ROOT}/runtime"}
    subprocess.run(["bash", "-euo", "pipefail", "-c", PIPELINE], cwd=folder, env=environment, check=True)
    return folder


def same_as(expected: Path, folder: Path) -> None:
    for name in TABLES:
        ours, theirs = (place / name for place in (folder, expected))
        if name.endswith("parquet"):
            # The provenance contains a time, so it is not compared.
            ours, theirs = (parquet.read_table(file).replace_schema_metadata() for file in (ours, theirs))
            assert ours == theirs
        else:
            assert ours.read_bytes() == theirs.read_bytes(), name


@pytest.mark.parametrize("uv", [False, True], ids=["pip", "uv"])
@pytest.mark.parametrize("version", pythons())
def test_the_demos_pipeline_runs_in_a_fresh_environment(version, uv, expected, tmp_path):
    environment = Environment.made(tmp_path / "env", pythons()[version], "[cpu]", uv=uv)
    environment.says(PIPELINE, tmp_path)
    same_as(expected, tmp_path)
    report = environment.says("infer --doctor", tmp_path)
    assert f"{environment.packages.resolve()}/onnxruntime/capi/libonnxruntime.so" in report


def test_every_filter_says_its_version_and_commit_and_infer_its_runtime(bare, whole, tmp_path):
    commit = said(["git", "-C", ROOT, "describe", "--always", "--dirty", "--exclude", "*"]).strip()
    number = built("*.whl").name.split("-")[1]
    for name in FILTERS:
        runtime = ", ONNX Runtime 1.31.1" if name == "infer" else ""
        assert whole.says(f"{name} --version", tmp_path) == f"{name} {number} (commit {commit}{runtime})\n"
    assert bare.says("infer --version", tmp_path).endswith(", ONNX Runtime none found)\n")


def test_pages_completions_and_what_help_names_are_under_share(bare):
    share = bare.folder / "share"
    for name in FILTERS:
        for file in (f"man/man1/{name}.1", f"bash-completion/completions/{name}.bash",
                     f"zsh/site-functions/_{name}", f"fish/vendor_completions.d/{name}.fish"):
            assert (share / file).is_file(), file
    for file in ("docs/engines.md", "scripts/engines/openai-completions.py", "examples/pandas_curves.py"):
        assert (share / "shotline" / file).is_file(), file
    with zipfile.ZipFile(built("*.whl")) as archive:
        assert not [name for name in archive.namelist() if "__pycache__" in name]


def test_without_a_runtime_infer_names_the_extra(bare, tmp_path):
    (tmp_path / "prompts.jsonl").write_bytes((ROOT / "tests/fixtures/records/prompt.1.jsonl").read_bytes())
    asked = f"infer --model {MODEL} prompts.jsonl"
    bare.refused(3, asked, tmp_path, "no ONNX Runtime", "pip install 'shotline[cpu]'", "'shotline[cuda]'")
    # Baselines need no runtime.
    assert bare.says("infer --model builtin:copy prompts.jsonl", tmp_path)


def test_a_cpus_runtime_has_no_cuda_and_infer_names_the_extra(whole, tmp_path):
    # This model was not converted for one particular device.
    model = MODEL.with_name("tiny-hf")
    asked = f"infer --model {model} --device cuda {ROOT}/tests/fixtures/records/prompt.1.jsonl"
    whole.refused(3, asked, tmp_path, "cuda", "pip install 'shotline[cuda]'")


def test_two_runtimes_in_one_environment_are_refused_by_name(bare, whole, tmp_path):
    # The metadata folders that pip would leave, without the 300 MB of the packages.
    for environment in (bare, whole):
        gpu = environment.packages / "onnxruntime_gpu-1.31.1.dist-info"
        cpu = environment.packages / "onnxruntime-1.31.1.dist-info"
        made = [folder for folder in (gpu, cpu) if not folder.exists()]
        for folder in made:
            folder.mkdir()
        asked = f"infer --model {MODEL} {ROOT}/tests/fixtures/records/prompt.1.jsonl"
        words = ("onnxruntime 1.31.1 and onnxruntime-gpu 1.31.1", "pip uninstall onnxruntime onnxruntime-gpu")
        environment.refused(3, asked, tmp_path, *words)
        for folder in made:
            folder.rmdir()


def test_a_runtime_that_is_too_old_is_refused_with_what_to_install(tmp_path):
    environment = Environment.made(tmp_path / "env", sys.executable, "", uv=True)
    said([TOOLS / "uv", "pip", "install", "--quiet", "--no-deps", "--python", environment.folder / "bin/python", OLD_RUNTIME])
    asked = f"infer --model {MODEL} {ROOT}/tests/fixtures/records/prompt.1.jsonl"
    environment.refused(3, asked, tmp_path, "is version 1.23.2", "or newer", "pip install 'shotline[cpu]'")


def test_the_converter_is_a_program(whole, bare, tmp_path):
    sys.path.insert(0, str(ROOT / "tests" / "python"))
    from seeded_models import write_seeded

    assert "MODEL_DIR receives" in whole.says("shotline-convert --help", tmp_path)
    write_seeded(tmp_path / "source", "qwen3", 3)
    whole.says("shotline-convert source -o model --name tiny", tmp_path)
    prompts = "gen-tasks --task identity --shots 2 --trials 2 | encode --alphabet linguistic"
    assert whole.says(f"{prompts} | infer --model model", tmp_path).count('"model":"tiny"') == 2
    done = bare.run("shotline-convert source -o other", tmp_path)
    assert done.returncode == 1 and "pip install 'shotline[convert]'" in done.stderr, done.stderr


def test_tables_of_every_format_are_the_same_in_python(whole, tmp_path):
    whole.says(f"python {Path(__file__).with_name('frames.py')} {ROOT}/tests/fixtures/records", tmp_path)


def test_its_programs_need_no_glibc_that_is_newer_than_the_tag_says(tmp_path):
    wheel = built("*.whl")
    assert re.fullmatch(r"shotline-[\d.]+-py3-none-manylinux_2_28_\w+\.whl", wheel.name)
    assert "manylinux_2_28" in said([TOOLS / "auditwheel", "show", wheel])
    with zipfile.ZipFile(wheel) as archive:
        programs = [name for name in archive.namelist() if name.rpartition("/")[2] in FILTERS and "scripts" in name]
        assert len(programs) == len(FILTERS)
        for name in programs:
            symbols = said(["readelf", "--version-info", archive.extract(name, tmp_path)])
            newest = max(tuple(map(int, number.split("."))) for number in re.findall(r"GLIBC_([\d.]+)", symbols))
            assert newest <= (2, 28), name


def test_the_sources_have_what_a_build_needs_and_nothing_else():
    with tarfile.open(built("*.tar.gz")) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    for name in ("Cargo.lock", "pyproject.toml", "src/lib.rs", "python/shotline/__init__.py", "python/shotline/convert/card.py",
                 "python/shotline/schemas/score.schema.json", "python/data/scripts/shotline-convert",
                 "python/data/data/share/man/man1/score.1"):
        assert name in names, name
    assert not [name for name in names if name.startswith(("target/", "models/", "runtime"))]
