"""What the lossless rewriting of a fused model gives: GhostV2 literals before and after, in one run.

    python -m benchmarks.models.lossless
    python -m benchmarks.models.lossless --models yolo11-n,yolo11-m --sizes 320

Three graphs of each model are run in turn, round by round (benchmarks/common/paired.py): `authors`, a stock export of
the order of operations of GhostNetV2's authors (every ghost module cut to size, the attention enlarged by the output's
shape; all BatchNorms folded); `fused`, our blocks after Ultralytics' `fuse()`; and `rewritten`, what is measured and
exported. Their outputs agree to 1e-4 on a picture of noise, or nothing is measured. A row is kept a model, size and
runtime; started again, the run goes on. A row takes 25 s, of an m-scale net at 640 px 100 s.
"""

import argparse
import statistics
import types
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from torch.nn import functional as F
from ultralytics.nn.tasks import DetectionModel

from benchmarks.common.paired import paired
from benchmarks.common.rows import Rows
from nas.blocks.ghost import GhostModule
from nas.latency import LatencySettings, SizedModel, relative_difference
from nas.latency.artifacts.model_bytes import ModelBytes
from nas.model import build, deployable, fused
from nas.model.onnx import graph_of
from nas.space import shipped_literals

KINDS = ("authors", "fused", "rewritten")
HEADER = (
    *("model", "imgsz", "runtime", "latency_ms", "fused", "fused_low", "fused_high"),
    *("rewritten", "rewritten_low", "rewritten_high", *(f"nodes_{kind}" for kind in KINDS), "difference"),
)
CSV = Path("results/reference/lossless/speedups.csv")
MODELS = "ghostnetv2-n,ghostnetv2-1.0x,ghostnetv2-1.3x,ghostnetv2-m,writeup-ghostnetv2-m"
TOLERANCE = 1e-4


def authors_order(model: DetectionModel) -> DetectionModel:
    """A fused model whose ghost modules compute as in the code of GhostNetV2's authors (arXiv 2211.12905)."""

    def forward(self: GhostModule, x: torch.Tensor) -> torch.Tensor:
        primary = self.primary_conv(x)
        assert self.cheap_operation is not None
        out = torch.cat((primary, self.cheap_operation(primary)), 1)[:, : self.c2, :, :]
        if not hasattr(self, "dfc"):
            return out
        dfc: Any = self.dfc
        window = min(dfc.factor, *x.shape[-2:])
        gate = dfc.vertical(dfc.horizontal(dfc.reduce(F.avg_pool2d(x, window, window)))).sigmoid()
        return out * F.interpolate(gate, size=(out.shape[-2], out.shape[-1]), mode="nearest")

    for module in model.modules():
        if isinstance(module, GhostModule):
            module.forward = types.MethodType(forward, module)  # type: ignore[method-assign]
    return model


def graphs(name: str, imgsz: int) -> dict[str, bytes]:
    """The three ONNX graphs of a literal with one class."""
    model = build(shipped_literals()[name].path.read_text(encoding="utf-8"), nc=1, seed=0)
    deployed = {
        "authors": authors_order(fused(model)),
        "fused": fused(model),
        "rewritten": deployable(model, imgsz),
    }
    return {kind: graph_of(deployed[kind], imgsz) for kind in KINDS}


def difference(made: dict[str, bytes], imgsz: int) -> float:
    """Largest relative difference of any graph's outputs to those of the first."""
    picture = np.random.default_rng(0).random((1, 3, imgsz, imgsz), dtype=np.float32)
    outputs = [
        onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"]).run(None, {"images": picture})[0]
        for graph in made.values()
    ]
    found = max(relative_difference(one, outputs[0]) for one in outputs[1:])
    if not found <= TOLERANCE:
        raise SystemExit(f"the graphs differ by {found:.2g}")
    return found


def measure(name: str, imgsz: int, runtime: str, rows: Rows) -> None:
    """One row."""
    made = graphs(name, imgsz)
    settings = LatencySettings(runtime)
    files = [SizedModel(ModelBytes("onnx", graph), imgsz) for graph in made.values()]
    shown = {"difference": f"{difference(made, imgsz):.1e}"}
    found = paired(files, settings)
    for kind, graph, one in zip(KINDS, made.values(), found, strict=True):
        shown[f"nodes_{kind}"] = str(len(onnx.load_model_from_string(graph).graph.node))
        if kind != "authors":
            shown |= {
                kind: f"{one.ratio:.4f}",
                f"{kind}_low": f"{one.low:.4f}",
                f"{kind}_high": f"{one.high:.4f}",
            }
    shown["latency_ms"] = f"{found[0].ms:.3f}"
    rows.add({"model": name, "imgsz": imgsz, "runtime": runtime} | shown)


def report(rows: list[dict[str, str]]) -> None:
    """The table, and medians a runtime."""
    print("\n| model | px | runtime | authors' order | fused | rewritten | speed-up | nodes | difference |")
    print("|---|---|---|---|---|---|---|---|---|")
    for row in rows:
        ratios = (f"{row[k]}x ({row[f'{k}_low']} to {row[f'{k}_high']})" for k in KINDS[1:])
        nodes = " → ".join(row[f"nodes_{kind}"] for kind in KINDS)
        print(
            f"| {row['model']} | {row['imgsz']} | {row['runtime']} | {row['latency_ms']} ms | {' | '.join(ratios)} | "
            f"{1 / float(row['rewritten']):.2f} | {nodes} | {row['difference']} |"
        )
    for runtime in dict.fromkeys(row["runtime"] for row in rows):
        gains = [1 / float(row["rewritten"]) for row in rows if row["runtime"] == runtime]
        print(
            f"\n{runtime}: {statistics.median(gains):.2f}x as fast in the median of {len(gains)}, "
            f"{min(gains):.2f}x to {max(gains):.2f}x"
        )


def main() -> None:
    """Measure, tabulate."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default=MODELS, help="literals")
    parser.add_argument("--sizes", default="160,320,640")
    parser.add_argument("--runtimes", default="onnxruntime,openvino")
    options, rows = Rows.asked_for(parser, CSV, HEADER, "rows")
    have = {(row["model"], row["imgsz"], row["runtime"]) for row in rows.all()}
    todo = [
        (name, size, runtime)
        for size in options.sizes.split(",")
        for name in options.models.split(",")
        for runtime in options.runtimes.split(",")
        if (name, size, runtime) not in have
    ]
    for name, size, runtime in todo if options.at_most < 0 else todo[: options.at_most]:
        measure(name, int(size), runtime, rows)
        print(rows.all()[-1], flush=True)
    report(rows.all())


if __name__ == "__main__":
    main()
