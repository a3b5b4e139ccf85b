"""Is it the luck of memory addresses, or the neighbours, that makes a model take another time in the next process?

One model is opened several times in one process: every copy has weights at addresses of its own, and all run in turn,
under the same neighbours. Their figures differ by the luck of addresses alone; the processes' means differ by that and
by what the neighbours did meanwhile.

    python -m benchmarks.latency.copies --model 1 --processes 8

Takes `--seconds` a process. Figures are the 5% quantile of the runs in ms, raw: nothing is set in relation to a
reference.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.common.rows import MODELS, stock

COPIES = """
import json, random, sys, time
from contextlib import ExitStack
import numpy as np
from nas.latency import LatencySettings
from nas.latency.artifacts.model_bytes import ModelBytes
from nas.latency.protocol.probe import ahead_of_others
from nas.latency.protocol.plan import POOL_QUANTILE
from nas.latency import open_session
path, imgsz, copies, seconds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
model = ModelBytes("onnx", open(path, "rb").read())
with ExitStack() as stack:
    sessions = [stack.enter_context(open_session(model, imgsz, LatencySettings())) for _ in range(copies)]
    times, order = [[] for _ in sessions], list(range(copies))
    with ahead_of_others(1):
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            random.shuffle(order)
            for index in order:
                sessions[index].run()
                for _ in range(4):
                    begin = time.perf_counter()
                    sessions[index].run()
                    times[index].append(1e3 * (time.perf_counter() - begin))
            time.sleep(0.005)
print(json.dumps([float(np.quantile(runs, POOL_QUANTILE)) for runs in times]))
"""


def cv(values: list[float]) -> float:
    """Standard deviation over mean."""
    return statistics.stdev(values) / statistics.mean(values)


def main() -> None:
    """Run the processes one after the other and print both spreads."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=int, default=1, choices=range(len(MODELS)), help="which model, fastest first")
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--copies", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=10.0)
    arguments = parser.parse_args()
    name, width, imgsz = MODELS[arguments.model]
    found: list[list[float]] = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        path.write_bytes(stock(width, imgsz).model.data)
        for _ in range(arguments.processes):
            words = [str(path), str(imgsz), str(arguments.copies), str(arguments.seconds)]
            command = [sys.executable, "-c", COPIES, *words]
            output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            found.append(json.loads(output.splitlines()[-1]))
            print(f"{name}: " + " ".join(f"{one:.3f}" for one in found[-1]), flush=True)
    print(f"CV between copies in a process: {statistics.median(map(cv, found)):.2%} (median)")
    print(f"CV between the means of processes: {cv([statistics.mean(one) for one in found]):.2%}")


if __name__ == "__main__":
    main()
