"""Search-space files that break a rule."""

from pathlib import Path

from tests.cli.bad.case import Case, Prepare, text

_SHIPPED = Path(__file__).parents[3] / "search_spaces" / "ghostv2-n.yaml"
_FILE = "mine.yaml"

_REPLACED = {
    "unknown-key": ("c3k:", "c3kk:", "did you mean 'c3k'"),
    "unknown-stage-key": ("dfc_kernel", "dfc_kernal", "did you mean 'dfc_kernel'"),
    "unknown-stage": ("  P2:", "  P6: 3\n  P2:", "`stages.P6`"),
    "even-kernel": ("dfc_kernel: [0, 3, 5, 7]", "dfc_kernel: [0, 4]", "must be odd"),
    "negative-kernel": ("dfc_kernel: [0, 3, 5, 7]", "dfc_kernel: [-3]", "must be odd"),
    "no-multiple-of-8": ("neck_width: [16,", "neck_width: [12,", "multiple of 8"),
    "too-wide-neck": ("neck_width: [16, 24, 32, 48, 64]", "neck_width: 1024", "must be 512 or less"),
    "no-multiple-of-32": ("imgsz: [96,", "imgsz: [95,", "multiple of 32"),
    "imgsz-zero": ("imgsz: [96, 128, 160]", "imgsz: 0", "multiple of 32"),
    "imgsz-text": ("imgsz: [96, 128, 160]", 'imgsz: "96"', "must be a whole number"),
    "imgsz-true": ("imgsz: [96, 128, 160]", "imgsz: true", "must be a whole number"),
    "imgsz-fraction": ("imgsz: [96, 128, 160]", "imgsz: 96.0", "must be a whole number"),
    "imgsz-falls": ("imgsz: [96, 128, 160]", "imgsz: [160, 96]", "in increasing order"),
    "imgsz-twice": ("imgsz: [96, 128, 160]", "imgsz: [96, 96]", "must not list a choice twice"),
    "imgsz-none": ("imgsz: [96, 128, 160]", "imgsz: []", "needs at least one choice"),
    "imgsz-null": ("imgsz: [96, 128, 160]", "imgsz:", "`imgsz`"),
    "imgsz-mapping": ("imgsz: [96, 128, 160]", "imgsz: {a: 1}", "`imgsz`"),
    "unknown-block": ("block: [c3k2, ghost]", "block: [c3k2, gost]", "did you mean 'ghost'"),
    "unknown-activation": ("activation: [silu,", "activation: [silo,", "did you mean 'silu'"),
    "se-as-number": ("se: [false, true]", "se: 0", "must be true or false"),
    "depth-zero": ("depth: [1, 2]", "depth: [0, 2]", "must be 1 or more"),
    "expansion-nan": ("expansion: [1, 1.5, 2, 3]", "expansion: [.nan]", "`stages.P2.expansion`"),
    "expansion-infinite": ("expansion: [1, 1.5, 2, 3]", "expansion: [.inf]", "`stages.P2.expansion`"),
    "expansion-huge": ("expansion: [1, 1.5, 2, 3]", "expansion: [17]", "at most 16"),
    "expansions-alike": ("expansion: [1, 1.5, 2, 3]", "expansion: [1, 1.01]", "must list choices that differ"),
    "width-p5": ("width: [64, 96, 128, 192, 256]", "width: [392]", "C2PSA heads of equal size"),
    "pool-beyond-map": ("dfc_pool: [1, 2, 4]", "dfc_pool: [64]", "must not exceed the stage's map"),
    "reg-max-zero": ("reg_max: [4,", "reg_max: [0,", "must be 1 or more"),
    "c3k-unknown": ("c3k: deep", "c3k: deeep", "did you mean 'deep'"),
    "name-with-a-slash": ("name: ghostv2-n", "name: ../escape", "letters, digits"),
    "name-as-number": ("name: ghostv2-n", "name: 3", "`name` must be text"),
    "key-twice": ("c3k: deep", "c3k: deep\nc3k: all", "stands twice"),
    "missing-key": ("stem_width: [8, 16]\n", "", "`stem_width` is missing"),
    "alias-unknown": ("c3k: deep", "c3k: *nowhere", "is not YAML"),
    "python-object": ("c3k: deep", "c3k: !!python/object/apply:os.system [touch ran]", "has the tag"),
    "python-name": ("c3k: deep", "c3k: !!python/name:os.system", "is not YAML"),
    "unknown-tag": ("c3k: deep", "c3k: !mine deep", "is not YAML"),
    "tab": ("c3k: deep", "c3k:\n\tdeep", "is not YAML"),
    "nested-deep": ("c3k: deep", "c3k: [[[[[[[[deep]]]]]]]]", "nested deeper"),
    "list-as-key": ("c3k: deep", "? [a, b]\n: deep", "where a key should stand"),
    "two-documents": ("c3k: deep", "c3k: deep\n---\nc3k: deep", "is not YAML"),
    "date-overflow": ("c3k: deep", "c3k: 2020-13-45", "mine.yaml:52: the file is not YAML: month must be"),
    "integer-huge": ("reg_max: [4,", "reg_max: [" + "9" * 5000 + ",", "mine.yaml"),
}

_WHOLE: dict[str, tuple[str | bytes, str]] = {
    "empty": ("", "is empty"),
    "only-comments": ("# nothing\n", "is empty"),
    "a-list": ("- a\n- b\n", "holds keys such as"),
    "a-number": ("3\n", "holds keys such as"),
    "a-text": ("hello\n", "holds keys such as"),
    "not-utf8": (b"name: \xff\xfe\n", "is not UTF-8 text"),
    "utf16": ("imgsz: 96\n".encode("utf-16"), "is not UTF-8 text"),
    "zero-bytes": (b"\0\0\0\0", "is not YAML"),
    "unclosed": ("imgsz: [96\n", "is not YAML"),
    "endless-nesting": ("[" * 3000, "mine.yaml"),
    "alias-of-itself": ("a: &a [*a]\n", "mine.yaml"),
}


def _replaced(old: str, new: str) -> Prepare:
    content = _SHIPPED.read_text()
    assert old in content, old
    return text(_FILE, content.replace(old, new, 1))


_BY_SEARCH = ("unknown-key", "even-kernel", "python-object", "key-twice")

CASES = (
    *(
        Case(f"space-{name}", ("space", "validate", _FILE), says, _replaced(old, new))
        for name, (old, new, says) in _REPLACED.items()
    ),
    *(
        Case(f"space-{name}", ("space", "show", _FILE), says, text(_FILE, content))
        for name, (content, says) in _WHOLE.items()
    ),
    *(
        Case(f"search-space-{name}", ("search", "--space", _FILE), says, _replaced(old, new))
        for name, (old, new, says) in _REPLACED.items()
        if name in _BY_SEARCH
    ),
)
