"""The input size that a model YAML states: one reader, strict, for everything that reads one."""

from pathlib import Path

import pytest

from nas.architecture.ultralytics_yaml import to_yaml
from nas.errors import ModelError
from nas.latency.artifacts.model_files import find_model
from nas.latency.model_latencies import choose_imgsz
from nas.results.designs import find_design
from nas.space.reference_designs import yolo11
from nas.util.image_size import yaml_imgsz

BODY = "".join(line for line in to_yaml(yolo11("n", 160)).splitlines(keepends=True) if not line.startswith("imgsz"))


def written(path: Path, first: str) -> Path:
    path.write_text(f"{first}\n{BODY}", encoding="utf-8")
    return path


@pytest.mark.parametrize("name", ["design.yaml", "DESIGN.YAML", "Design.Yml"])
@pytest.mark.parametrize(
    ("line", "size"), [("imgsz: 128", 128), ("imgsz: 0x80", 128), ("", None), ("imgsz:", None), ("imgsz: null", None)]
)
def test_a_size_and_none(tmp_path: Path, name: str, line: str, size: int | None) -> None:
    path = written(tmp_path / name, line)
    assert yaml_imgsz(path) == size
    assert choose_imgsz(find_model(str(path)), None, "onnxruntime") == (size or 640)
    assert choose_imgsz(find_model(str(path)), 96, "onnxruntime") == 96


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('"128"', "got '128', which is text: write it without quotes"),
        ("'640'", "got '640', which is text"),
        ("wide", "got 'wide'"),
        ("128.0", "got 128.0"),
        ("true", "got True"),
        ("[128, 128]", r"got \[128, 128\]"),
        ("{w: 128}", "got {'w': 128}"),
        ("-128", "got -128"),
        ("0", "got 0"),
        ("16", "got 16"),
        ("100", "got 100"),
        ("8224", "got 8224"),
        ("99999999999999999999", "got 99999999999999999999"),
        (".inf", "got inf"),
        ("128px", "got '128px'"),
        ("128\nimgsz: 160", "odd.yaml:2: imgsz stands there already, in line 1; keep one"),
    ],
)
def test_what_is_no_size_is_refused_and_another_may_be_given(tmp_path: Path, text: str, told: str) -> None:
    path = written(tmp_path / "odd.yaml", f"imgsz: {text}")
    with pytest.raises(ModelError, match=rf"odd\.yaml:\d: .*{told}" if "keep one" not in told else told):
        yaml_imgsz(path)
    model = find_model(str(path))
    with pytest.raises(ModelError, match="imgsz"):
        choose_imgsz(model, None, "onnxruntime")
    assert choose_imgsz(model, 96, "onnxruntime") == 96
    with pytest.raises(ModelError, match="imgsz"):
        find_design(str(path))


@pytest.mark.parametrize("content", [b"\xff", b"a: [", b"- 1", b"imgsz: 128", b"", b"a: &a [*a]", b"{" * 400])
def test_what_is_no_model_yaml(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "odd.yaml").write_bytes(content)
    with pytest.raises(ModelError, match=r"odd\.yaml is (no model YAML|not a readable YAML file)") as told:
        yaml_imgsz(tmp_path / "odd.yaml")
    assert "\n" not in str(told.value)
