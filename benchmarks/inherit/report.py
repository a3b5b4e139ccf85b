"""The tables of the experiments."""


def report(rows: list[dict[str, str]]) -> None:
    """Print them."""
    raise NotImplementedError
