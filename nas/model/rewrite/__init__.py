"""The lossless inference graph: a fused detector rewritten so that runtimes do less for the same outputs.

What a block can do alone it does at `fuse()`, as Ultralytics' `RepConv` does. What is here crosses blocks or hangs on
the input size, and is done to the deployed copy only; parameters and operations are counted before. How much it gives:
benchmarks/models/lossless.py and docs/explanation/inference-graph.md.
"""

from nas.model.rewrite.model import rewritten

__all__ = ["rewritten"]
