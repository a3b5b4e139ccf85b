"""What a runtime's exception says, without the words of its C++ sources, in one line."""

import re

TRY = "export it again without what it names, or measure it with another --runtime"
"""What to do about a model that a runtime refuses."""

_MOST = 300
_STATUS = re.compile(
    r"\[ONNXRuntimeError\] : \d+ : \w+ : |\x1b\[[0-9;]*m|https?://\S+|[-\d]+ [\d:.]+ \[[EF]:onnxruntime:[^\]]*\] "
)
_PLACE = re.compile(r"\S+\.(?:cc|cpp|cxx|cu|cuh|h|hpp):\d+ (?:.*?\)(?: const)? )?")
"""A source file with its line, and the function's signature."""

_CONDITION = re.compile(r"\S+ (?:[=<>!&|]+ \S+ )*was false\. ?")
_NOISE = re.compile(
    r"Exception from |Check '|FrontEnd API failed|Model wasn't fully converted|Errors during ONNX|Summary:|Details:"
    r"|While validating |To facilitate |-- Conversion is failed for|Not Implemented:|\.(?:cc|cpp|hpp|h)\b"
    r"|\[[WI]:onnxruntime:|Please fix either|^-- \S+ with a message:$"
)
_OPSET = re.compile(
    r"ONNX Runtime only \*guarantees\*.*?Opset (\d+) is under.*?support for domain (\S+) is till opset (\d+)",
    re.DOTALL,
)
_SCOPES = re.compile(r"(?:\w+::)+")


def reasons(error: BaseException | str) -> str:
    """The reasons that an exception gives; `it gave no reason` where nothing is left of them."""
    text = _CONDITION.sub("", _PLACE.sub("", _STATUS.sub("", str(error))))
    text = _OPSET.sub(r"it is of opset \1 of \2, and this version supports opsets up to \3", text)
    lines = [line.strip().removeprefix("-- ") for line in text.splitlines() if not _NOISE.search(line.strip())]
    said = "; ".join(dict.fromkeys(line.rstrip(".:") for line in lines if line))
    said = " ".join(_SCOPES.sub("", said).split())
    return (said if len(said) <= _MOST else f"{said[:_MOST]}...") or "it gave no reason"
