"""A page that computes CRITIC on typed texts; run it from anywhere with `python app.py`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import evaluate
import gradio as gr

EXAMPLE = [
    ["Mara picks up a red cup.", "Mara lifts the red cup."],
    ["He drinks.", "She drinks."],
]


def build() -> gr.Blocks:
    """Make the page: a table of prediction and reference, a button, the result."""
    metric = evaluate.load(str(Path(__file__).resolve().with_name("critic.py")))

    def compute(rows: list[list[str]], cast: str) -> dict[str, Any]:
        kept = [[str(cell or "") for cell in row] for row in rows if any(row)]
        if not kept:
            raise gr.Error("Type at least one row.")
        predictions, references = [row[0] for row in kept], [row[1] for row in kept]
        names = {"film": [name.strip() for name in cast.split(",") if name.strip()]}
        try:
            return metric.compute(
                predictions=predictions,
                references=references,
                films=["film"] * len(kept),
                casts=names,
            )
        except ValueError as error:
            raise gr.Error(str(error)) from error

    with gr.Blocks(title="CRITIC", analytics_enabled=False) as page:
        gr.Markdown("# CRITIC\nOne film, rows in time order; pronouns are resolved by rules.")
        table = gr.Dataframe(EXAMPLE, headers=["prediction", "reference"], type="array", interactive=True)
        cast = gr.Textbox("Mara, Otto", label="Cast, separated by commas")
        button = gr.Button("Score", variant="primary")
        button.click(compute, [table, cast], gr.JSON(label="Result"))
    return page


if __name__ == "__main__":
    build().launch()
