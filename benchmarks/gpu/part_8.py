"""A latency beside a training on the same GPU, and what a training without memory is called."""

import multiprocessing
from multiprocessing.synchronize import Event

import torch
from findings import Check, started


def train(check: Check, with_lock: bool, ready: Event, enough: Event) -> None:
    """Train until told to stop."""
    from loop import Loop, design

    from nas.util.machine_lock import MachineLock

    torch.set_num_threads(1)
    lock = MachineLock() if with_lock else None
    loop = Loop(design("yolo11-n", 64 if check.dry else 160), check.device, batch=4 if check.dry else 16)
    loop.step(lock)
    ready.set()
    while not enough.is_set():
        loop.step(lock)


def beside(check: Check) -> None:
    """One model's screening alone, beside a training that passes the machine lock, and beside one that does not."""
    from nas.errors import LatencyError
    from nas.latency import LatencyDevice, LatencySettings, SizedModel, prepare
    from nas.model import load_model

    settings = LatencySettings("onnxruntime" if check.dry else "torch-cudagraph", device=check.device)
    imgsz = 64 if check.dry else 160
    model = SizedModel(prepare(load_model("yolo11n.yaml"), imgsz, settings), imgsz)
    device = LatencyDevice(settings).calibrated()
    known = device.calibration
    assert known is not None
    check.note("calibration", [round(known.compute_ms, 4), round(known.memory_ms, 4)], "ms of COMPUTE, MEMORY")
    context = multiprocessing.get_context("spawn")
    jobs = {}
    for name, gated in (("with the machine lock", True), ("without the machine lock", False)):
        ready, enough = context.Event(), context.Event()
        jobs[name] = (context.Process(target=train, args=(check, gated, ready, enough), daemon=True), ready, enough)

    def measured(name: str) -> None:
        for _ in range(1 if check.dry else 2):
            try:
                found = device.screen(model, None)
            except LatencyError as error:
                check.note(f"yolo11n-{imgsz} {name}", "failed", "", why=f"{type(error).__name__}: {error}")
                continue
            told = {"low_ms": found.low_ms, "high_ms": found.high_ms, "conditions": found.conditions}
            check.note(f"yolo11n-{imgsz} {name}", found.latency_ms, "ms", **told, waited_s=found.waited_s)

    measured("alone")
    for name, (job, ready, enough) in jobs.items():
        job.start()
        if not ready.wait(60):
            check.note(f"training {name}", "did not begin in 60 s")
        else:
            measured(f"beside a training {name}")
        enough.set()
        job.join(20)


def without_memory(check: Check) -> None:
    """What a training is called whose memory ends: in a step, and when the model is moved; and the next training."""
    from loop import design

    from nas.architecture import to_yaml
    from nas.data import load
    from nas.model import build
    from nas.proxy import ProxySettings, train_proxy

    data, arch = load(None), design("yolo11-n", 64 if check.dry else 160)
    settings = ProxySettings(steps=2, device=check.device, batch=4 if check.dry else 16)
    whole = 0 if check.dry else torch.cuda.mem_get_info(0)[1]
    for name, most in (("200 MB", 200e6), ("4 MB", 4e6), ("all", whole)):
        if not check.dry:
            torch.cuda.empty_cache()
            torch.cuda.set_per_process_memory_fraction(min(1.0, most / whole))
        try:
            result, _ = train_proxy(build(to_yaml(arch, data.nc), seed=0), data, arch.imgsz, settings)
            check.note(f"a training with {name} of memory", "trained", "", loss=result.train_loss)
        except Exception as error:
            check.note(f"a training with {name} of memory", type(error).__name__, "", why=str(error)[:300])


if __name__ == "__main__":
    asked = started(8)
    without_memory(asked)
    beside(asked)
