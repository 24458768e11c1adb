"""``millrace``: the commands in the order a person meets them."""

import typer

from services.cli import admin, data, demo, doctor, load, processes, provision, show

app = typer.Typer(
    name="millrace",
    help="Every committed order on the analytics dashboards, exactly, within two seconds.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=(
        "Examples:\n\n"
        "  millrace demo                                      the whole pipeline on this machine\n\n"
        "  millrace replay data/cdnow_master.txt.gz           69,659 old purchases through all of it\n\n"
        "  millrace load --rate 200 --count 5000              new ones, with latencies and freshness\n\n"
        "  millrace verify --json                             database, ClickHouse and views: the same?\n\n"
        '  millrace sql "SELECT * FROM daily_sales_mv"        ask ClickHouse'
    ),
)
demo.register(app)
data.register(app)
load.register(app)
doctor.register(app)
admin.register(app)
provision.register(app)
show.register(app)
processes.register(app)


def main() -> None:
    """The entry point of the ``millrace`` script."""
    app()
