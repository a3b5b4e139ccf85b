"""ONNX files of others: measured as they are, weights of a second file included, or refused in one sentence."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from nas.errors import ModelError
from nas.latency import LatencySettings
from nas.latency.artifacts import onnx_file
from nas.latency.artifacts.model_bytes import SizedModel
from nas.latency.artifacts.model_files import find_model
from nas.latency.artifacts.onnx_graph import parsed
from nas.latency.artifacts.prepare import prepare
from nas.latency.model_latencies import choose_imgsz
from tests.latency.conftest import Run
from tests.latency.onnx_makers import CPP, ONE_SENTENCE, SIZE, conv, external, node, outputs_of, stated, value, written


def same(kind: str, path: Path) -> Any:
    """A whole model whose tensors are where a kind of graph has them."""
    weights = numpy_helper.from_array(np.full((8, 3, 3, 3), 0.05, dtype=np.float32), "w")
    if kind == "constant":
        nodes = [node("Constant", "", "v", value=weights), node("Conv", "images v", "c"), node("Relu", "c", "y")]
        model = conv(nodes=nodes)
        del model.graph.initializer[:]
        return model
    branch = helper.make_graph([node("Conv", "images w", "b")], "b", [], [value("b", None)], [weights])
    sure = helper.make_tensor("sure", TensorProto.BOOL, [], [True])
    nodes = [node("Constant", "", "if", value=sure), node("If", "if", "y", then_branch=branch, else_branch=branch)]
    model = conv(nodes=nodes)
    del model.graph.initializer[:]
    return model


# What is measured.


@pytest.mark.parametrize("location", ["w.bin", "sub/folder/w.bin", "./sub/../w.bin", "ein ünüsual näme%20.bin"])
def test_weights_in_a_second_file_are_read_from_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, location: str
) -> None:
    path = external(tmp_path / "a" / "model.onnx", location)
    whole = find_model(str(written(conv(), tmp_path / "whole.onnx")))
    monkeypatch.chdir(tmp_path / "a")
    inside = find_model("model.onnx")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    model = find_model(str(path))
    assert model.digest == inside.digest and choose_imgsz(model, None, "onnxruntime") == SIZE
    # What travels to a device is complete: it is loaded from its bytes alone.
    assert np.array_equal(outputs_of(model)[0], outputs_of(whole)[0])


def test_other_weights_are_another_model(tmp_path: Path) -> None:
    digests = {find_model(str(external(tmp_path / "m.onnx", weight=weight))).digest for weight in (0.05, 0.06, 0.05)}
    assert len(digests) == 2


@pytest.mark.parametrize("link", ["both", "the model", "the weights", "a folder"])
def test_links_are_followed(tmp_path: Path, link: str) -> None:
    path = external(tmp_path / "blobs" / "model.onnx")
    (tmp_path / "hub").mkdir()
    if link == "a folder":
        (tmp_path / "hub" / "in").symlink_to(tmp_path / "blobs")
        assert find_model(str(tmp_path / "hub" / "in" / "model.onnx")).digest == find_model(str(path)).digest
        return
    for name in ("model.onnx", "w.bin"):
        target, made = path.with_name(name), tmp_path / "hub" / name
        if link == "both" or (link == "the model") == (name == "model.onnx"):
            made.symlink_to(target)
        elif link == "the weights":
            made.write_bytes(target.read_bytes())
    assert find_model(str(tmp_path / "hub" / "model.onnx")).digest == find_model(str(path)).digest


def test_two_models_may_share_their_weights_at_offsets(tmp_path: Path) -> None:
    path = external(tmp_path / "first.onnx")
    (tmp_path / "w.bin").write_bytes(b"\0" * 4096 + (tmp_path / "w.bin").read_bytes())
    stated(path, offset="4096", length="")
    (tmp_path / "second.onnx").write_bytes(path.read_bytes())
    first, second = (find_model(str(tmp_path / name)) for name in ("first.onnx", "second.onnx"))
    assert first.digest == second.digest
    expected = outputs_of(find_model(str(written(conv(), tmp_path / "whole.onnx"))))[0]
    assert np.array_equal(outputs_of(first)[0], expected)


@pytest.mark.parametrize("kind", ["constant", "branches"])
def test_weights_of_attributes_and_subgraphs(tmp_path: Path, kind: str) -> None:
    whole = same(kind, tmp_path)
    path = tmp_path / "outside.onnx"
    apart = onnx.ModelProto()
    apart.CopyFrom(whole)
    found = [one for one in onnx_file.inner(apart, TensorProto) if one.name == "w"]
    assert len(found) == (1 if kind == "constant" else 2)
    for tensor in found:
        (tmp_path / "w.bin").write_bytes(tensor.raw_data)
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="w.bin")
    model = find_model(str(written(apart, path)))
    assert model.onnx is not None
    tensors = onnx_file.inner(onnx.load_model_from_string(model.onnx), TensorProto)
    assert all(one.data_location == TensorProto.DEFAULT for one in tensors)
    assert np.array_equal(outputs_of(model)[0], outputs_of(find_model(str(written(whole, tmp_path / "whole.onnx"))))[0])


# What is refused.

FILES: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "is empty (0 bytes)"),
    "lfs": (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n", "run git lfs pull"),
    "html": (b"\n<!DOCTYPE html><html>404</html>", "is a web page"),
    "zip": (b"PK\x03\x04" + b"\0" * 60, "zip archive"),
    "gzip": (b"\x1f\x8b" + b"\0" * 60, "gzip"),
    "ort": (b"\x20\0\0\0ORTM" + b"\0" * 60, "(.ort)"),
    "tflite": (b"\x20\0\0\0TFL3" + b"\0" * 60, "TensorFlow Lite"),
    "noise": (bytes(range(256)), "no ONNX model, or end early"),
    "cut short": (conv().SerializeToString()[:400], "no ONNX model, or end early"),
    "no graph": (helper.make_model(onnx.GraphProto()).SerializeToString(), "no ONNX model, or end early"),
    "only a version": (b"\x08\x08", "no ONNX model, or end early"),
}


@pytest.mark.parametrize("suffix", [".onnx", ".ONNX"])
@pytest.mark.parametrize("kind", FILES)
def test_what_is_no_onnx_file(run: Run, tmp_path: Path, kind: str, suffix: str) -> None:
    content, message = FILES[kind]
    (tmp_path / f"m{suffix}").write_bytes(content)
    code, output, error = run("latency", f"m{suffix}")
    assert (code, output) == (2, "") and message in error and f"m{suffix}" in error
    assert ONE_SENTENCE.fullmatch(error) and not CPP.search(error)


@pytest.mark.parametrize("name", ["m.pt", "m.yaml", "M.YML", "M.PT"])
@pytest.mark.parametrize("kind", ["empty", "lfs", "html"])
def test_the_same_under_other_suffixes(run: Run, tmp_path: Path, kind: str, name: str) -> None:
    content, message = FILES[kind]
    (tmp_path / name).write_bytes(content)
    code, _, error = run("latency", name)
    assert code == 2 and message in error and ONE_SENTENCE.fullmatch(error)


def test_a_folder_and_a_file_that_may_not_be_read(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "folder.onnx").mkdir()
    assert "folder.onnx is a folder" in run("latency", "folder.onnx")[2]
    written(conv(), tmp_path / "m.onnx")

    def refuse(*_: object) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)  # root may read everything
    with pytest.raises(ModelError, match=r"the model file 'm\.onnx' cannot be read: Permission denied"):
        find_model("m.onnx")


def _gone(folder: Path) -> None:
    (folder / "w.bin").unlink()


def _short(folder: Path) -> None:
    (folder / "w.bin").write_bytes(b"\0" * 100)


def _pointer(folder: Path) -> None:
    (folder / "w.bin").write_bytes(FILES["lfs"][0])


def _folder(folder: Path) -> None:
    _gone(folder)
    (folder / "w.bin").mkdir()


@pytest.mark.parametrize(
    ("location", "entries", "damage", "message"),
    [
        ("w.bin", {}, _gone, "in a second file, w.bin, which is not in"),
        ("w.bin", {}, _folder, "in a second file, w.bin, which is not in"),
        ("w.bin", {}, _short, "tensor 'w' is in bytes 0 to 864 of"),
        ("w.bin", {}, _pointer, "run git lfs pull"),
        ("w.bin", {"offset": "10000"}, None, "is cut short or another model's"),
        ("w.bin", {"offset": "-4"}, None, "states the offset '-4'"),
        ("w.bin", {"offset": "x"}, None, "states the offset 'x'"),
        ("w.bin", {"length": "400"}, None, "has 864 bytes, but 400 are stated"),
        ("../w.bin", {}, None, "keeps its weights in '../w.bin', which is not in its folder"),
        ("sub/../../w.bin", {}, None, "which is not in its folder"),
        ("/etc/hostname", {}, None, "keeps its weights in '/etc/hostname', which is not in its folder"),
        ("w.bin", {"location": ""}, None, "keeps its weights in '', which is not in its folder"),
    ],
)
def test_weights_that_are_not_there(
    run: Run,
    tmp_path: Path,
    location: str,
    entries: dict[str, str],
    damage: Callable[[Path], None] | None,
    message: str,
) -> None:
    external(tmp_path / "m.onnx", location)
    if entries:
        stated(tmp_path / "m.onnx", **entries)
    if damage:
        damage(tmp_path)
    code, output, error = run("latency", "m.onnx")
    assert (code, output) == (2, "") and message in error and "m.onnx" in error
    assert ONE_SENTENCE.fullmatch(error) and not CPP.search(error)


def test_a_model_too_large_for_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    external(tmp_path / "m.onnx")
    monkeypatch.setattr(onnx_file, "MOST_BYTES", 1000)
    with pytest.raises(ModelError, match="with its external data; a model that is measured is sent as one ONNX file"):
        find_model(str(tmp_path / "m.onnx"))
    monkeypatch.setattr(onnx_file, "MOST_BYTES", 100)
    with pytest.raises(ModelError, match="an ONNX file has less than 2"):
        find_model(str(tmp_path / "m.onnx"))


def test_what_travels_is_the_whole_model(tmp_path: Path) -> None:
    """The digest of the request is of bytes that hold the weights."""
    model = find_model(str(external(tmp_path / "m.onnx")))
    file = SizedModel(prepare(model, SIZE, LatencySettings()), SIZE)
    assert file.to_dict()["digest"] == model.digest
    (weights,) = parsed(file.model.data).graph.initializer
    assert len(weights.raw_data) == 8 * 3 * 9 * 4
