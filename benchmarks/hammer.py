"""Clients that post orders as fast as they are answered: `python -m benchmarks.hammer URL CLIENTS SECONDS`.

Orders of two items. A process of its own, with little CPU of its own: on a small machine it competes with what it
measures.
Prints one line of JSON: answers by status, answered a second, latency in milliseconds, CPU seconds of this process.
"""

import asyncio
import json
import random
import sys
import time
from collections import Counter
from itertools import combinations
from urllib.parse import urlsplit

import uvloop

from services.load import percentile

PRODUCTS = ("101", "102", "103", "104", "105", "106", "107", "108")


def _requests(host: str) -> list[bytes]:
    """Every pair of products."""
    found = []
    for first, second in combinations(PRODUCTS, 2):
        items = [{"productId": first, "quantity": 1}, {"productId": second, "quantity": 2}]
        body = json.dumps({"userId": "1", "items": items}, separators=(",", ":")).encode()
        lines = ["POST /api/orders HTTP/1.1", f"Host: {host}", "Content-Type: application/json"]
        head = "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""])
        found.append(head.encode() + body)
    return found


async def _client(url: str, until: float, latencies: list[float], statuses: Counter[int]) -> None:
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    requests = _requests(parts.netloc)
    clock = time.perf_counter
    while (began := clock()) < until:
        writer.write(random.choice(requests))
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        at = head.index(b"content-length:") + 15
        await reader.readexactly(int(head[at : head.index(b"\r", at)]))
        latencies.append(clock() - began)
        statuses[int(head[9:12])] += 1
    writer.close()


async def _run(url: str, clients: int, seconds: float) -> dict[str, object]:
    latencies: list[float] = []
    statuses: Counter[int] = Counter()
    cpu, began = time.process_time(), time.perf_counter()
    await asyncio.gather(*(_client(url, began + seconds, latencies, statuses) for _ in range(clients)))
    took = time.perf_counter() - began
    return {
        "statuses": dict(statuses),
        "per_second": round(statuses[201] / took, 1),
        "p50_ms": round(percentile(latencies, 0.5) * 1000, 1),
        "p99_ms": round(percentile(latencies, 0.99) * 1000, 1),
        "client_cpu_s": round(time.process_time() - cpu, 2),
    }


if __name__ == "__main__":
    print(json.dumps(uvloop.run(_run(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))))
