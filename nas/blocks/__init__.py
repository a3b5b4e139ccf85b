"""The modules that ghostnas adds to Ultralytics' vocabulary.

parsed.py       how Ultralytics' parser comes to pass them channels
dfc.py          DFC attention
ghost.py        ghost modules, with and without attention
bottleneck.py   GhostNetV2 bottleneck; without attention it is GhostNet's (V1)
ghostv3.py      GhostNetV3 bottleneck
reparam.py      branches at training that are one convolution once fused
squeeze.py      squeeze-and-excitation
inverted.py     inverted residual, of which are:
mobilenet.py      MobileNetV3
efficientnet.py   EfficientNetV2: MBConv and Fused-MBConv
lcnet.py        PP-LCNet
vanilla.py      VanillaNet
gsconv.py       GSConv and Slim Neck
afpn.py         AFPN neck
head.py         detection head with free hidden widths, plain or of MBConv

Import the classes from these files; `nas.model.builder.register()` makes `REGISTERED` known to Ultralytics. This file
imports nothing, so that reading the names does not load torch.
"""

MODULE_NAME = "ghost_blocks"
"""The module of a bundle that holds the blocks."""

REGISTERED = {
    "GhostBottleneckV2": "nas.blocks.bottleneck",
    "GhostBottleneckV3": "nas.blocks.ghostv3",
    "MobileNetV3Block": "nas.blocks.mobilenet",
    "MBConv": "nas.blocks.efficientnet",
    "FusedMBConv": "nas.blocks.efficientnet",
    "LCNetBlock": "nas.blocks.lcnet",
    "VanillaBlock": "nas.blocks.vanilla",
    "GSConv": "nas.blocks.gsconv",
    "VoVGSCSP": "nas.blocks.gsconv",
    "AFPN": "nas.blocks.afpn",
    "SlimDetect": "nas.blocks.head",
    "MBConvDetect": "nas.blocks.head",
}
"""Names that may stand in a model YAML, and the module that defines each."""
