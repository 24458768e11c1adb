"""Every metric of every process, defined once with its meaning. Units are in the names (seconds, bytes)."""

from prometheus_client import Gauge

# ---- every process
UP = Gauge("millrace_up", "1 while the process is at work", ["process"])
