"""Trials on the nodes of a Ray cluster: this machine screens and writes, the nodes train."""
