"""From the privileges an account has to those it should have, by statements that name only the difference."""

from sqlalchemy.dialects import mysql

from services.provision.privileges import GRANT_OPTION, Privilege, statements
from services.provision.rights import ACCOUNTS, Account, Right

ACCOUNT = Account(
    "api",
    (
        Right("orders", ("SELECT", "INSERT")),
        Right("orders", ("UPDATE",), ("status", "version")),
        Right("", ("PROCESS",)),
    ),
)
WANTED = ACCOUNT.privileges("shop")


def _sql(has: frozenset[Privilege]) -> list[str]:
    return [str(statement.compile(dialect=mysql.dialect())) for statement in statements("api", has, WANTED)]


def test_a_new_account_is_granted_everything() -> None:
    assert _sql(frozenset()) == [
        "GRANT PROCESS ON *.* TO `api`@`%%`",
        "GRANT INSERT, SELECT ON `shop`.`orders` TO `api`@`%%`",
        "GRANT UPDATE (`status`, `version`) ON `shop`.`orders` TO `api`@`%%`",
    ]


def test_an_account_that_has_it_all_is_left_alone() -> None:
    assert _sql(WANTED) == []


def test_only_the_difference_is_said_and_granting_comes_first() -> None:
    """An account in use has at no moment less than it needs."""
    has = (WANTED - {Privilege("shop", "orders", "version", "UPDATE")}) | {
        Privilege("shop", "orders", "total_amount", "UPDATE"),
        Privilege("shop", "orders", "", "DELETE"),
        Privilege("shop", "", "", "DROP"),
        Privilege("mysql", "user", "", "SELECT"),
        Privilege("", "", "", GRANT_OPTION),
    }
    assert _sql(has) == [
        "GRANT UPDATE (`version`) ON `shop`.`orders` TO `api`@`%%`",
        "REVOKE GRANT OPTION ON *.* FROM `api`@`%%`",
        "REVOKE SELECT ON `mysql`.`user` FROM `api`@`%%`",
        "REVOKE DROP ON `shop`.* FROM `api`@`%%`",
        "REVOKE DELETE ON `shop`.`orders` FROM `api`@`%%`",
        "REVOKE UPDATE (`total_amount`) ON `shop`.`orders` FROM `api`@`%%`",
    ]


def test_names_are_quoted() -> None:
    odd = frozenset({Privilege("a`b", "c%d", "", "SELECT")})
    (statement,) = statements("x`y", frozenset(), odd)
    assert str(statement.compile(dialect=mysql.dialect())) == "GRANT SELECT ON `a``b`.`c%%d` TO `x``y`@`%%`"


def test_a_statement_in_words() -> None:
    assert [str(statement) for statement in statements("api", frozenset(), WANTED)] == [
        "PROCESS on the server",
        "INSERT, SELECT on shop.orders",
        "UPDATE (status, version) on shop.orders",
    ]


def test_no_account_can_change_the_schema_or_pass_on_rights() -> None:
    actions = {privilege.action for account in ACCOUNTS for privilege in account.privileges("shop")}
    assert actions == {
        "SELECT",
        "INSERT",
        "UPDATE",
        "DELETE",
        "REPLICATION SLAVE",
        "REPLICATION CLIENT",
        "FLUSH_TABLES",
    }
    deleting = {
        (account.name, right.table) for account in ACCOUNTS for right in account.rights if "DELETE" in right.actions
    }
    assert deleting == {("relay", "outbox"), ("api", "idempotency_keys")}, "delivered events, and answers a day old"
