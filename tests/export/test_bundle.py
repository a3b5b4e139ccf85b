"""A bundle trains, reloads and predicts with plain Ultralytics where ghostnas cannot be imported."""

import ast
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from nas.architecture.ultralytics_yaml import to_yaml
from nas.errors import ModelError
from nas.export.bundle import readme, write_bundle
from nas.model.builder import build
from nas.model.checkpoints import load_trained
from nas.model.standalone import standalone_module, used_blocks
from nas.results.designs import find_design
from tests.trained_run import GHOST, STOCK, Run, environment

_WITHOUT_GHOSTNAS = '''
import sys

class Blocked:
    """Makes `import nas` fail, wherever the package lies."""

    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "nas":
            raise ModuleNotFoundError("blocked: " + name, name=name)

sys.meta_path.insert(0, Blocked())
sys.path.insert(0, sys.argv[1])
'''

_FROM_THE_YAML = """
import ghost_blocks
from ultralytics import YOLO
model = YOLO(sys.argv[1] + "/model.yaml")
model.train(data=sys.argv[2], epochs=1, imgsz=64, batch=4, device="cpu", workers=0, plots=False,
            project=sys.argv[3], name="t", amp=False)
best = YOLO(sys.argv[3] + "/t/weights/best.pt")
(result,) = best.predict(sys.argv[4], imgsz=64, device="cpu", verbose=False)
block = next(m for m in best.model.modules() if type(m).__name__ == "GhostBottleneckV2")
written = ghost_blocks.export(sys.argv[3] + "/t/weights/best.pt", imgsz=64, format="onnx", simplify=False)
assert b"/by/parts.0/Conv" in open(written, "rb").read()
print("DONE", type(block).__module__, len(result.names), "nas" in sys.modules)
"""


@pytest.mark.slow
def test_a_bundle_trains_where_ghostnas_is_not(results: Path, data_yaml: Path, tmp_path: Path) -> None:
    bundle = write_bundle(find_design("small", None, results), tmp_path / "bundle")
    assert [file.name for file in bundle.files] == ["README.md", "ghost_blocks.py", "model.yaml"]
    picture = data_yaml.parent / "images" / "val" / "val_0000.jpg"
    done = subprocess.run(
        [
            sys.executable,
            "-I",
            "-c",
            _WITHOUT_GHOSTNAS + _FROM_THE_YAML,
            bundle.folder,
            data_yaml,
            tmp_path / "out",
            picture,
        ],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "DONE ghost_blocks 6 False" in done.stdout
    # Back home, ghostnas knows the classes that the checkpoint names.
    assert load_trained(tmp_path / "out" / "t" / "weights" / "best.pt").epochs == 1


_FROM_A_START = """
from ultralytics import YOLO
model = YOLO(sys.argv[2])
model.train(data=sys.argv[3], epochs=1, imgsz=64, batch=4, device="cpu", workers=0, plots=False,
            project=sys.argv[4], name="t", amp=False)
print("DONE", "nas" in sys.modules)
"""


@pytest.mark.slow
def test_a_start_with_our_blocks_trains_where_only_its_bundle_is(
    results: Path, data_yaml: Path, tmp_path: Path
) -> None:
    from nas.data import load
    from nas.inherit.checkpoint import write_checkpoint
    from nas.inherit.from_checkpoint import start

    design, source = find_design("small", None, results), tmp_path / "source.pt"
    torch.save({"model": build(to_yaml(STOCK, 6), seed=0), "train_args": {}}, source)
    made = start(source, design.path, design.imgsz, load(str(data_yaml)), repair=False)
    write_checkpoint(made.model, tmp_path / "start.pt", made.imgsz, source.name)
    assert type(made.model.model[2]).__module__ == "nas.blocks.bottleneck"  # the classes are what they were
    bundle = write_bundle(design, tmp_path / "bundle")
    done = subprocess.run(
        [
            sys.executable,
            "-I",
            "-c",
            _WITHOUT_GHOSTNAS + _FROM_A_START,
            bundle.folder,
            tmp_path / "start.pt",
            data_yaml,
            tmp_path / "out",
        ],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "DONE False" in done.stdout
    taken = re.search(r"Transferred (\d+)/(\d+) items", done.stdout + done.stderr)
    assert taken is not None and taken[1] == taken[2]


def test_the_module_holds_only_the_blocks_that_the_design_uses() -> None:
    assert used_blocks(to_yaml(GHOST)) == ("GhostBottleneckV2", "SlimDetect")
    head_only = standalone_module(("SlimDetect",))
    both = standalone_module(("GhostBottleneckV2", "SlimDetect"))
    defined = {node.name for node in ast.parse(head_only).body if isinstance(node, ast.ClassDef)}
    assert {"ParsedAs", "SlimDetect"} <= defined and "MBConvDetect" not in defined
    assert "GhostModuleV2" in both and "DFCAttention" in both
    for name in defined:  # two rooms that call different things by one name would lose one of them
        assert head_only.count(f"\nclass {name}(") == 1
    for text in (head_only, both):
        imported = {node.module for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ImportFrom)}
        assert not any(str(module).startswith("nas") for module in imported)
        assert text.startswith("# SPDX-License-Identifier: AGPL-3.0-or-later")
        assert "arXiv" in both


def test_a_stock_design_needs_a_module_to_deploy_only(tmp_path: Path) -> None:
    design = tmp_path / "plain.yaml"
    design.write_text(to_yaml(STOCK))
    bundle = write_bundle(find_design(str(design)), tmp_path / "bundle")
    assert bundle.blocks == ()
    readme = (bundle.folder / "README.md").read_text()
    train, deploy = readme.split("## Deploy")
    assert "import ghost_blocks" not in train and "import ghost_blocks" in deploy
    assert "def register(" not in (bundle.folder / "ghost_blocks.py").read_text()


def test_the_readme_says_what_was_measured(results: Path, tmp_path: Path) -> None:
    write_bundle(find_design("small", 0, results), tmp_path)
    readme = (tmp_path / "README.md").read_text()
    for part in (
        "import ghost_blocks",
        'YOLO("model.yaml").train(data="DATA.yaml", epochs=100, imgsz=64)',
        "2.31 ms (95% interval 2.28 to 2.35), in a fresh process",
        "onnxruntime 1.32.0, float32, 1 thread(s), batch 1, compute only (no NMS), best case of the quiet device, "
        "on local cpu (Some CPU)\n",
        "meets the target of 2.5 ms",
        "300,161 parameters",
        "AGPL-3.0-or-later",
    ):
        assert part in readme


@pytest.mark.parametrize(
    ("settings", "begun", "level", "says"),
    [
        (
            {"place": "ssh://pi@board", "statistic": "p95", "sustained_s": 60.0},
            {},
            "finalist",
            "in a fresh process; onnxruntime, float32, 1 thread(s), batch 1, compute only (no NMS), "
            "p95 of back-to-back runs over 60 s, on ssh://pi@board cpu\n",
        ),
        (
            {"place": "ssh://pi@board"},
            {"device": "Cortex-A76, 4 cores", "runtime": "onnxruntime 1.20.0"},
            "screening",
            "a quick screening measurement; onnxruntime 1.20.0, float32, 1 thread(s), batch 1, compute only (no NMS), "
            "best case of the quiet device, on ssh://pi@board cpu (Cortex-A76, 4 cores)\n",
        ),
    ],
)
def test_the_readme_names_the_device_that_was_measured(
    results: Path,
    tmp_path: Path,
    settings: dict[str, object],
    begun: dict[str, str],
    level: str,
    says: str,
) -> None:
    run = tmp_path / "results" / "small"
    shutil.copytree(results / "small", run)
    known = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**known, **begun, "settings": {**known["settings"], **settings}}))
    front = (run / "front.csv").read_text()
    (run / "front.csv").write_text(front.replace("finalist", level))
    text = readme(find_design("small", 0, run.parent), ())
    assert says in text and "Some CPU" not in text


def test_what_cannot_be_bundled_is_one_message(tmp_path: Path) -> None:
    design = tmp_path / "broken.yaml"
    design.write_text("nc: 3\nbackbone:\n  - [-1, 1, NoSuchBlock, [8]]\nhead:\n  - [[0], 1, Detect, [nc]]\n")
    with pytest.raises(ModelError, match="NoSuchBlock"):
        write_bundle(find_design(str(design)), tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()


@pytest.mark.slow
def test_the_command_writes_the_bundle(ghostnas: Run, results: Path) -> None:
    done = ghostnas("export", "small", "--to", "taken", cwd=results.parent)
    assert done.returncode == 0, done.stderr
    assert "ghost_blocks.py" in done.stdout
    assert (results.parent / "taken" / "model.yaml").read_bytes() == (results / "small" / "best.yaml").read_bytes()
    wrong = ghostnas("export", "smal", "--to", "taken", cwd=results.parent)
    assert wrong.returncode == 2 and "did you mean 'small'" in wrong.stderr
    assert "Traceback" not in wrong.stderr
