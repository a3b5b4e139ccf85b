"""Proxies on the GPU: time a step, launches and waits a step, repeatability, agreement with the CPU, layouts."""

from collections import Counter

import torch
from findings import started
from loop import Loop, design
from torch.autograd import DeviceType  # type: ignore[attr-defined]
from torch.profiler import ProfilerActivity, profile

from nas.architecture import to_yaml
from nas.data import load
from nas.model import build
from nas.proxy import ProxySettings, train_proxy

check = started(3)
data = load(None)
IMGSZ = 64 if check.dry else 160
STEPS, TIMED, BATCH = (2, 1, 4) if check.dry else (45, 15, 16)
CHANNELS_LAST = torch.channels_last
DESIGNS = ("yolo11-n", "ghostnetv2-n", "slim-neck-n")


def trained(name: str) -> tuple[float, float, dict[str, torch.Tensor]]:
    """Seconds, score and weights of a proxy."""
    arch = design(name, IMGSZ)
    settings = ProxySettings(steps=STEPS, device=check.device, batch=BATCH)
    result, model = train_proxy(build(to_yaml(arch, data.nc), seed=0), data, IMGSZ, settings)
    return result.seconds, result.score.map50_95, model.state_dict()


def calls(name: str) -> None:
    """Kernel launches and waits of the host a step."""
    loop = Loop(design(name, IMGSZ), check.device, batch=BATCH)
    for _ in range(3):
        loop.step()
    activities = [ProfilerActivity.CPU] + ([] if check.dry else [ProfilerActivity.CUDA])
    with profile(activities=activities) as seen:
        for _ in range(3):
            loop.step()
    counted: Counter[str] = Counter()
    for event in seen.key_averages():
        if event.key.startswith("cuda") or event.key in ("aten::item", "aten::nonzero"):
            counted[event.key] += event.count
    check.note(f"calls a step, {name}", {key: round(count / 3, 1) for key, count in counted.most_common(12)}, "calls")
    on_gpu = sum(event.self_device_time_total for event in seen.key_averages() if event.device_type != DeviceType.CPU)
    check.note(f"time of the kernels a step, {name}", round(on_gpu / 3e3, 2), "ms")


def agreement(name: str) -> None:
    """The first loss in float32 on the CPU and on the device."""
    here, there = (Loop(design(name, IMGSZ), device, "float32", batch=BATCH) for device in ("cpu", check.device))
    for loop in (here, there):
        loop.step()
    ours, theirs = float(here.losses[0]), float(there.losses[0])
    check.note(f"first loss in float32, {name}", [ours, theirs], "CPU, device", apart=abs(ours - theirs) / abs(ours))


def variants(name: str) -> None:
    """Milliseconds a step by layout, cuDNN's choice of kernels, and precision."""
    for layout, form in (("channels_last", CHANNELS_LAST), ("contiguous", torch.contiguous_format)):
        for searched in (False,) if check.dry else (False, True):
            for precision in ("float32",) if check.dry else ("bfloat16", "float32"):
                torch.channels_last, torch.backends.cudnn.benchmark = form, searched
                ms = Loop(design(name, IMGSZ), check.device, precision, batch=BATCH).ms_a_step(TIMED)
                more = {"layout": layout, "cudnn_benchmark": searched, "precision": precision}
                check.note(f"time a step, {name}", round(ms, 2), "ms", **more)
    torch.channels_last, torch.backends.cudnn.benchmark = CHANNELS_LAST, False


for name in DESIGNS[:1] if check.dry else DESIGNS[:2]:
    (first_s, score, weights), (again_s, again, others) = trained(name), trained(name)
    apart = max(float((weights[key].float() - others[key].float()).abs().max()) for key in weights)
    equal = all(torch.equal(weights[key], others[key]) for key in weights)
    check.note(f"two trainings with one seed have equal bits, {name}", equal, "", largest_difference=apart)
    check.note(f"scores of two trainings with one seed, {name}", [score, again], "mAP50-95")
    check.note(f"seconds of a whole proxy of {STEPS} steps, {name}", [round(first_s, 2), round(again_s, 2)], "s")
    calls(name)
for name in DESIGNS[:1] if check.dry else DESIGNS:
    usual = Loop(design(name, IMGSZ), check.device, batch=BATCH).ms_a_step(TIMED)
    check.note(f"time a step as a search makes it, {name}", round(usual, 2), "ms")
for name in DESIGNS[:1] if check.dry else DESIGNS[:2]:
    agreement(name)
for name in DESIGNS[:1] if check.dry else DESIGNS[1::-1]:
    variants(name)
