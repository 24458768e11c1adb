"""The pages people open: the API's own, and those of the stack's other parts."""

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Final

import urllib3

from services.doctor.check import CannotLook, one_line
from services.doctor.containers import ContainerEngine
from services.doctor.findings import Finding, failing, left_out, ok, unknown
from services.doctor.place import Place

_TIMEOUT: Final = 5.0
_READY: Final = (("page", "/"), ("orders", "/readyz"), ("analytics", "/api/analytics/health"))
# role, port inside the container, a path that says whether it works
_PARTS: Final = (("prometheus", 9090, "/-/ready"), ("grafana", 3000, "/api/health"), ("kafka-ui", 8080, "/"))


class Dashboards:
    """The check. ``engine`` None: only the API is there."""

    name = "dashboards"
    seconds = 20.0

    def __init__(self, api: str, place: Place, engine: ContainerEngine | None) -> None:
        self._api, self._place, self._engine = api.rstrip("/"), place, engine

    def look(self) -> Iterable[Finding]:
        """One line a page."""
        yield self._pages()
        if self._engine is None:
            return
        try:
            ports = {container.role: container.ports for container in self._engine.containers()}
        except CannotLook as why:
            yield unknown("other dashboards", str(why))
            return
        for role, port, path in _PARTS:
            yield self._part(role, port, path, ports)

    def _pages(self) -> Finding:
        for what, path in _READY:
            why = _fault(self._api + path)
            if why:
                part = {"page": "api", "orders": "mysql", "analytics": "clickhouse"}[what]
                remedy = self._place.restart(part if self._place.kind == "stack" else "api")
                return failing("dashboard and API", f"{self._api}{path} {why}", remedy)
        return ok("dashboard and API", f"{self._api}/")

    def _part(self, role: str, port: int, path: str, ports: Mapping[str, Mapping[int, str]]) -> Finding:
        if role not in ports:
            return left_out(role, "not in this stack (the local image set has none)")
        address = ports[role].get(port)
        if address is None:
            return failing(role, "publishes no port: it does not run", self._place.restart(role))
        url = f"http://{address}"
        why = _fault(url + path)
        return failing(role, f"{url}{path} {why}", self._place.restart(role)) if why else ok(role, url)


def _fault(url: str) -> str:
    """What is wrong with the page, "" when it is answered with success."""
    try:
        status = urllib3.request("GET", url, timeout=_TIMEOUT, retries=False, redirect=True).status
    except urllib3.exceptions.HTTPError as away:
        return f"does not answer ({one_line(away, 120)})"
    return "" if HTTPStatus.OK <= status < HTTPStatus.BAD_REQUEST else f"answers {status}"
