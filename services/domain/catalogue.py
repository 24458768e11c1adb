"""Putting users and products with their stock into an empty or partly filled database."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.engine import Connection, Engine
from uuid_utils import uuid7

from services.clients.database import write
from services.domain.tables import inventory, products, users
from services.settings import PROJECT_ROOT

DEMO_CATALOGUE = PROJECT_ROOT / "data" / "catalogue.json"


class _User(BaseModel):
    model_config = ConfigDict(extra="forbid")
    id: str
    email: str
    name: str


class _Product(BaseModel):
    model_config = ConfigDict(extra="forbid")
    id: str
    name: str
    price: Decimal = Field(ge=0, decimal_places=2)
    stock: int = Field(ge=0)


class Catalogue(BaseModel):
    """The form of ``data/catalogue.json``."""

    model_config = ConfigDict(extra="forbid")
    users: list[_User]
    products: list[_Product]


def load_catalogue(engine: Engine, file: Path = DEMO_CATALOGUE) -> int:
    """Adds the users and products that are not there yet; what is there stays as it is. Returns how many it added."""
    catalogue = Catalogue.model_validate_json(file.read_bytes())

    def work(connection: Connection) -> int:
        now = datetime.now(UTC)
        added_users = _missing(connection, users.c.id, [user.model_dump() for user in catalogue.users])
        added = _missing(connection, products.c.id, [product.model_dump() for product in catalogue.products])
        if added_users:
            connection.execute(sa.insert(users), [{**user, "created_at": now} for user in added_users])
        if added:
            connection.execute(
                sa.insert(products),
                [{"id": row["id"], "name": row["name"], "price": row["price"], "created_at": now} for row in added],
            )
            connection.execute(
                sa.insert(inventory),
                [
                    {
                        "id": str(uuid7()),
                        "product_id": row["id"],
                        "quantity": row["stock"],
                        "reserved": 0,
                        "version": 1,
                    }
                    for row in added
                ],
            )
        return len(added_users) + len(added)

    return write(engine, work)


def _missing(
    connection: Connection, key: sa.Column[str], rows: Sequence[Mapping[str, object]]
) -> list[Mapping[str, object]]:
    known = set(connection.scalars(sa.select(key).where(key.in_([row["id"] for row in rows]))))
    return [row for row in rows if row["id"] not in known]
