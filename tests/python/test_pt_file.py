"""scripts/convert/pt_file.py reads PyTorch files, also in parts. It refuses anything else and runs no code from them.

    python3 -m pytest tests/python/test_pt_file.py
"""

import builtins
import io
import os
import pickle
import struct
import sys
import zipfile
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "scripts" / "convert"), str(ROOT / "tests" / "oracle")]

from errors import ConvertError  # noqa: E402
from converter import POINTED, POINTER  # noqa: E402
from evo2_checkpoint import pickled, split, write  # noqa: E402
from pt_file import PtFile, is_checkpoint  # noqa: E402

TABLE = {
    "a.weight": np.arange(12, dtype=np.float32).reshape(3, 4),
    "b.weight": np.linspace(-2, 2, 10).astype(ml_dtypes.bfloat16).reshape(5, 2),
    "c.scale": np.array([0.1, -0.0, 3e38], np.float32),
}


def archive(path: Path, content: bytes, storages: dict[str, bytes] | None = None, **options) -> Path:
    """A checkpoint with this pickle. `options` are passed to the zip."""
    with zipfile.ZipFile(path, "w", **options) as file:
        file.writestr("checkpoint/data.pkl", content)
        for key, data in (storages or {"0": bytes(64)}).items():
            file.writestr(f"checkpoint/data/{key}", data)
    return path


def same(source: PtFile) -> None:
    assert source.shapes() == {name: array.shape for name, array in TABLE.items()}
    for name, array in TABLE.items():
        found = source.tensor(name)
        assert found.dtype == array.dtype
        np.testing.assert_array_equal(found.view(np.uint8), array.view(np.uint8))


@pytest.mark.parametrize("parts", [1, 2, 3, 12])
def test_tensors_are_what_was_saved(tmp_path, parts):
    path = write(tmp_path / "m.pt", TABLE, parts)
    sources = [path, tmp_path] + ([tmp_path / f"m.pt.part{parts - 1}"] if parts > 1 else [])
    for given in sources:
        source = PtFile(given)
        same(source)
        assert source.path == path and len(source.files()) == parts


def test_parts_are_joined_by_number_not_by_name(tmp_path):
    """By number, part10 comes after part9; by name, it would come after part1."""
    path = write(tmp_path / "m.pt", TABLE, 12)
    assert [file.suffix for file in PtFile(path).files()] == [f".part{number}" for number in range(12)]


def test_a_missing_part_is_named(tmp_path):
    path = write(tmp_path / "m.pt", TABLE, 4)
    (tmp_path / "m.pt.part2").unlink()
    with pytest.raises(ConvertError, match=r"m\.pt\.part2: missing"):
        PtFile(path)


def test_a_missing_last_part_is_a_truncated_file(tmp_path):
    path = write(tmp_path / "m.pt", TABLE, 4)
    (tmp_path / "m.pt.part3").unlink()
    with pytest.raises(ConvertError, match="m.pt: .*its last part is missing"):
        PtFile(path)


def test_nothing_there_is_named(tmp_path):
    with pytest.raises(ConvertError, match=r"m\.pt: no such file, and no m\.pt\.part0"):
        PtFile(tmp_path / "m.pt")


@pytest.mark.parametrize(("parts", "pointer"), [(0, "m.pt"), (2, "m.pt.part1")])
def test_a_git_lfs_pointer_is_named(parts, pointer, tmp_path):
    path = write(tmp_path / "m.pt", TABLE, parts)
    (tmp_path / pointer).write_text(POINTER)
    with pytest.raises(ConvertError, match=f"{pointer}: {POINTED}"):
        PtFile(path)


def test_two_checkpoints_in_a_folder_are_one_too_many(tmp_path):
    write(tmp_path / "m.pt", TABLE)
    write(tmp_path / "n.pt", TABLE, 2)
    with pytest.raises(ConvertError, match=r"expected one .pt checkpoint, found m\.pt, n\.pt"):
        PtFile(tmp_path)


@pytest.mark.parametrize("kept", [0, 3, 100, 0.5, 0.99])
def test_a_truncated_file_is_refused(tmp_path, kept):
    path = write(tmp_path / "m.pt", TABLE)
    data = path.read_bytes()
    path.write_bytes(data[: kept if isinstance(kept, int) else int(len(data) * kept)])
    with pytest.raises(ConvertError, match="m.pt: .*truncated"):
        PtFile(path)


def test_a_file_shortened_inside_is_refused(tmp_path):
    """The directory at the end is complete, but the bytes before it are not at the offsets that it gives."""
    path = write(tmp_path / "m.pt", TABLE)
    data = path.read_bytes()
    path.write_bytes(data[:200] + data[230:])
    with pytest.raises(ConvertError, match="m.pt: "):
        PtFile(path)


def test_a_compressed_entry_is_named(tmp_path):
    path = archive(tmp_path / "m.pt", pickled({}), compression=zipfile.ZIP_DEFLATED)
    with pytest.raises(ConvertError, match="entry checkpoint/data.pkl: compressed"):
        PtFile(path)


def test_another_zip_is_no_checkpoint(tmp_path):
    with zipfile.ZipFile(tmp_path / "m.pt", "w") as file:
        file.writestr("word/document.xml", "")
    with pytest.raises(ConvertError, match="no data.pkl"):
        PtFile(tmp_path / "m.pt")


def test_a_big_endian_file_is_refused(tmp_path):
    path = archive(tmp_path / "m.pt", pickled({}))
    with zipfile.ZipFile(path, "a") as file:
        file.writestr("checkpoint/byteorder", "big")
    with pytest.raises(ConvertError, match="byte order: expected little"):
        PtFile(path)


def test_a_missing_storage_is_named_with_its_tensor(tmp_path):
    path = archive(tmp_path / "m.pt", pickled(TABLE), {"0": bytes(48), "2": bytes(12)})
    with pytest.raises(ConvertError, match="tensor b.weight: its storage data/1 is missing"):
        PtFile(path)


def test_a_storage_that_is_too_short_is_named_with_its_tensor(tmp_path):
    path = archive(tmp_path / "m.pt", pickled(TABLE), {"0": bytes(48), "1": bytes(19), "2": bytes(12)})
    with pytest.raises(ConvertError, match="tensor b.weight: ends at byte 20 of a storage of 19"):
        PtFile(path)


def test_strides_that_are_not_contiguous_are_named_with_their_tensor(tmp_path):
    path = archive(tmp_path / "m.pt", pickled({"t.weight": TABLE["a.weight"].T}))
    with pytest.raises(ConvertError, match=r"tensor t.weight: strides \(1, 4\) of shape \(4, 3\)"):
        PtFile(path)


def test_a_folder_of_safetensors_is_no_checkpoint_whatever_lies_beside_them(tmp_path):
    write(tmp_path / "scheduler.pt", TABLE)
    assert is_checkpoint(tmp_path)
    (tmp_path / "model.safetensors").touch()
    assert not is_checkpoint(tmp_path)


# --- pickles, written as opcodes by hand, since a real pickler would not write them ---


def call(module: str, name: str, arguments: bytes = b")") -> bytes:
    return f"c{module}\n{name}\n".encode() + arguments + b"R"


def entry(value: bytes) -> bytes:
    return b"\x80\x02}X\x01\x00\x00\x00t" + value + b"s."


def storage(*fields: bytes) -> bytes:
    return b"(" + b"".join(fields) + b"tQ"


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value)) + value.encode()


COMMAND = b"(" + text("touch pwned") + b"t"
FLOATS = b"ctorch\nFloatStorage\n"
GOOD = storage(text("storage"), FLOATS, text("0"), text("cpu"), b"K\x04")
MALICIOUS = {
    "os.system": (entry(call("os", "system", COMMAND)), "os.system"),
    "posix.system": (entry(call("posix", "system", COMMAND)), "posix.system"),
    "eval": (entry(call("builtins", "eval", COMMAND)), "builtins.eval"),
    "a nested eval": (
        entry(call("torch._utils", "_rebuild_tensor_v2", b"(" + call("builtins", "eval", COMMAND) + b"t")),
        "builtins.eval",
    ),
    "getattr": (entry(call("builtins", "getattr", COMMAND)), "builtins.getattr"),
    "a dotted name": (b"\x80\x04" + text("torch") + text("os.system") + b"\x93" + COMMAND + b"R.", "torch.os.system"),
    "a class to instantiate": (entry(b"(" + text("x") + b"isubprocess\nPopen\n"), "subprocess.Popen"),
    "a module of this program": (entry(call("pt_file", "PtFile", COMMAND)), "pt_file.PtFile"),
    "torch.load": (entry(call("torch", "load", COMMAND)), "torch.load"),
    "another storage": (
        entry(storage(text("storage"), b"ctorch\nLongStorage\n", text("0"), text("cpu"), b"K\x04")),
        "torch.LongStorage",
    ),
    "a persistent id that is a text": (entry(text("os.system") + b"Q"), "'os.system'"),
    "a persistent id of another kind": (
        entry(storage(text("module"), FLOATS, text("0"), text("cpu"), b"K\x04")),
        "'module'",
    ),
    "a persistent id without a type": (
        entry(storage(text("storage"), text("float"), text("0"), text("cpu"), b"K\x04")),
        "no storage of a known type",
    ),
    "a storage that is called": (entry(FLOATS + b")R"), "torch.FloatStorage"),
    "a function that is changed": (
        entry(b"ctorch._utils\n_rebuild_tensor_v2\n}" + text("_function") + text("x") + b"sb"),
        "function",
    ),
    "a tensor without a storage": (
        entry(call("torch._utils", "_rebuild_tensor_v2", b"(" + text("x") + b"K\x00)))t")),
        "a tensor without a storage",
    ),
    "a negative place": (
        entry(call("torch._utils", "_rebuild_tensor_v2", b"(" + GOOD + b"J\xff\xff\xff\xff(K\x01t(K\x01tt")),
        "a tensor without a storage, a place and a shape",
    ),
    "a codec": (entry(call("_codecs", "encode", b"(" + text("a") + text("rot13") + b"t")), "encodes"),
    "an extension": (b"\x80\x02\x82\x01.", "extension"),
    "no table": (b"\x80\x02].", "expected a table of tensors, found list"),
    "a number": (entry(b"K\x01"), "t: expected a tensor, found int"),
    "nothing": (b"", "refused"),
    "rubbish": (b"\x80\x02}rubbish", "refused"),
}


@pytest.mark.parametrize("name", MALICIOUS)
def test_a_pickle_that_asks_for_more_is_refused_and_not_run(tmp_path, monkeypatch, name):
    content, words = MALICIOUS[name]
    monkeypatch.chdir(tmp_path)
    ran = []
    monkeypatch.setattr(os, "system", ran.append)
    monkeypatch.setattr(builtins, "eval", ran.append)
    with pytest.raises(ConvertError, match="data.pkl|t: expected") as refusal:
        PtFile(archive(tmp_path / "m.pt", content))
    assert words in str(refusal.value)
    assert ran == [] and not (tmp_path / "pwned").exists()


@pytest.mark.parametrize("suffix", [".ckpt", ".bin"])
@pytest.mark.parametrize("name", MALICIOUS)
def test_where_other_objects_are_read_over_nothing_is_run_either(tmp_path, monkeypatch, name, suffix):
    """Lightning's files and older ones of transformers: other objects are dropped, or the file is refused."""
    monkeypatch.chdir(tmp_path)
    ran = []
    monkeypatch.setattr(os, "system", ran.append)
    monkeypatch.setattr(builtins, "eval", ran.append)
    content = MALICIOUS[name][0]
    if suffix == ".ckpt":
        # Put the malicious object among the weights.
        content = b"\x80\x02}" + text("state_dict") + content[2:-1] + b"s."
    try:
        assert PtFile(archive(tmp_path / f"m{suffix}", content)).shapes() == {}
    except ConvertError as refusal:
        assert f"m{suffix}: " in str(refusal)
    assert ran == [] and not (tmp_path / "pwned").exists()


def test_the_pickles_above_do_harm_where_they_are_believed(monkeypatch):
    """Otherwise the test before this one would prove nothing."""
    ran = []
    monkeypatch.setattr(os, "system", ran.append)
    for module in ("os", "builtins"):
        name = {"os": "system", "builtins": "eval"}[module]
        monkeypatch.setattr(sys.modules[module], name, ran.append)
        pickle.loads(MALICIOUS["os.system" if module == "os" else "eval"][0])
    assert ran == ["touch pwned", "touch pwned"]


def test_the_entries_of_transformer_engine_are_read_over(tmp_path):
    """Evo 2's `_extra_state` is a BytesIO with state, as PyTorch pickles it."""
    scales = b"}" + text("x._extra_state") + pickle.dumps(io.BytesIO(b"\x80\xff scales"), 2)[2:-1] + b"s"
    tensors = pickled(TABLE)
    content = b"\x80\x02" + scales + b"(" + tensors[tensors.index(b"(") + 1 :]
    storages = {str(number): array.tobytes() for number, array in enumerate(TABLE.values())}
    same(PtFile(archive(tmp_path / "m.pt", content, storages)))


def test_split_files_are_the_file(tmp_path):
    (tmp_path / "x.pt").write_bytes(bytes(range(100)))
    split(tmp_path / "x.pt", 3)
    assert b"".join((tmp_path / f"x.pt.part{number}").read_bytes() for number in range(3)) == bytes(range(100))
