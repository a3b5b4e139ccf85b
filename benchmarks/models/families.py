"""The latency of every literal as a share of YOLO11's of the same scale, on a machine that neighbours disturb.

    python -m benchmarks.models.families

`ghostnas space table` measures the same with its protocol, in milliseconds that hold, and needs a quiet machine. Here
up to four literals and the YOLO11 of their scale are run in turn, round by round (benchmarks/common/paired.py), and
only the ratios mean something. A row is kept a literal, size and runtime; started again, the run goes on. Takes about
15 minutes.
"""

import argparse
from pathlib import Path

from benchmarks.common.paired import paired
from benchmarks.common.rows import Rows
from nas.latency import LatencySettings, SizedModel
from nas.latency.artifacts.model_bytes import ModelBytes
from nas.model import build, to_onnx
from nas.space import shipped_literals

HEADER = ("model", "imgsz", "runtime", "ms", "ratio", "low", "high", "to")
CSV = Path("results/reference/families/ratios.csv")
ABREAST = 4
SECONDS = 15.0


def reference(name: str) -> str:
    """The YOLO11 that a literal stands beside; n where its name tells no scale."""
    return f"yolo11-{name[-1] if name[-2:] in ('-n', '-s', '-m') else 'n'}"


def graph(name: str, imgsz: int) -> SizedModel:
    """A literal with one class as ONNX."""
    model = build(shipped_literals()[name].path.read_text(encoding="utf-8"), nc=1, seed=0)
    return SizedModel(ModelBytes("onnx", to_onnx(model, imgsz)), imgsz)


def report(rows: list[dict[str, str]]) -> None:
    """One line a literal."""
    columns = sorted({(row["runtime"], int(row["imgsz"])) for row in rows if row["to"]})
    print("\n| model | to | " + " | ".join(f"{runtime}, {imgsz} px" for runtime, imgsz in columns) + " |")
    print("|---|---|" + "---|" * len(columns))
    cells = {(row["model"], row["runtime"], int(row["imgsz"])): row for row in rows}
    for name in dict.fromkeys(row["model"] for row in rows):
        shown = []
        for column in columns:
            row = cells.get((name, *column))
            shown.append(
                f"{float(row['ratio']):.2f} ({float(row['low']):.2f} to {float(row['high']):.2f})" if row else "-"
            )
        print(f"| {name} | {reference(name)} | {' | '.join(shown)} |")


def main() -> None:
    """Measure what is left, tabulate."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="320,640")
    parser.add_argument("--runtimes", default="onnxruntime,openvino")
    options, rows = Rows.asked_for(parser, CSV, HEADER, "groups")
    groups: dict[str, list[str]] = {}
    for name in shipped_literals():
        if name != reference(name):
            groups.setdefault(reference(name), []).append(name)
    done = 0
    for size in map(int, options.sizes.split(",")):
        for stock, rivals in groups.items():
            for start in range(0, len(rivals), ABREAST):
                names = [stock, *rivals[start : start + ABREAST]]
                files: list[SizedModel] = []
                for runtime in options.runtimes.split(","):
                    have = {(row["model"], row["imgsz"], row["runtime"]) for row in rows.all()}
                    if all((name, str(size), runtime) in have for name in names[1:]) or done == options.at_most:
                        continue
                    files = files or [graph(name, size) for name in names]
                    for name, one in zip(names[1:], paired(files, LatencySettings(runtime), SECONDS)[1:], strict=True):
                        numbers = {"ms": one.ms, "ratio": one.ratio, "low": one.low, "high": one.high}
                        shown = {column: f"{value:.4f}" for column, value in numbers.items()}
                        rows.add({"model": name, "imgsz": size, "runtime": runtime, "to": stock} | shown)
                    done += 1
                    print(f"{runtime}, {size} px: {', '.join(names)}", flush=True)
    report(rows.all())


if __name__ == "__main__":
    main()
