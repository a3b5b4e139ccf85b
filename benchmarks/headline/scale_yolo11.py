"""Scale YOLO11 to a latency limit: Optuna proposes width, depth and input size, YOLO.train scores them.

    python scale_yolo11.py --data DATA.yaml --weights yolo11n.pt --target-ms 2.5 --seconds 3600 --folder runs/scale

What is measured slower than the limit is pruned. `trials.csv` has a row a trained design, `best.yaml` is the best.
"""

import argparse
import csv
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import optuna
import yaml
from ultralytics import YOLO
from ultralytics.nn.tasks import yaml_model_load

COLUMNS = ("trial", "width", "depth", "imgsz", "ms", "map50_95")


def model_yaml(folder: Path, trial: int, width: float, depth: float) -> Path:
    """Write YOLO11 with other width and depth multiples."""
    config = yaml_model_load("yolo11n.yaml")
    config["scales"] = {"n": [depth, width, 1024]}
    path = folder / f"trial_{trial}.yaml"
    path.write_text(yaml.safe_dump({key: config[key] for key in ("nc", "scales", "backbone", "head")}, sort_keys=False))
    return path


def latency_ms(model: YOLO, imgsz: int, runs: int = 100) -> float:
    """Mean time of a forward pass in ONNX Runtime, one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    path = model.export(format="onnx", imgsz=imgsz, simplify=False)
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    feed = {session.get_inputs()[0].name: np.random.rand(1, 3, imgsz, imgsz).astype(np.float32)}
    for _ in range(20):
        session.run(None, feed)
    start = time.perf_counter()
    for _ in range(runs):
        session.run(None, feed)
    return (time.perf_counter() - start) / runs * 1000


def main() -> None:
    """Optimise until the time is up."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--weights", required=True)
    parser.add_argument("--target-ms", type=float, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--sizes", type=int, nargs="+", default=[96, 128, 160, 192, 224, 256])
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    deadline = time.monotonic() + options.seconds
    folder = options.folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)

    def stop_in_time(trainer: Any) -> None:
        trainer.stop = trainer.stop or time.monotonic() > deadline

    def objective(trial: optuna.Trial) -> float:
        width = trial.suggest_float("width", 0.0625, 0.5, log=True)
        depth = trial.suggest_categorical("depth", [0.5, 1.0])
        imgsz = trial.suggest_categorical("imgsz", options.sizes)
        config = model_yaml(folder, trial.number, width, depth)
        try:
            fresh = YOLO(config)
        except RuntimeError:  # attention needs whole heads
            raise optuna.TrialPruned from None
        ms = latency_ms(fresh, imgsz)
        if ms > options.target_ms:
            raise optuna.TrialPruned
        model = YOLO(config).load(options.weights)
        model.add_callback("on_fit_epoch_end", stop_in_time)
        how = {"epochs": options.epochs, "imgsz": imgsz, "device": options.device, "seed": 0, "plots": False}
        found = model.train(data=options.data, project=str(folder / "runs"), name=f"trial_{trial.number}", **how)
        with (folder / "trials.csv").open("a", newline="") as file:
            csv.writer(file).writerow([trial.number, width, depth, imgsz, ms, found.box.map])
        return float(found.box.map)

    if not (folder / "trials.csv").is_file():
        (folder / "trials.csv").write_text(",".join(COLUMNS) + "\n")
    storage = f"sqlite:///{folder / 'study.db'}"
    study = optuna.create_study(storage=storage, study_name="scale", direction="maximize", load_if_exists=True)
    study.sampler = optuna.samplers.TPESampler(seed=len(study.trials))  # goes on where it was stopped
    study.optimize(objective, timeout=options.seconds)
    shutil.copyfile(folder / f"trial_{study.best_trial.number}.yaml", folder / "best.yaml")
    print(f"best: {study.best_value:.3f} mAP50-95, {study.best_params}, {folder / 'best.yaml'}")


if __name__ == "__main__":
    main()
