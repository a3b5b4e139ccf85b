"""Does the embedded set tell good designs from bad? Six clearly different designs, a few seeds each.

    python -m benchmarks.proxies.separation                     # what a search trains
    python -m benchmarks.proxies.separation --steps 600         # a longer training of the same
    python -m benchmarks.proxies.separation --data DATA.yaml    # the same designs on your data

Prints one line as each training ends, then a Markdown table: the mean over the seeds, the distance between
the seeds, and how well one seed's order of the designs agrees with the other's (Kendall's tau).
"""

import argparse
import statistics
from dataclasses import replace

from scipy.stats import kendalltau

from nas.architecture import Architecture, Stage, to_yaml
from nas.data import load
from nas.model import build, count
from nas.proxy import DEFAULT_STEPS, ProxyResult, ProxySettings, train_proxy
from nas.space import yolo11
from nas.util import ultralytics_env

ultralytics_env.prepare()


def designs(imgsz: int) -> dict[str, Architecture]:
    """The designs, from the one expected to be best to the one expected to be worst."""
    full, half, quarter = (yolo11("n", imgsz, width) for width in (1.0, 0.5, 0.25))
    p2, p3, p4, p5 = (ghost(stage) for stage in half.stages)
    smaller = imgsz * 5 // 8 // 32 * 32
    return {
        "YOLO11n": full,
        "half width": half,
        "half width, ghost stages with DFC": replace(half, stages=(p2, p3, p4, p5)),
        f"half width at {smaller} px": replace(half, imgsz=smaller),
        "half width, ReLU, reg_max 1": replace(half, activation="relu", reg_max=1, box_width=16),
        "quarter width, ReLU, reg_max 1": replace(quarter, activation="relu", reg_max=1, box_width=16),
    }


def ghost(stage: Stage) -> Stage:
    """The stage with GhostNetV2 bottlenecks in place of C3k2."""
    return replace(stage, block="ghost", expansion=1.0, dfc_kernel=5, dfc_pool=2)


def main() -> None:
    """Train, print, tabulate."""
    parser = argparse.ArgumentParser(description="Designs on a data set, short trainings, as a table.")
    parser.add_argument("--data", help="data YAML; default: the embedded set")
    parser.add_argument("--steps", type=int, default=DEFAULT_STEPS)
    parser.add_argument("--imgsz", type=int, default=128)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()

    data = load(options.data)
    rows: list[tuple[str, int, list[ProxyResult]]] = []
    for name, design in designs(options.imgsz).items():
        results, params = [], 0
        for seed in range(options.seeds):
            model = build(to_yaml(design, data.nc), seed=seed)
            params = count(model, design.imgsz).params
            settings = ProxySettings(steps=options.steps, seed=seed, threads=options.threads, device=options.device)
            result, _ = train_proxy(model, data, design.imgsz, settings)
            results.append(result)
            score = result.score
            line = f"{name}, seed {seed}: {score.map50_95:.4f} {score.map50:.4f} {result.seconds:.0f} s"
            print(line, flush=True)
        rows.append((name, params, results))

    print(f"\n{data.digest}, {options.steps} steps of 16 pictures, {rows[0][2][0].precision}\n")
    print("| design | params | mAP50-95 | seeds apart by | mAP50 | seconds |\n|---|---|---|---|---|---|")
    for name, params, results in rows:
        strict = [result.score.map50_95 for result in results]
        loose = statistics.mean(result.score.map50 for result in results)
        seconds = statistics.mean(result.seconds for result in results)
        mean, apart = statistics.mean(strict), max(strict) - min(strict)
        print(f"| {name} | {params / 1e6:.2f} M | {mean:.3f} | {apart:.3f} | {loose:.3f} | {seconds:.0f} |")
    if options.seeds > 1:
        first, second = ([row[2][seed].score.map50_95 for row in rows] for seed in (0, 1))
        print(f"\nKendall's tau between seed 0 and seed 1: {kendalltau(first, second).statistic:.2f}")


if __name__ == "__main__":
    main()
