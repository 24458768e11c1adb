"""``millrace doctor``."""

from typing import TYPE_CHECKING, Annotated

import typer

from services.cli.console import err, one_line_errors, out

if TYPE_CHECKING:
    from services.doctor import Report


def register(app: typer.Typer) -> None:
    """Adds the command to the app."""
    app.command("doctor", rich_help_panel="Operate")(doctor)


def doctor(
    wait: Annotated[float, typer.Option(help="seconds to wait for everything to be well", min=0)] = 0.0,
    probe: Annotated[bool, typer.Option(help="follow an order told anew into the views")] = True,
    json_output: Annotated[bool, typer.Option("--json", help="print the report as JSON")] = False,
) -> None:
    """Is every part well? Containers, topics, connectors, schemas, what waits, and how fresh the views are.

    Each line that fails comes with what to do. The probe adds one event: the newest order's state, unchanged, with a
    higher version. Exit code 0: all is well; 1: something is failing; 2: it cannot tell.

    Example: millrace doctor --wait 60
    """
    with one_line_errors():
        from services import doctor as services_doctor

        report = services_doctor.diagnose(wait, probe, _tell)
        if json_output:
            print(report.to_json())
        else:
            services_doctor.render(report, out)
    raise typer.Exit(report.exit_code)


def _tell(report: "Report") -> None:
    from services.doctor import amiss

    names = ", ".join(finding.subject for finding in amiss(report))
    err.print(f"not well yet after {report.seconds:.0f} s: {names}", markup=False, soft_wrap=True)
