"""A detector's ONNX graph: what is measured and exported."""

import io
import warnings

import torch
from ultralytics.nn.modules.block import C2f
from ultralytics.nn.modules.head import Detect
from ultralytics.nn.tasks import DetectionModel

from nas.errors import ModelError
from nas.model.builder import BUILD_LOCK, blank, fused
from nas.model.rewrite import rewritten

ONNX_OPSET = 17


def deployable(model: DetectionModel, imgsz: int) -> DetectionModel:
    """A copy as it is deployed: fused, and rewritten for that input size into an equal graph with less to do.

    Args:
        model: Any detector; it is not changed.
        imgsz: Side of the square input in pixels.

    Raises:
        ModelError: A BatchNorm is left that Ultralytics could not fold.
    """
    deployed = fused(model)
    return rewritten(deployed, blank(deployed, imgsz))


def to_onnx(model: DetectionModel, imgsz: int) -> bytes:
    """A detector as it is deployed (`deployable`), as an ONNX graph; see `graph_of`.

    Args:
        model: Any detector; it is not changed.
        imgsz: Side of the square input in pixels.

    Raises:
        ModelError: The graph cannot be exported.
    """
    return graph_of(deployable(model, imgsz).float().cpu(), imgsz)


def graph_of(deployed: DetectionModel, imgsz: int) -> bytes:
    """A fused model as an ONNX graph: batch 1, static shapes, float32, without NMS.

    Inputs and outputs are those of Ultralytics' own exporter: input `images` (1, 3, imgsz, imgsz), output
    `output0` (1, 4 + classes, positions).

    Args:
        deployed: A fused detector, float32, on the CPU; its head is left in export mode.
        imgsz: Side of the square input in pixels.

    Raises:
        ModelError: The graph cannot be exported.
    """
    for module in deployed.modules():
        if isinstance(module, Detect):
            module.export, module.format, module.dynamic, module.shape = True, "onnx", False, None
        elif isinstance(module, C2f):
            module.forward = module.forward_split
    picture = blank(deployed, imgsz)
    graph = io.BytesIO()
    with BUILD_LOCK, torch.no_grad(), warnings.catch_warnings():
        # The TorchScript exporter is six times faster than its successor, and says at each call that it is
        # old; the tracer warns of the sizes that become constants, which is wanted here.
        warnings.simplefilter("ignore")
        try:
            deployed(picture)  # lets Detect compute its anchors outside of the trace
            torch.onnx.export(
                deployed,
                (picture,),
                graph,  # type: ignore[arg-type]  # file objects are taken too, as documented
                opset_version=ONNX_OPSET,
                input_names=["images"],
                output_names=["output0"],
                dynamo=False,
            )
        except Exception as error:  # whatever the tracer or a layer raises
            raise ModelError(f"the ONNX export failed: {type(error).__name__}: {error}") from error
    return graph.getvalue()
