"""What a load run found, and how its figures are made."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field


def percentile(values: Sequence[float], share: float) -> float:
    """The nearest-rank percentile (the smallest value that ``share`` of all values do not exceed); 0.0 of nothing."""
    if not values:
        return 0.0
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


@dataclass
class Report:
    """Latencies in milliseconds from when an order was due; freshness in seconds from its commit.

    ``shown`` counts the acknowledged orders that both daily_sales_mv and product_ranking_mv came to include.
    """

    sent: int = 0
    acknowledged: int = 0
    shown: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    post_ms: list[float] = field(default_factory=list)
    freshness_s: list[float] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Whether every order was acknowledged and every acknowledged one is shown."""
        return self.acknowledged == self.sent == self.shown

    def figures(self) -> dict[str, object]:
        """The report as plain values, percentiles instead of the single measurements."""
        plain = asdict(self)
        for name in ("post_ms", "freshness_s"):
            values = plain.pop(name)
            for label, share in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("max", 1.0)):
                plain[f"{name}_{label}"] = round(percentile(values, share), 3)
        plain["seconds"] = round(self.seconds, 2)
        plain["orders_per_second"] = round(self.acknowledged / self.seconds, 1) if self.seconds else 0.0
        return plain
