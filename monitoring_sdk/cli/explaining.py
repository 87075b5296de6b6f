"""`monitoring explain`: why a window paged, or did not."""

from __future__ import annotations

from pathlib import Path

import click

from monitoring_sdk.cli.options import common, emit, moment, monitor_file


@click.command()
@monitor_file
@click.option("--window-end", metavar="T", required=True, help="The window that ends here.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="The chart's folder.")
@common
def explain(file: Path, window_end: str, out: Path | None, as_json: bool) -> None:
    """Say in words, and in one chart, why a window paged or did not."""
    from monitoring_sdk.adapters.store import open_existing
    from monitoring_sdk.config import load_config
    from monitoring_sdk.render.explain import explain_chart, explain_text
    from monitoring_sdk.render.numbers import window_words
    from monitoring_sdk.render.vega import svg
    from monitoring_sdk.stages.explaining import explain_window, save_chart
    from monitoring_sdk.stages.publish import reports_root

    config = load_config(file)
    window = config.cadence.ending(moment(window_end, config))
    found = explain_window(config, window, open_existing())
    document = found.to_dict()
    title = f"{config.model}: how near to a page"
    spans = [(i.opened, i.closed or window.end) for i in found.incidents]
    chart = explain_chart(document["scores"], window, spans, title=title)
    path = None
    if chart is not None:
        said = f"{title}, up to {window_words(window, config.window.timezone)}"
        path = save_chart(svg(chart, said), config, window, out or reports_root())
    document["chart"] = None if path is None else str(path)
    emit(document, as_json, explain_text(document, config.window.timezone))
