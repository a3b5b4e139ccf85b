"""Detection data: the embedded synthetic set, and any Ultralytics data YAML."""

from nas.data.load import load
from nas.data.values import DetectionData, Labels, Split

__all__ = ["DetectionData", "Labels", "Split", "load"]
