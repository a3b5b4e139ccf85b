"""Latency: how it is measured (`LatencySettings`), where (`measure.py`), and what came out (`Latency`).

Importing this package loads neither torch nor a runtime.
"""

from typing import TYPE_CHECKING

from nas.util.lazy import lazy

if TYPE_CHECKING:
    from nas.latency.artifacts.model_bytes import ModelBytes, SizedModel
    from nas.latency.artifacts.model_files import ModelFile, find_model, load_unfused
    from nas.latency.artifacts.onnx_graph import fixed
    from nas.latency.artifacts.prepare import prepare, prepare_reference, prepared_name
    from nas.latency.artifacts.users_onnx import note
    from nas.latency.device_pool import BOARDS, SPREAD, open_device
    from nas.latency.devices.check import DeviceCheck, check_device
    from nas.latency.devices.profile import pooled, resolve_device
    from nas.latency.measure import Comparison, Device, LatencyDevice
    from nas.latency.measurement_retry import DISTURBED_PAUSES_S, repeat_until_precise, retry_while_disturbed
    from nas.latency.model_latencies import Answer, choose_imgsz, latencies_of
    from nas.latency.outputs import COMPARED_ON, FLOAT32_TOLERANCE, difference, opened_for_pictures, relative_difference
    from nas.latency.protocol.estimate import Calibration, Ratio
    from nas.latency.protocol.probe import fingerprint
    from nas.latency.protocol.reference_nets import COMPUTE
    from nas.latency.remote.connection import LOCAL, connect
    from nas.latency.remote.ssh import parse_address
    from nas.latency.runtimes.registry import available_runtimes, is_installed, open_session, runtime_version
    from nas.latency.runtimes.session import check_finite, image
    from nas.latency.types import (
        DEFAULT_RUNTIME,
        LEVELS,
        OFFERS,
        PRECISIONS,
        RUNTIMES,
        SCOPES,
        STATISTICS,
        Latency,
        LatencySettings,
        Level,
        in_words,
        resolve_level,
        resolve_runtime,
    )

__getattr__ = lazy(
    __name__,
    {
        "artifacts.model_bytes": (
            "ModelBytes",
            "SizedModel",
        ),
        "artifacts.model_files": (
            "ModelFile",
            "find_model",
            "load_unfused",
        ),
        "artifacts.onnx_graph": ("fixed",),
        "artifacts.prepare": (
            "prepare",
            "prepare_reference",
            "prepared_name",
        ),
        "artifacts.users_onnx": ("note",),
        "devices.check": (
            "DeviceCheck",
            "check_device",
        ),
        "device_pool": ("BOARDS", "SPREAD", "open_device"),
        "devices.profile": ("pooled", "resolve_device"),
        "measure": (
            "Comparison",
            "Device",
            "LatencyDevice",
        ),
        "measurement_retry": (
            "DISTURBED_PAUSES_S",
            "repeat_until_precise",
            "retry_while_disturbed",
        ),
        "model_latencies": (
            "Answer",
            "choose_imgsz",
            "latencies_of",
        ),
        "outputs": (
            "COMPARED_ON",
            "FLOAT32_TOLERANCE",
            "difference",
            "opened_for_pictures",
            "relative_difference",
        ),
        "protocol.estimate": (
            "Calibration",
            "Ratio",
        ),
        "protocol.probe": ("fingerprint",),
        "protocol.reference_nets": ("COMPUTE",),
        "remote.connection": (
            "LOCAL",
            "connect",
        ),
        "remote.ssh": ("parse_address",),
        "runtimes.registry": (
            "available_runtimes",
            "is_installed",
            "open_session",
            "runtime_version",
        ),
        "runtimes.session": (
            "check_finite",
            "image",
        ),
        "types": (
            "DEFAULT_RUNTIME",
            "LEVELS",
            "OFFERS",
            "PRECISIONS",
            "RUNTIMES",
            "SCOPES",
            "STATISTICS",
            "Latency",
            "LatencySettings",
            "Level",
            "in_words",
            "resolve_level",
            "resolve_runtime",
        ),
    },
)
