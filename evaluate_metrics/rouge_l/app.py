"""A page that computes ROUGE-L on typed texts; run it from anywhere with `python app.py`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import evaluate
import gradio as gr

EXAMPLE = [["Mara picks up a red cup.", "Mara lifts the red cup."], ["Otto dances.", "Otto dances in the park."]]


def build() -> gr.Blocks:
    """Make the page: a table of prediction and reference, a button, the result."""
    metric = evaluate.load(str(Path(__file__).resolve().with_name("rouge_l.py")))

    def compute(rows: list[list[str]]) -> dict[str, Any]:
        kept = [[str(cell or "") for cell in row] for row in rows if any(row)]
        if not kept:
            raise gr.Error("Type at least one reference.")
        return metric.compute(predictions=[row[0] for row in kept], references=[row[1] for row in kept], per_item=True)

    with gr.Blocks(title="ROUGE-L", analytics_enabled=False) as page:
        gr.Markdown("# ROUGE-L\nThe longest common subsequence of words, as an F-measure (beta 1.2).")
        table = gr.Dataframe(EXAMPLE, headers=["prediction", "reference"], type="array", interactive=True)
        button = gr.Button("Score", variant="primary")
        button.click(compute, table, gr.JSON(label="Result"))
    return page


if __name__ == "__main__":
    build().launch()
