"""A page that reads the slots of typed texts and scores them; run it from anywhere with `python app.py`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import evaluate
import gradio as gr

HEADERS = ["prediction", "truth's text", "character", "action", "object", "colour"]
EXAMPLE = [
    ["Mara picks up a scarlet mug.", "Mara picks up the red cup.", "Mara", "pick_up", "cup", "red"],
    ["Otto waves.", "Otto claps.", "Otto", "clap", "", ""],
]


def build() -> gr.Blocks:
    """Make the page: a table of predictions and truths of one film, its cast, the result."""
    metric = evaluate.load(str(Path(__file__).resolve().with_name("slot_accuracy.py")))

    def compute(rows: list[list[str]], cast: str) -> dict[str, Any]:
        kept = [[str(cell or "").strip() for cell in row] for row in rows if any(row)]
        truths = [dict(zip(("text", "character", "action", "object", "colour"), row[1:], strict=True)) for row in kept]
        names = [name.strip() for name in cast.split(",") if name.strip()]
        try:
            return metric.compute(
                predictions=[row[0] for row in kept],
                references=[{"film": "typed", **truth} for truth in truths],
                casts={"typed": names},
            )
        except ValueError as error:
            raise gr.Error(str(error)) from error

    with gr.Blocks(title="Slot accuracy", analytics_enabled=False) as page:
        gr.Markdown(
            "# Slot accuracy\nWho, doing what, with what, of which colour, read by the published synonym table."
        )
        table = gr.Dataframe(EXAMPLE, headers=HEADERS, type="array", interactive=True)
        cast = gr.Textbox("Mara, Otto, Nadia", label="Cast, separated by commas")
        button = gr.Button("Score", variant="primary")
        button.click(compute, [table, cast], gr.JSON(label="Result"))
    return page


if __name__ == "__main__":
    build().launch()
