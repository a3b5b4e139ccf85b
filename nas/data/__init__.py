"""Detection data: the embedded synthetic set, and any Ultralytics data YAML."""

from nas.data.dataset import DetectionData, Labels, Split
from nas.data.loader import load

__all__ = ["DetectionData", "Labels", "Split", "load"]
