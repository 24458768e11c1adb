"""Steps of a migration that can be taken again.

MySQL commits every DDL statement by itself, so a migration that was cut short leaves some of its tables behind and no
revision: the next run begins it anew and must step over what is there.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op


def create_table(
    name: str, *parts: sa.schema.SchemaItem, indexes: Mapping[str, Sequence[str]] | None = None, **options: Any
) -> None:
    """As ``op.create_table``, for a table and those of its ``indexes`` (name to columns) that are not there yet."""
    if not sa.inspect(op.get_bind()).has_table(name):
        op.create_table(name, *parts, **options)
    _create_indexes(name, indexes)


def add_columns(table: str, *columns: sa.Column[Any], indexes: Mapping[str, Sequence[str]] | None = None) -> None:
    """Adds those of the columns and ``indexes`` (name to columns) that the table does not have yet."""
    known = {column["name"] for column in sa.inspect(op.get_bind()).get_columns(table)}
    for column in columns:
        if column.name not in known:
            op.add_column(table, column)
    _create_indexes(table, indexes)


def _create_indexes(name: str, indexes: Mapping[str, Sequence[str]] | None) -> None:
    known = {index["name"] for index in sa.inspect(op.get_bind()).get_indexes(name)}
    for index, columns in (indexes or {}).items():
        if index not in known:
            op.create_index(index, name, list(columns))
