"""A page that computes Action score on typed texts; run it from anywhere with `python app.py`."""

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
    metric = evaluate.load(str(Path(__file__).resolve().with_name("action_score.py")))

    def compute(rows: list[list[str]], encoder: str) -> dict[str, Any]:
        kept = [[str(cell or "") for cell in row] for row in rows if any(row)]
        if not kept:
            raise gr.Error("Type at least one row.")
        predictions, references = [row[0] for row in kept], [row[1] for row in kept]
        try:
            return metric.compute(
                predictions=predictions,
                references=references,
                encoder=encoder.strip(),
            )
        except ValueError as error:
            raise gr.Error(str(error)) from error

    with gr.Blocks(title="Action score", analytics_enabled=False) as page:
        gr.Markdown("# Action score\nEach reference is its own one action.")
        table = gr.Dataframe(EXAMPLE, headers=["prediction", "reference"], type="array", interactive=True)
        encoder = gr.Textbox("sentence-transformers/all-MiniLM-L6-v2", label="Sentence encoder (Hub id or folder)")
        button = gr.Button("Score", variant="primary")
        button.click(compute, [table, encoder], gr.JSON(label="Result"))
    return page


if __name__ == "__main__":
    build().launch()
