"""Model YAMLs and ONNX files that cannot be used."""

from tests.cli.bad.case import Case, text

_HEAD = "nc: 3\nbackbone:\n  - [-1, 1, Conv, [16, 3, 2]]\nhead:\n"
_DETECT = "  - [[0], 1, Detect, [nc]]\n"
_GOOD = _HEAD + _DETECT

_YAMLS: dict[str, tuple[str | bytes, str]] = {
    "empty": ("", "model.yaml"),
    "a-list": ("- a\n", "model.yaml"),
    "not-yaml": ("nc: [", "model.yaml"),
    "not-utf8": (b"nc: \xff\n", "model.yaml"),
    "no-head": ("nc: 3\nbackbone: []\n", "must have the keys nc, backbone and head"),
    "unknown-module": (_GOOD.replace("Conv", "Convv"), "model.yaml cannot be built"),
    "no-detector": (_HEAD + "  - [-1, 1, Conv, [16, 3, 2]]\n", "model.yaml"),
    "function-as-module": (_GOOD.replace("Conv,", "torch_safe_load,"), "model.yaml cannot be built"),
    "activation-runs-code": (
        _GOOD + 'activation: __import__("os").system("touch ran")\n',
        "model.yaml cannot be built",
    ),
    "activation-opens": (_GOOD + 'activation: open("ran", "w")\n', "model.yaml cannot be built"),
    "python-object": (_GOOD + "x: !!python/object/apply:os.system [touch ran]\n", "model.yaml"),
    "imgsz": (_GOOD + "imgsz: 100\n", "imgsz must be a whole number"),
    "imgsz-text": (_GOOD + 'imgsz: "128"\n', "write it without quotes"),
    "imgsz-twice": (_GOOD + "imgsz: 128\nimgsz: 96\n", "keep one"),
    "rows-text": ("nc: 3\nbackbone: conv\nhead: detect\n", "model.yaml"),
    "rows-short": ("nc: 3\nbackbone:\n  - [-1, 1]\nhead:\n" + _DETECT, "model.yaml"),
    "nc-text": (_GOOD.replace("nc: 3", "nc: many"), "model.yaml"),
    "nc-zero": (_GOOD.replace("nc: 3", "nc: -1"), "model.yaml"),
    "no-such-layer": (_HEAD + "  - [[7], 1, Detect, [nc]]\n", "model.yaml"),
    "width-zero": (_GOOD.replace("[16, 3, 2]", "[0, 3, 2]"), "model.yaml"),
}

_ONNX: dict[str, tuple[str | bytes, str]] = {
    "empty": (b"", "is empty (0 bytes)"),
    "text": ("no model", "not a readable ONNX file"),
    "web-page": ("<!DOCTYPE html><html>404</html>", "is a web page"),
    "lfs": ("version https://git-lfs.github.com/spec/v1\n", "is a Git LFS pointer"),
    "zip": (b"PK\x03\x04" + bytes(40), "zip archive"),
    "gzip": (b"\x1f\x8b" + bytes(40), "gzip"),
    "zeros": (bytes(64), "not a readable ONNX file"),
}

CASES = (
    *(
        Case(f"model-{name}", ("train", "model.yaml", "data=data.yaml"), says, text("model.yaml", content))
        for name, (content, says) in _YAMLS.items()
    ),
    *(
        Case(f"latency-model-{name}", ("latency", "model.yaml"), says, text("model.yaml", content))
        for name, (content, says) in _YAMLS.items()
        if name.startswith("imgsz")
    ),
    *(
        Case(f"onnx-{name}", ("latency", "model.onnx"), says, text("model.onnx", content))
        for name, (content, says) in _ONNX.items()
    ),
    *(
        Case(f"bundle-{name}", ("export", "model.yaml", "--to", "there"), says, text("model.yaml", content))
        for name, (content, says) in _YAMLS.items()
        if name in ("empty", "a-list", "not-yaml", "not-utf8", "imgsz", "imgsz-twice")
    ),
    Case(
        "inherit-model", ("inherit", "a.pt", "model.yaml", "--out", "b.pt"), "model.yaml", text("model.yaml", "- a\n")
    ),
)
