"""A page that computes R@k/N on typed texts; run it from anywhere with `python app.py`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import evaluate
import gradio as gr

EXAMPLE = [
    ["Mara picks up a red cup.", "Mara lifts the red cup."],
    ["Otto dances.", "Otto twirls around in the park."],
    ["He opens the door.", "Nadia waves."],
    ["Nadia waves at him.", "Otto opens a door."],
]


def build() -> gr.Blocks:
    """Make the page: a table of prediction and reference in film order, the encoder, k and N, the result."""
    metric = evaluate.load(str(Path(__file__).resolve().with_name("recall_at_k_within_n.py")))

    def compute(rows: list[list[str]], encoder: str, layer: float, k: float, n: float, protocol: str) -> dict[str, Any]:
        kept = [[str(cell or "") for cell in row] for row in rows if any(row)]
        predictions, references = [row[0] for row in kept], [row[1] for row in kept]
        options = {"encoder": encoder.strip(), "layer": int(layer), "k": int(k), "n": int(n), "protocol": protocol}
        try:
            return metric.compute(predictions=predictions, references=references, **options)
        except ValueError as error:
            raise gr.Error(str(error)) from error

    with gr.Blocks(title="R@k/N", analytics_enabled=False) as page:
        gr.Markdown("# R@k/N\nOne film, rows in time order. Is each prediction nearest to its own reference?")
        table = gr.Dataframe(EXAMPLE, headers=["prediction", "reference"], type="array", interactive=True)
        with gr.Row():
            encoder = gr.Textbox("roberta-large", label="Encoder (Hub id or folder)")
            layer = gr.Number(17, label="Layer", precision=0)
            k = gr.Number(1, label="k", precision=0)
            n = gr.Number(3, label="N", precision=0)
            protocol = gr.Radio(["full", "autoad"], value="full", label="Protocol")
        button = gr.Button("Score", variant="primary")
        button.click(compute, [table, encoder, layer, k, n, protocol], gr.JSON(label="Result"))
    return page


if __name__ == "__main__":
    build().launch()
