"""Which addresses of a cluster are taken, and what is said of the others."""

import pytest

from nas.errors import UsageError
from nas.search.executors.cluster.address import check_address, host_and_port
from nas.search.executors.cluster.join import variables_on_nodes


@pytest.fixture(autouse=True)
def no_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)


@pytest.mark.parametrize("address", ["auto", "192.168.1.2:6379", "head.local:1", "[::1]:6379"])
def test_an_address_to_join(address: str) -> None:
    assert check_address(address) == address


def test_auto_takes_the_address_of_the_job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    assert check_address("auto") == "10.0.0.1:6379"


@pytest.mark.parametrize(
    "address", ["", "head", "head:", "head:0", "head:65536", "head:6379/", ":6379", "http://head:8265", "a b:1"]
)
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(UsageError, match=r"must be auto or HOST:PORT such as 192\.168\.1\.2:6379") as refused:
        check_address(address)
    assert "\n" not in str(refused.value) and address in str(refused.value)


def test_a_client_is_refused_in_a_line_that_names_the_other_way(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match=r"give --ray-address head:6379$") as refused:
        check_address("ray://head:10001")
    assert "\n" not in str(refused.value)
    monkeypatch.setenv("RAY_ADDRESS", "ray://head:10001")
    with pytest.raises(UsageError, match=r"auto takes RAY_ADDRESS, which is ray://head:10001"):
        check_address("auto")


def test_the_nodes_trust_what_the_driver_trusts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GHOSTNAS_TRUST_CHECKPOINTS", "true")
    assert variables_on_nodes()["GHOSTNAS_TRUST_CHECKPOINTS"] == "true"
    monkeypatch.delenv("GHOSTNAS_TRUST_CHECKPOINTS")
    assert variables_on_nodes()["GHOSTNAS_TRUST_CHECKPOINTS"] == "false"


def test_host_and_port() -> None:
    assert host_and_port("[fe80::1]:6379") == ("fe80::1", 6379)
    assert host_and_port("head:6379") == ("head", 6379)
    assert host_and_port("auto") is None
    assert host_and_port("a..b:6379") is None and host_and_port(f"{'a' * 64}:6379") is None
