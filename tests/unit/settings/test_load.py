"""Settings: precedence of sources, the original's forms, and one-line faults that name the setting."""

from pathlib import Path

import pytest

from services.settings import (
    AnalyticsReaderSettings,
    ApiSettings,
    BusinessSettings,
    ClickHouseSettings,
    DatabaseSettings,
    Group,
    KafkaSettings,
    RelaySettings,
    SettingsError,
    StackSettings,
    describe,
    load,
)

ORIGINAL_ENV = """
PORT=3000
MYSQL_HOST=db.local
MYSQL_PORT=3307
MYSQL_USER=admin
MYSQL_PASSWORD=s3cret
MYSQL_DATABASE=ecommerce
KAFKA_BROKERS=localhost:19092,localhost:19093,localhost:19094
KAFKA_CLIENT_ID=ecommerce-backend
KAFKA_CONSUMER_GROUP_ID=order-event-transformer
CLICKHOUSE_HOST=http://localhost:8123
CLICKHOUSE_USER=admin
CLICKHOUSE_PASSWORD=s3cret
CLICKHOUSE_DATABASE=analytics
OUTBOX_BATCH_SIZE=100
OUTBOX_POLLING_INTERVAL=*/5 * * * * *  # every 5 s
"""


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for row in describe():
        monkeypatch.delenv(row.name, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MILLRACE_DEMO_DATA", str(tmp_path / "demo"))
    monkeypatch.setenv("MILLRACE_STACK_DATA", str(tmp_path / "stack"))


def test_the_originals_env_file_is_understood(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(ORIGINAL_ENV)
    database = load(DatabaseSettings)
    assert (database.mysql_host, database.mysql_port, database.mysql_database) == ("db.local", 3307, "ecommerce")
    assert database.mysql_password is not None
    assert database.mysql_password.get_secret_value() == "s3cret"
    assert load(RelaySettings).outbox_polling_interval == 5.0
    assert load(RelaySettings).outbox_batch_size == 100
    assert load(ClickHouseSettings).url == "http://localhost:8123"
    assert load(KafkaSettings).kafka_brokers.count(",") == 2


def test_the_environment_is_stronger_than_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PORT=4000\n")
    assert load(ApiSettings).port == 4000
    monkeypatch.setenv("PORT", "5000")
    assert load(ApiSettings).port == 5000
    assert next(row for row in describe() if row.name == "PORT").source == "environment"


def test_a_running_demo_is_found_where_nothing_else_names_a_database(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "millrace.env").write_text("DATABASE_URL='sqlite:///demo.db'\nPORT='3999'\n")
    assert load(DatabaseSettings).database_url == "sqlite:///demo.db"
    assert load(ApiSettings).port == 3999
    monkeypatch.setenv("MYSQL_HOST", "elsewhere")
    assert load(ApiSettings).port == 3000, "half of one installation and half of another"


def test_a_stack_is_found_where_no_demo_runs_and_nothing_else_names_a_database(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "stack").mkdir()
    (tmp_path / "stack" / "millrace.env").write_text(
        "MYSQL_PASSWORD='s3cret'\nMYSQL_PORT='3307'\nMILLRACE_SINK='connect'\n"
    )
    assert load(DatabaseSettings).mysql_port == 3307
    assert load(StackSettings).stack_sink == "connect"
    assert next(row for row in describe() if row.name == "MYSQL_PORT").source == "stack (millrace.env)"
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "millrace.env").write_text("DATABASE_URL='sqlite:///demo.db'\n")
    assert load(StackSettings).stack_sink is None, "half of the demo and half of the stack"
    (tmp_path / "demo" / "millrace.env").unlink()
    (tmp_path / ".env").write_text("MYSQL_HOST=elsewhere\n")
    assert load(StackSettings).stack_sink is None, "half of .env and half of the stack"


def test_the_installation_that_is_meant_is_read_whatever_else_is_there(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "millrace.env").write_text("MILLRACE_SINK='connect'\n")
    (tmp_path / ".env").write_text("MYSQL_HOST=elsewhere\n")
    meant = tmp_path / "meant.env"
    assert load(StackSettings, meant).stack_sink is None, "there is none yet"
    meant.write_text("MILLRACE_SINK='python'\nMILLRACE_STACK_PREFIX='blue-'\n")
    assert (load(StackSettings, meant).stack_sink, load(StackSettings, meant).stack_label) == ("python", "blue-")
    monkeypatch.setenv("MILLRACE_STACK_PREFIX", "green-")
    assert load(StackSettings, meant).stack_label == "green-", "the environment is the strongest"


def test_the_folder_of_the_stack_can_be_named_in_the_env_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("MILLRACE_STACK_DATA")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "millrace.env").write_text("MILLRACE_STACK_PREFIX='blue-'\n")
    (tmp_path / ".env").write_text(f"MILLRACE_STACK_DATA={tmp_path / 'elsewhere'}\n")
    assert load(StackSettings).stack_label == "blue-"


def test_a_stack_has_a_label_with_and_without_a_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load(StackSettings).stack_label == "millrace"
    monkeypatch.setenv("MILLRACE_STACK_PREFIX", "blue-")
    assert load(StackSettings).stack_label == "blue-"


def test_names_that_mean_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLICKHOUSE_USERNAME", "someone")
    monkeypatch.setenv("CLICKHOUSE_PASSWORD", "x")
    monkeypatch.setenv("CLICKHOUSE_HOST", "ch.local")
    monkeypatch.setenv("CLICKHOUSE_PORT", "8124")
    settings = load(AnalyticsReaderSettings)
    assert (settings.clickhouse_user, settings.url) == ("someone", "http://ch.local:8124")
    assert settings.reader == ("someone", "x")
    monkeypatch.setenv("CLICKHOUSE_SECURE", "true")
    assert load(ClickHouseSettings).url == "https://ch.local:8124"


@pytest.mark.parametrize(
    ("group", "name", "value", "says"),
    [
        (ApiSettings, "PORT", "99999", "PORT"),
        (ApiSettings, "PORT", "a", "PORT"),
        (ApiSettings, "MILLRACE_ADMIN_TOKEN", "short", "MILLRACE_ADMIN_TOKEN"),
        (BusinessSettings, "BUSINESS_TIMEZONE", "Mars/Olympus", "BUSINESS_TIMEZONE is not an IANA time zone"),
        (RelaySettings, "OUTBOX_POLLING_INTERVAL", "every day", "OUTBOX_POLLING_INTERVAL"),
        (RelaySettings, "OUTBOX_POLLING_INTERVAL", "nan", "OUTBOX_POLLING_INTERVAL"),
        (RelaySettings, "OUTBOX_BATCH_SIZE", "0", "OUTBOX_BATCH_SIZE"),
        (KafkaSettings, "KAFKA_BROKERS", " , ", "KAFKA_BROKERS names no host:port"),
        (KafkaSettings, "KAFKA_SECURITY_PROTOCOL", "SASL_SSL", "KAFKA_SECURITY_SASL_MECHANISM"),
        (ClickHouseSettings, "CLICKHOUSE_HOST", "ftp://x", "CLICKHOUSE_HOST"),
    ],
)
def test_a_malformed_value_is_one_line_that_names_it(
    monkeypatch: pytest.MonkeyPatch, group: type[Group], name: str, value: str, says: str
) -> None:
    monkeypatch.setenv("CLICKHOUSE_PASSWORD", "x")
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as fault:
        load(group)
    assert says in str(fault.value)
    assert "\n" not in str(fault.value)


def test_a_missing_password_is_named_and_has_no_default() -> None:
    with pytest.raises(SettingsError, match="MYSQL_PASSWORD is not set"):
        load(DatabaseSettings)
    with pytest.raises(SettingsError, match="CLICKHOUSE_PASSWORD is not set"):
        load(ClickHouseSettings)


def test_secrets_are_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MYSQL_PASSWORD", "CLICKHOUSE_PASSWORD", "MILLRACE_ADMIN_TOKEN", "KAFKA_SECURITY_SASL_PASSWORD"):
        monkeypatch.setenv(name, "verysecretvalue")
    assert "verysecretvalue" not in str([vars(row) for row in describe()])
    monkeypatch.setenv("MILLRACE_ADMIN_TOKEN", "tooshort")
    with pytest.raises(SettingsError) as fault:
        load(ApiSettings)
    assert "tooshort" not in str(fault.value)


def test_every_setting_has_a_meaning() -> None:
    assert [row.name for row in describe() if not row.meaning] == []
    names = [row.name for row in describe()]
    assert len(names) == len(set(names))
