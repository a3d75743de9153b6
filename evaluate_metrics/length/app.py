"""A page that computes Length on typed texts; run it from anywhere with `python app.py`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import evaluate
import gradio as gr

EXAMPLE = [
    ["Mara picks up a red cup.", "Mara lifts the red cup.", 2.5],
    ["Otto dances.", "Otto dances in the park.", 1.8],
]


def build() -> gr.Blocks:
    """Make the page: a table of prediction, reference and seconds, a button, the result."""
    metric = evaluate.load(str(Path(__file__).resolve().with_name("length.py")))

    def compute(rows: list[list[str]]) -> dict[str, Any]:
        kept = [[str(cell or "") for cell in row] for row in rows if any(row)]
        if not kept:
            raise gr.Error("Type at least one row.")
        predictions, references = [row[0] for row in kept], [row[1] for row in kept]
        try:
            return metric.compute(
                predictions=predictions,
                references=references,
                durations_s=[float(row[2] or 0) for row in kept],
            )
        except ValueError as error:
            raise gr.Error(str(error)) from error

    with gr.Blocks(title="Length", analytics_enabled=False) as page:
        gr.Markdown("# Length\nSeconds: the length of each interval.")
        table = gr.Dataframe(EXAMPLE, headers=["prediction", "reference", "seconds"], type="array", interactive=True)
        button = gr.Button("Score", variant="primary")
        button.click(compute, table, gr.JSON(label="Result"))
    return page


if __name__ == "__main__":
    build().launch()
