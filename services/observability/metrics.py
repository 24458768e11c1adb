"""Every metric of every process, defined once with its meaning. Units are in the names (seconds, bytes)."""

from prometheus_client import Counter, Gauge, Histogram

# ---- every process
UP = Gauge("millrace_up", "1 while the process is at work", ["process"])

# ---- api
HTTP_REQUESTS = Counter(
    "millrace_http_requests_total",
    "requests answered, by route template, method and status",
    ["route", "method", "status"],
)
HTTP_SECONDS = Histogram(
    "millrace_http_request_seconds",
    "time from a request's first byte to the end of its answer",
    ["route", "method"],
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
