"""Why the domain refuses something. Messages may be shown to the person who asked."""


class DomainError(Exception):
    """Base of every refusal."""


class NotFound(DomainError):
    """There is no such thing."""

    def __init__(self, kind: str, identifier: str) -> None:
        super().__init__(f"there is no {kind} {identifier}")
        self.kind, self.identifier = kind, identifier


class Conflict(DomainError):
    """The thing's state does not allow it."""


class Stale(DomainError):
    """The thing has changed since the version that the caller knows."""

    def __init__(self, what: str, version: int) -> None:
        super().__init__(f"{what} is at version {version} now")
        self.version = version


class InsufficientStock(Conflict):
    """Fewer pieces are free than asked for."""

    def __init__(self, product_id: str, wanted: int, available: int) -> None:
        super().__init__(f"product {product_id}: {wanted} asked for, {available} available")
        self.product_id, self.wanted, self.available = product_id, wanted, available


class Invalid(DomainError):
    """A value does not agree with the catalogue; ``field`` is its path in the request (``items[0].price``)."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field
