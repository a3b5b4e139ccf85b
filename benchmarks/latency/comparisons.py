"""Does `ghostnas latency A A B` tell equal models from models that differ by 3%?

A/A: a model against itself, two files with the same bytes. A/B: the model against itself with a few more multiply-adds
(a branch whose result is thrown into the first output value with weight zero), sized so that B takes about 3% longer;
how much longer it really takes is the median over all A/B comparisons. A comparison says "different" when its ratio is
more than 2% from 1 and its 95% interval excludes 1; one whose interval is wider than ±2% does not decide, as the
command says itself.

    python -m benchmarks.latency.comparisons --n 100

Each measurement gives one comparison of each kind. Rows are appended to the CSV file as they are measured; started
again, the run goes on. Takes about 15 s a measurement (finalist level) or 4 s (`--level screening`).
"""

import argparse
import statistics
from pathlib import Path

import numpy as np

from benchmarks.common.rows import MODELS, Rows, hog, stock
from nas.errors import LatencyError
from nas.latency import LatencyDevice, LatencySettings, SizedModel, retry_while_disturbed
from nas.latency.artifacts.model_bytes import ModelBytes

HEADER = ("hog", "kind", "number", "blocks", "ratio", "low", "high", "seconds", "refused")
CSV = Path("results/reference/latency/comparisons.csv")
THRESHOLD = 0.02
DIFFERENCE = 0.03
CONDITIONS = ("none", "free", "pinned")


def with_more_work(model: SizedModel, blocks: int) -> SizedModel:
    """The model, and beside it a chain of 3x3 convolutions on 8 channels of 20x20, `blocks` long."""
    import onnx
    from onnx import helper, numpy_helper

    graph = onnx.load_from_string(model.model.data)
    weight = np.random.default_rng(0).standard_normal((8, 8, 3, 3), dtype=np.float32) * 0.1
    start = np.random.default_rng(1).random((1, 8, 20, 20), dtype=np.float32)
    graph.graph.initializer.extend(
        [
            numpy_helper.from_array(weight, "more.weight"),
            numpy_helper.from_array(start, "more.start"),
            numpy_helper.from_array(np.zeros(1, dtype=np.float32), "more.zero"),
        ]
    )
    output = graph.graph.output[0].name
    for node in graph.graph.node:
        for index, name in enumerate(node.output):
            if name == output:
                node.output[index] = "more.plain"
    # The input enters, so that nothing can be computed beforehand.
    chain = [
        helper.make_node("ReduceMean", [graph.graph.input[0].name], ["more.mean"], keepdims=1),
        helper.make_node("Add", ["more.start", "more.mean"], ["more.0"]),
    ]
    for index in range(blocks):
        chain.append(helper.make_node("Conv", [f"more.{index}", "more.weight"], [f"more.{index + 1}"], pads=[1] * 4))
    chain += [
        helper.make_node("ReduceMean", [f"more.{blocks}"], ["more.last"], keepdims=0),
        helper.make_node("Mul", ["more.last", "more.zero"], ["more.nothing"]),
        helper.make_node("Add", ["more.plain", "more.nothing"], [output]),
    ]
    graph.graph.node.extend(chain)
    return SizedModel(ModelBytes("onnx", graph.SerializeToString()), model.imgsz)


def blocks_for_three_percent(model: SizedModel, settings: LatencySettings, device: LatencyDevice) -> int:
    """How many blocks make the model about 3% slower, on a line through what 10 and 60 cost."""
    few, many = 10, 60
    models = [model, with_more_work(model, few), with_more_work(model, many)]
    ratios = retry_while_disturbed(lambda: device.compare(models)).ratios
    assert ratios is not None
    each = (ratios[2].value - ratios[1].value) / (many - few)
    return max(1, round(few + (1 + DIFFERENCE - ratios[1].value) / each))


def measure(arguments: argparse.Namespace, rows: Rows) -> None:
    """Measure what is missing."""
    done = rows.all()
    have = {(row["hog"], row["number"]) for row in done}
    todo = [(where, n) for n in range(arguments.n) for where in CONDITIONS if (where, str(n)) not in have]
    if not todo:
        return
    settings = LatencySettings()
    device = LatencyDevice(settings).calibrated()
    _, width, imgsz = MODELS[arguments.model]
    one = stock(width, imgsz)
    # Taken up again, a run goes on with the same two models.
    blocks = int(done[0]["blocks"]) if done else blocks_for_three_percent(one, settings, device)
    models = [one, one, with_more_work(one, blocks)]
    for where, number in todo[: arguments.at_most if arguments.at_most >= 0 else None]:
        try:
            with hog(where):
                found = device.compare(models, level=arguments.level)
            made = [
                {"ratio": f"{ratio.value:.5f}", "low": f"{ratio.low:.5f}", "high": f"{ratio.high:.5f}"}
                | {"seconds": f"{found.latencies[0].seconds:.2f}"}
                for ratio in found.ratios[1:]  # type: ignore[index]
            ]
        except LatencyError as error:
            made = [{"refused": str(error)}] * 2
        for kind, row in zip(("A/A", "A/B"), made, strict=True):
            rows.add({"hog": where, "kind": kind, "number": number, "blocks": blocks} | row)


def summary(rows: Rows) -> None:
    """Share of comparisons that say "different"."""
    print('| hog | kind | n | refused | undecided | median ratio | sd | says "different" | s each |')
    print("|---|---|---|---|---|---|---|---|---|")
    for where in CONDITIONS:
        for kind in ("A/A", "A/B"):
            mine = [row for row in rows.all() if (row["hog"], row["kind"]) == (where, kind)]
            kept = [row for row in mine if not row["refused"]]
            if len(kept) < 2:
                continue
            told = [tuple(float(row[name]) for name in ("ratio", "low", "high")) for row in kept]
            decided = [(ratio, low, high) for ratio, low, high in told if (high - low) / 2 <= THRESHOLD * ratio]
            different = sum(abs(ratio - 1) > THRESHOLD and not low <= 1 <= high for ratio, low, high in decided)
            ratios = [ratio for ratio, _, _ in told]
            print(
                f"| {where} | {kind} | {len(mine)} | {len(mine) - len(kept)} | {len(kept) - len(decided)} | "
                f"{statistics.median(ratios):.4f} | {statistics.stdev(ratios):.4f} | {different} of {len(decided)} | "
                f"{statistics.median(float(row['seconds']) for row in kept):.1f} |"
            )


def main() -> None:
    """Measure what is missing, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=100, help="comparisons of each kind and condition")
    parser.add_argument("--model", type=int, default=0, choices=range(len(MODELS)), help="which model, fastest first")
    parser.add_argument("--level", default="finalist", choices=("screening", "finalist"))
    arguments, rows = Rows.asked_for(parser, CSV, HEADER, "measurements")
    measure(arguments, rows)
    summary(rows)


if __name__ == "__main__":
    main()
