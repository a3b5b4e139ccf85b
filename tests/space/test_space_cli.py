"""`ghostnas space` as a user types it, and its documentation."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from nas.space.schema import SpaceFile, StageChoices
from nas.space.space import load_space, shipped_spaces

ROOT = Path(__file__).parents[2]
DOC = ROOT / "docs" / "reference" / "search-space.md"


def ghostnas(*args: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "nas", *args],
        cwd=cwd or ROOT,
        env={**os.environ, "COLUMNS": "160", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=200,
    )


@pytest.mark.slow
def test_show_names_dimensions_size_and_models(tmp_path: Path) -> None:
    text = (ROOT / "search_spaces" / "ghostv2-n.yaml").read_text()
    path = tmp_path / "own.yaml"
    # One pair of block and down-sampler: no comparing of stages, which test_extremes.py covers.
    text = text.replace("[c3k2, ghost]", "ghost").replace("[conv, ghost]", "conv")
    path.write_text(text.replace("name: ghostv2-n\n", ""))
    done = ghostnas("space", "show", str(path))
    assert done.returncode == 0, done.stderr
    space = load_space(str(path))
    for d in space.dimensions:
        assert d.name.split(".")[-1] in done.stdout
    assert f"{space.size:,} different networks" in done.stdout and space.digest in done.stdout
    params = {
        name: int(re.search(rf"{name} +│ +([\d,]+) ", done.stdout)[1].replace(",", ""))
        for name in ("smallest", "largest")
    }  # type: ignore[index]
    assert 50_000 < params["smallest"] < 200_000 < 4_000_000 < params["largest"]
    assert "Counted for 80 classes: fused model" in done.stdout and "ultralytics-thop" in done.stdout


def test_validate_says_valid() -> None:
    done = ghostnas("space", "validate", "search_spaces/ghostv2-s.yaml")
    assert done.returncode == 0 and "ghostv2-s.yaml: valid; 39 searched dimensions" in done.stdout


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("validate", "bad.yaml"), "2 problems in a search space:\nbad.yaml:2: `imgsz`"),
        (("show", "bad.yaml"), "`stem_with` is not a key of a search space; did you mean 'stem_width'?"),
        (("show", "ghostv3-n"), "did you mean 'ghostv2-n'?"),
        (("sample", "missing.yaml"), "neither a search-space file nor the name"),
        (("sample", "--n", "0"), "--n must be 1 or more, got 0"),
        (("sample", "one.yaml", "--n", "3"), "--n must be at most 2"),
        (("sample", "--out", "bad.yaml"), "cannot write in bad.yaml"),
    ],
)
def test_bad_input_is_one_message(tmp_path: Path, args: tuple[str, ...], message: str) -> None:
    text = (ROOT / "search_spaces" / "ghostv2-n.yaml").read_text()
    bad = "name: bad\nimgsz: 100\n" + re.sub(r"(?m)^(name|imgsz):.*\n", "", text)
    (tmp_path / "bad.yaml").write_text(bad.replace("stem_width: [8, 16]", "stem_width: [8, 16]\nstem_with: 8"))
    stage = "{block: c3k2, width: 64, depth: 1}"
    (tmp_path / "one.yaml").write_text(
        f"imgsz: 64\nactivation: silu\nstem_width: [8, 16]\nstages: {{P2: {stage}, P3: {stage}, P4: {stage}, "
        f"P5: {stage}}}\nneck_width: 16\nbox_width: 16\ncls_width: 16\nreg_max: 4\n"
    )
    done = ghostnas("space", *args, cwd=tmp_path)
    assert done.returncode == 2 and message in done.stderr, done.stderr
    assert "Traceback" not in done.stderr and not done.stdout


def test_samples_are_seeded_distinct_and_written(tmp_path: Path) -> None:
    first, again = (ghostnas("space", "sample", "--n", "3", "--seed", "4") for _ in range(2))
    texts = list(yaml.safe_load_all(first.stdout))
    assert first.returncode == 0 and first.stdout == again.stdout
    assert len(texts) == 3 and all(text["backbone"] and text["head"] for text in texts)
    done = ghostnas("space", "sample", "--n", "3", "--seed", "4", "--out", str(tmp_path / "drawn"))
    files = sorted((tmp_path / "drawn").iterdir())
    assert done.returncode == 0 and len(files) == 3 and all(str(path) in done.stdout for path in files)
    assert {path.read_text() for path in files} == set(re.split("(?m)^---\n", first.stdout))


def test_help_loads_no_heavy_library() -> None:
    code = (
        "import sys\nfrom nas.cli import main\nsys.argv = ['ghostnas', 'space', 'show', '--help']\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "assert not {'torch', 'ray', 'ultralytics', 'optuna'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_every_key_and_choice_is_documented() -> None:
    text = DOC.read_text(encoding="utf-8")
    for key in (*SpaceFile.model_fields, *StageChoices.model_fields):
        assert re.search(rf"(?m)^#+ .*`{key}`|^\| `{key}` \|", text), f"no entry for {key}"
    for choice in ("ghost", "c3k2", "conv", "silu", "relu", "hardswish", "deep", "all"):
        assert f"`{choice}`" in text, choice


def test_the_documented_sizes_are_true() -> None:
    text = DOC.read_text(encoding="utf-8")
    for name in shipped_spaces():
        space = load_space(name)
        assert f"| `{name}` | {', '.join(map(str, space.choices['imgsz']))} | {space.size:.1e} |" in text


def test_the_documented_example_is_valid(tmp_path: Path) -> None:
    (example,) = re.findall(r"```yaml\n(# my-space\.yaml.*?)```", DOC.read_text(encoding="utf-8"), re.DOTALL)
    path = tmp_path / "my-space.yaml"
    path.write_text(example)
    assert load_space(str(path)).size > 100
