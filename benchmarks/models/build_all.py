"""Builds, trains one step, exports and runs many sampled architectures of a search space.

    python -m benchmarks.models.build_all --space ghostv2-n --n 1000 --seed 0

Every sample is turned into its YAML, built, given one optimiser step with Ultralytics' detection loss on
random boxes, exported to ONNX and run once in ONNX Runtime at its own input size; what it answers must be what torch
answers with the fused model, to 1e-4. Prints the failures with their keys and a summary; the exit code is 1 when there
is a failure.
"""

import argparse
import random
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import onnxruntime
import torch

from nas.architecture import Architecture, to_yaml
from nas.latency import relative_difference
from nas.latency.outputs import Pixels
from nas.model import build, fused, to_onnx
from nas.space import load_space

CLASSES = 4
BATCH = 2
STRIDES = {"P3-P5": (8, 16, 32), "P3-P4": (8, 16), "P2-P4": (4, 8, 16)}
MOST_DETECTIONS = 300  # of a head without NMS
TOLERANCE = 1e-4


def architectures(space: str, n: int, seed: int) -> Iterator[Architecture]:
    """`n` random architectures of a space, always the same for one seed."""
    known, rng = load_space(space), random.Random(seed)
    return (known.decode(known.sample(rng)) for _ in range(n))


def train_one_step(model: Any, imgsz: int, seed: int = 0) -> float:
    """One optimiser step on random pictures and boxes; the loss per picture, which must be finite."""
    from ultralytics.cfg import get_cfg  # after nas.model.builder, which keeps Ultralytics offline

    generator = torch.Generator().manual_seed(seed)
    boxes = 3 * BATCH
    centres = 0.3 + 0.4 * torch.rand(boxes, 2, generator=generator)
    sizes = 0.1 + 0.4 * torch.rand(boxes, 2, generator=generator)
    batch = {
        "img": torch.rand(BATCH, 3, imgsz, imgsz, generator=generator),
        "batch_idx": torch.arange(BATCH).repeat_interleave(3).float(),
        "cls": torch.randint(CLASSES, (boxes, 1), generator=generator).float(),
        "bboxes": torch.cat((centres, sizes), 1),
    }
    model.train()
    model.args = get_cfg()  # the loss reads its weights there
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    losses, _ = model.loss(batch)
    losses.sum().backward()
    missing = [name for name, p in model.named_parameters() if p.requires_grad and p.grad is None]
    if missing:
        raise RuntimeError(f"no gradient reaches {', '.join(missing[:3])}")
    optimizer.step()
    loss = float(losses.detach().sum()) / BATCH
    if not np.isfinite(loss):
        raise RuntimeError(f"the loss is {loss}")
    return loss


def run_onnx(graph: bytes, imgsz: int, arch: Architecture) -> tuple[Pixels, Pixels]:
    """The output of one run in ONNX Runtime, which must be finite and of the expected shape, and the picture."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    picture = np.random.default_rng(0).random((1, 3, imgsz, imgsz), dtype=np.float32)
    (output,) = session.run(None, {session.get_inputs()[0].name: picture})
    positions = sum((imgsz // stride) ** 2 for stride in STRIDES[arch.levels])
    expected = (1, min(positions, MOST_DETECTIONS), 6) if arch.end2end else (1, 4 + CLASSES, positions)
    if output.shape != expected:
        raise RuntimeError(f"ONNX Runtime gave shape {output.shape}, expected {expected}")
    if not np.isfinite(output).all():
        raise RuntimeError("ONNX Runtime gave values that are not finite")
    return output, picture


def check_equal(output: Pixels, picture: Pixels, model: Any) -> None:
    """Whether the rewritten graph answers as the fused model does, in float32."""
    with torch.inference_mode():
        answer = fused(model)(torch.from_numpy(picture))
    found = relative_difference(output, answer[0].numpy())
    if not found <= TOLERANCE:
        raise RuntimeError(f"ONNX Runtime differs from torch by {found:.2g}")


def check(arch: Architecture, imgsz: int | None = None) -> None:
    """Build, train one step, export and run one architecture; raises when any of it fails."""
    size = imgsz or arch.imgsz
    model = build(to_yaml(arch, CLASSES), seed=0)
    train_one_step(model, size)
    check_equal(*run_onnx(to_onnx(model, size), size, arch), model)


def main() -> int:
    """Check the samples; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--space", default="ghostv2-n", help="name or file of a search space")
    parser.add_argument("--n", type=int, default=1000, help="how many architectures")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--every", type=int, default=50, help="print progress after this many")
    options = parser.parse_args()
    torch.set_num_threads(1)
    keys: set[str] = set()
    failures: list[str] = []
    started = time.perf_counter()
    for number, arch in enumerate(architectures(options.space, options.n, options.seed), start=1):
        keys.add(arch.key)
        try:
            check(arch)
        except Exception as error:  # the point is to list every kind of failure
            failures.append(arch.key)
            print(f"FAILED {arch.key}\n       {type(error).__name__}: {error}", flush=True)
        if number % options.every == 0 or number == options.n:
            passed = time.perf_counter() - started
            left = passed / number * (options.n - number)
            state = f"{len(failures)} failed, {passed:.0f} s, {left:.0f} s left"
            print(f"{number}/{options.n}, {state}", flush=True)
    good = options.n - len(failures)
    done = f"{good} of {options.n} ({len(keys)} distinct)"
    print(f"{options.space}: {done} built, trained a step, exported and ran")
    return 1 if failures else 0


if __name__ == "__main__":
    raise SystemExit(main())
