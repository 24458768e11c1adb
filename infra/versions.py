"""Every image that is taken as its makers publish it, with its exact version and digest.

A name may be given to another image; a digest cannot. Each is that of the index, which has an image for every
architecture. `make pin-images` asks the registries for the digests anew. What the tests run is of the same versions as
far as tests/unit/images/test_versions.py demands; tests/README.md lists what differs.
"""

from typing import Final

UPSTREAM: Final = {
    "kafka": "apache/kafka:4.3.1@sha256:77e3df9054047a88b520d0cc46e16696d3b22022e1d580aeccd2632df6532837",
    "mysql": "mysql:9.7.2@sha256:257388edf9c84dbc04c763625446d5f3fa6ed60d1b0873bc552c614ba0a7ab4e",
    "clickhouse": (
        "clickhouse/clickhouse-server:26.3.33.24"
        "@sha256:810861a2e2d0188744f5f23b2d3ec9ff95812bcb9ddbb8fed13a377a7f305893"
    ),
    "prometheus": ("prom/prometheus:v3.13.3@sha256:6976aa8a60fec930796ce5772b8d12da7a318a5daa8d40d69c5c7819a05eeed7"),
    "grafana": "grafana/grafana:12.4.2@sha256:83749231c3835e390a3144e5e940203e42b9589761f20ef3169c716e734ad505",
    "kafka-ui": "kafbat/kafka-ui:v1.5.0@sha256:7cda86a33344160309fdb65146332e4da65db81a945614f2fe32e210803f6fd1",
}
"""Name in the stack to reference. Kafka Connect, Grafana and the project's own image are built from images/ on top."""

GRAFANA_CLICKHOUSE_PLUGIN: Final = "grafana-clickhouse-datasource@4.12.0"
"""The official data source, which images/grafana puts into the image."""
