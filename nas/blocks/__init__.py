"""The modules that ghostnas adds to Ultralytics' vocabulary.

parsed.py       how Ultralytics' parser comes to pass them channels
dfc.py          DFC attention
ghost.py        ghost modules, with and without attention
bottleneck.py   GhostNetV2 bottleneck, squeeze-and-excitation
head.py         detection head with free hidden widths

Import the classes from these files; `nas.build.register()` makes `REGISTERED` known to Ultralytics. This file
imports nothing, so that reading the names does not load torch.
"""

REGISTERED = {"GhostBottleneckV2": "nas.blocks.bottleneck", "SlimDetect": "nas.blocks.head"}
"""Names that may stand in a model YAML, and the module that defines each."""
