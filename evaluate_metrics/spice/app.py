"""A page that computes SPICE on typed texts; run it from anywhere with `python app.py`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import evaluate
import gradio as gr

EXAMPLE = [
    ["Mara picks up a red cup.", "Mara lifts the red cup."],
    ["Mara picks up a red cup again.", "Otto dances in the park."],
]


def build() -> gr.Blocks:
    """Make the page: a table of prediction and reference, a button, the result."""
    metric = evaluate.load(str(Path(__file__).resolve().with_name("spice.py")))

    def compute(rows: list[list[str]], jars: str) -> dict[str, Any]:
        kept = [[str(cell or "") for cell in row] for row in rows if any(row)]
        if not kept:
            raise gr.Error("Type at least one row.")
        predictions, references = [row[0] for row in kept], [row[1] for row in kept]
        try:
            return metric.compute(
                predictions=predictions,
                references=references,
                jars=jars.strip() or None,
                per_item=True,
            )
        except ValueError as error:
            raise gr.Error(str(error)) from error

    with gr.Blocks(title="SPICE", analytics_enabled=False) as page:
        gr.Markdown("# SPICE\nNeeds Java 8 or 11 and the jars.")
        table = gr.Dataframe(EXAMPLE, headers=["prediction", "reference"], type="array", interactive=True)
        jars = gr.Textbox("", label="Folder of the jars (empty: the installed one)")
        button = gr.Button("Score", variant="primary")
        button.click(compute, [table, jars], gr.JSON(label="Result"))
    return page


if __name__ == "__main__":
    build().launch()
