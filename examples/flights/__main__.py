"""`python -m examples.flights`: prepare the data of the example, or look at what it does."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import click

from examples.flights import data, exploring, serving, training
from monitoring_sdk.errors import MonitoringError

TRAINING_END = date(2013, 4, 1)
SERVING_END = date(2014, 1, 1)
# Where monitors/flights.yaml looks.
FOLDER = Path("data/flights")
DEMO = Path(".monitoring/demo")


@click.group()
def main() -> None:
    """The flights example: departures from New York in 2013, late or not."""


@main.command()
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=FOLDER,
    show_default=True,
    help="Folder for predictions, labels and the model.",
)
def prepare(out: Path) -> None:
    """Train on January to March and serve April to December at once."""
    flights = data.load_flights()
    past, future = exploring.split(flights, TRAINING_END)
    model = training.fit(past)
    training.publish(model, out / "model")
    days = serving.serve(model, future, out, TRAINING_END, SERVING_END)
    length = (SERVING_END - TRAINING_END).days
    with click.progressbar(days, length=length, label="serving") as progress:
        served = list(progress)
    rows = sum(day.predictions for day in served)
    labels = sum(day.labels for day in served)
    click.echo(f"{rows:,} predictions and {labels:,} labels of {len(served)} days are in {out}")


@main.command("demo")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=DEMO,
    show_default=True,
    help="Folder for everything; it is emptied first.",
)
def run_demo(out: Path) -> None:
    """Serve April to December day by day, watch each, and retrain when the monitor asks for it."""
    from examples.flights import demo

    try:
        click.echo(demo.run(out).text)
    except MonitoringError as error:
        raise click.ClickException(str(error)) from None


@main.command()
def weekly() -> None:
    """Print what the model of January to March, and one refitted monthly, do week by week."""
    flights = data.load_flights()
    click.echo(exploring.weekly(flights, TRAINING_END).to_string())


if __name__ == "__main__":
    main(prog_name="python -m examples.flights")
