"""Column types and database-side expressions that mean the same in MySQL and SQLite.

MySQL keeps DECIMAL and DATETIME(6); SQLite sums NUMERIC as floats and has no time type, so there money is integer
cents and a time is text of 26 characters, both of which compare and add exactly.
"""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import BigInteger, DateTime, Dialect, Integer, Numeric, String, literal
from sqlalchemy.dialects import mysql
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.expression import ColumnElement, FunctionElement
from sqlalchemy.types import TypeDecorator, TypeEngine

CENT = Decimal("0.01")
SHARDS = 64


class Money(TypeDecorator[Decimal]):
    """Two exact decimal places: DECIMAL(18,2) on MySQL, integer cents on SQLite."""

    impl = Numeric
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(BigInteger() if dialect.name == "sqlite" else Numeric(18, 2))

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> Decimal | int | None:
        if value is None:
            return None
        if value != value.quantize(CENT):
            raise ValueError(f"money has two decimal places: {value}")
        return int(value * 100) if dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:
        if value is None:
            return None
        return Decimal(value).scaleb(-2).quantize(CENT) if dialect.name == "sqlite" else Decimal(value)


class UtcTime(TypeDecorator[datetime]):
    """An aware UTC datetime with microseconds, stored without its zone."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(mysql.DATETIME(fsp=6) if dialect.name == "mysql" else DateTime())

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
        return moment.replace(tzinfo=UTC)


def identifier(length: int = 36) -> TypeEngine[str]:
    """A key that compares byte by byte, trailing spaces included."""
    return String(length).with_variant(mysql.VARCHAR(length, charset="utf8mb4", collation="utf8mb4_0900_bin"), "mysql")


def big_serial() -> TypeEngine[int]:
    """An auto-incremented key; SQLite increments INTEGER keys only."""
    return BigInteger().with_variant(Integer(), "sqlite")


class utc_now(FunctionElement[datetime]):  # noqa: N801 - reads as the SQL function it is
    """The database's clock: UTC, microseconds on MySQL, milliseconds on SQLite."""

    type = UtcTime()
    inherit_cache = True


class utc_after(FunctionElement[datetime]):  # noqa: N801
    """So many whole seconds later, by the database's clock."""

    type = UtcTime()
    inherit_cache = True

    def __init__(self, seconds: int) -> None:
        super().__init__(literal(seconds, Integer))


class utc_today(FunctionElement[Any]):  # noqa: N801
    """The database's UTC day, for rows inserted by hand."""

    inherit_cache = True


class random_id(FunctionElement[str]):  # noqa: N801
    """A unique id made by the database, for rows inserted by hand."""

    inherit_cache = True


class outbox_topic(FunctionElement[str]):  # noqa: N801
    """lower(aggregate_type) + '.events'."""

    inherit_cache = True


class outbox_shard(FunctionElement[int]):  # noqa: N801
    """0 to SHARDS-1 from the aggregate id: all events of an aggregate are in one shard."""

    inherit_cache = True


class cents(FunctionElement[int]):  # noqa: N801
    """An amount as whole cents, the same integer in both databases."""

    inherit_cache = True

    def __init__(self, amount: ColumnElement[Any]) -> None:
        super().__init__(amount)


class json_array_of(FunctionElement[str]):  # noqa: N801
    """The values of a column as the text of a JSON array, in no particular order."""

    inherit_cache = True

    def __init__(self, column: ColumnElement[Any]) -> None:
        super().__init__(column)


@compiles(json_array_of, "mysql")
def _(element: json_array_of, compiler: SQLCompiler, **kw: Any) -> str:
    return f"JSON_ARRAYAGG({compiler.process(element.clauses, **kw)})"


@compiles(json_array_of, "sqlite")
def _(element: json_array_of, compiler: SQLCompiler, **kw: Any) -> str:
    return f"json_group_array({compiler.process(element.clauses, **kw)})"


@compiles(utc_now, "mysql")
def _(element: utc_now, compiler: SQLCompiler, **kw: Any) -> str:
    return "(UTC_TIMESTAMP(6))"


@compiles(utc_now, "sqlite")
def _(element: utc_now, compiler: SQLCompiler, **kw: Any) -> str:
    return "(strftime('%Y-%m-%d %H:%M:%f000', 'now'))"


@compiles(utc_after, "mysql")
def _(element: utc_after, compiler: SQLCompiler, **kw: Any) -> str:
    return f"(UTC_TIMESTAMP(6) + INTERVAL {compiler.process(element.clauses, **kw)} SECOND)"


@compiles(utc_after, "sqlite")
def _(element: utc_after, compiler: SQLCompiler, **kw: Any) -> str:
    return f"(strftime('%Y-%m-%d %H:%M:%f000', 'now', {compiler.process(element.clauses, **kw)} || ' seconds'))"


@compiles(utc_today, "mysql")
def _(element: utc_today, compiler: SQLCompiler, **kw: Any) -> str:
    return "(UTC_DATE())"


@compiles(utc_today, "sqlite")
def _(element: utc_today, compiler: SQLCompiler, **kw: Any) -> str:
    return "(date('now'))"


@compiles(random_id, "mysql")
def _(element: random_id, compiler: SQLCompiler, **kw: Any) -> str:
    return "(UUID())"


@compiles(random_id, "sqlite")
def _(element: random_id, compiler: SQLCompiler, **kw: Any) -> str:
    return "(lower(hex(randomblob(16))))"


@compiles(outbox_topic, "mysql")
def _(element: outbox_topic, compiler: SQLCompiler, **kw: Any) -> str:
    return "CONCAT(LOWER(aggregate_type), '.events')"


@compiles(outbox_topic, "sqlite")
def _(element: outbox_topic, compiler: SQLCompiler, **kw: Any) -> str:
    return "lower(aggregate_type) || '.events'"


@compiles(outbox_shard, "mysql")
def _(element: outbox_shard, compiler: SQLCompiler, **kw: Any) -> str:
    return f"MOD(CRC32(aggregate_id), {SHARDS})"  # the driver takes % for a parameter


@compiles(outbox_shard, "sqlite")
def _(element: outbox_shard, compiler: SQLCompiler, **kw: Any) -> str:
    # SQLite has no hash function of its own; the last characters of an id are its most random ones
    return (
        "(coalesce(unicode(substr(aggregate_id, -1)), 0) * 31"
        f" + coalesce(unicode(substr(aggregate_id, -2, 1)), 0) * 7) % {SHARDS}"
    )


@compiles(cents, "mysql")
def _(element: cents, compiler: SQLCompiler, **kw: Any) -> str:
    return f"CAST({compiler.process(element.clauses, **kw)} * 100 AS SIGNED)"


@compiles(cents, "sqlite")
def _(element: cents, compiler: SQLCompiler, **kw: Any) -> str:
    return compiler.process(element.clauses, **kw)
