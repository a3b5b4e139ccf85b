"""YAML to torch module, its counts, its losses and its ONNX graph."""

from nas.util import ultralytics_env

ultralytics_env.prepare()  # before the first import of Ultralytics
