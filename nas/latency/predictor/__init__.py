"""Latency predicted from a model's operations."""
