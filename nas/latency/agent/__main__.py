"""`python -m nas.latency.agent`."""

from nas.latency.agent.server import main

main()
