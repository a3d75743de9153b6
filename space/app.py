"""The Space: `python space/app.py` serves it from a clone, without a network; `README.md` here is its front matter.

The page is built here; what its buttons do is in `desk.py`, the editor in `editor.html`, `.css` and `.js`.
"""

from __future__ import annotations

import json
import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

# Set before gradio and the Hub's library are imported: nothing is reported, looked up or downloaded.
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # started as a file, from a clone that is not installed

import gradio as gr  # noqa: E402
from starlette.middleware import Middleware  # noqa: E402

from distinctad.exports import REVIEW  # noqa: E402
from distinctad.review import closed_class  # noqa: E402
from space.claims import BoundedBodies, fetch_nothing  # noqa: E402
from space.desk import SCRIPT_SUFFIXES, Desk, voice_name  # noqa: E402
from space.examples import SEEDS  # noqa: E402
from space.limits import CAST_SUFFIXES, FILM_SUFFIXES, SUBTITLE_SUFFIXES, Limits  # noqa: E402
from space.visits import Visits  # noqa: E402

HERE = Path(__file__).resolve().parent
INTRODUCTION = """
# DistinctAD: drafts of audio description

Upload a film; get a draft of its audio description, fitted to the gaps in its dialogue, that says what is new in each
clip. Then check, edit and export it. **Every text is {review}.** The voices are synthetic.

What it cannot do: the model of this page knows the project's drawn films only and **nothing of real films**; it may
invent people and things, and names only those whose portraits you give. {voice}

Your film goes to this server, is deleted when you close or reload this page, at the latest after {minutes} minutes, and
is kept nowhere else. Your script and your edits stay in this browser.
"""
SCRIPTS = (
    "page.js", "editor_words.js", "editor_judge.js", "editor_new.js", "editor_kept.js", "editor_row.js",
    "editor_scripts.js", "editor_arrivals.js", "editor_files.js", "editor_keys.js", "editor_film.js", "editor.js",
)  # fmt: skip
TAKE = "() => { window.distinctad.making('Making the text files…'); return [window.distinctad.take()]; }"
TAKE_ALL = (
    "(work, film, duck) => { window.distinctad.making('Making all files: this takes minutes…'); "
    "return [window.distinctad.take(), film, duck]; }"
)
MADE = "() => { window.distinctad.made(); window.distinctad.making('', 'The files are there, below their buttons.'); }"
NOT_MADE = "() => { window.distinctad.making('', 'No files were made.'); }"
OPEN = "(work) => { window.distinctad.open(work); }"
# The film's names: the visitor's, and the one under which the server keeps and describes it.
SHOW_FILM = (
    "(film) => { window.distinctad.film(film ? film.url : '', "
    "film ? [film.orig_name, (film.path || '').split(/[\\\\/]/).pop()] : []); }"
)


def build(desk: Desk) -> gr.Blocks:
    """Make the page.

    Args:
        desk: what its buttons do.

    Returns:
        The page; `launch` serves it.
    """
    limits = desk.limits
    swept = (60, limits.kept_s)
    with gr.Blocks(title="DistinctAD", analytics_enabled=False, delete_cache=swept) as page:
        gr.Markdown(_introduction(limits))
        film, subtitles, cast, naming = _inputs()
        with gr.Row():
            describe = gr.Button("Describe the film", variant="primary", elem_id="describe")
            plan = gr.Button("Find the gaps only", elem_id="plan")
            examples = [gr.Button(f"Example {number}") for number in range(1, len(SEEDS) + 1)]
        status = gr.HTML("", elem_id="status", js_on_load="element.setAttribute('role', 'status');")
        work = gr.JSON(visible=False)
        gr.HTML((HERE / "editor.html").read_text(encoding="utf-8"), apply_default_css=False, js_on_load="")
        _exports(desk, work, film)
        _others(desk, work, status)
        drafted = describe.click(
            desk.describe_film,
            [film, subtitles, cast, naming],
            [work, status],
            api_name="describe_film",
            concurrency_limit=1,
            concurrency_id="model",
        )
        drafted.success(None, work, None, js=OPEN)
        planned = gr.JSON(visible=False)
        plan.click(desk.plan_film, [film, subtitles], [planned, status], api_name="plan_film", concurrency_limit=2)
        _offer(desk, examples, [film, subtitles, cast])
        for given in (film, subtitles, cast):
            given.upload(desk.arrived, given, None, api_visibility="private", queue=False, show_progress="hidden")
        film.change(None, film, None, js=SHOW_FILM)
        page.load(None, None, None, js="() => { window.distinctad.restore(); }")
        page.unload(desk.left)
    fetch_nothing(page)
    page.queue(max_size=limits.queue, default_concurrency_limit=4)
    return page


def _inputs() -> tuple[gr.File, gr.File, gr.File, gr.Radio]:
    """What a visitor gives: film, subtitles, cast, and when people are named."""
    film = gr.File(label="Film", file_types=list(FILM_SUFFIXES), height=160, elem_id="upload-film")
    with gr.Accordion("Subtitles, cast and names", open=False):
        subtitles = gr.File(label="Subtitles", file_types=list(SUBTITLE_SUFFIXES), height=130)
        cast = gr.File(
            label="Cast: one JSON or CSV file, and portraits",
            file_count="multiple",
            file_types=list(CAST_SUFFIXES),
            height=130,
        )
        naming = gr.Radio(
            [("at once", "early"), ("once dialogue has named them", "after-reveal")],
            value="early",
            label="Name people",
        )
    return film, subtitles, cast, naming


def _offer(desk: Desk, examples: list[gr.Button], given: list[Any]) -> None:
    """Let each example's button fill in film, subtitles and cast."""
    for number, button in enumerate(examples, 1):
        # The number goes in as a value: a program asks for an example by its number. What it sends is not rounded
        # before the desk has seen it: NaN cannot be.
        chosen = gr.Number(number, visible=False)
        button.click(
            desk.example,
            chosen,
            given,
            api_name="example" if number == 1 else None,
            api_visibility="public" if number == 1 else "private",
            concurrency_limit=1,
            concurrency_id="model",
        )


def _introduction(limits: Limits) -> str:
    voice = "" if voice_name() == "auto" else "No voice is installed here: times are assumed, no sound can be made."
    return INTRODUCTION.format(review=f"an {REVIEW}", voice=voice, minutes=limits.kept_s // 60)


def _exports(desk: Desk, work: gr.JSON, film: gr.File) -> None:
    """The part of the page that makes files."""
    gr.Markdown("## Files")
    with gr.Row():
        texts = gr.Button("Make the text files", elem_id="make-texts")
        everything = gr.Button("Make all files, sound and films too", elem_id="make-all")
    duck = gr.Slider(-30, 0, -10, step=1, label="Gain of the film's sound under a description (dB)")
    gr.HTML('<p id="dad-stale" role="status"></p>', apply_default_css=False, js_on_load="")  # see editor_files.js
    # Mounted once there is something in it: an empty list of files has a contrast of its own making.
    made = gr.File(label="Files to download", file_count="multiple", interactive=False, visible=False, elem_id="made")

    texts_done = texts.click(desk.export_texts, work, made, js=TAKE, api_name="export_texts")
    all_done = everything.click(
        desk.export_all,
        [work, film, duck],
        made,
        js=TAKE_ALL,
        api_name="export_all",
        concurrency_limit=1,
        concurrency_id="model",
    )
    for done in (texts_done, all_done):
        done.success(_mount, None, made, api_visibility="private").success(None, None, None, js=MADE)
        done.failure(None, None, None, js=NOT_MADE)


def _mount() -> Any:
    return gr.update(visible=True)


def _others(desk: Desk, work: gr.JSON, status: gr.HTML) -> None:
    """Earlier work, conversion, and what programs may ask for."""
    with gr.Accordion("Open earlier work", open=False):
        script = gr.File(label="descriptions.json, or the draft of a log", file_types=[".json"], height=130)
        log = gr.File(label="edit-log.json, if you have one", file_types=[".json"], height=130)
        lines = gr.File(
            label="Subtitle file of its film: where people speak", file_types=list(SUBTITLE_SUFFIXES), height=130
        )
        again = gr.Button("Open it", elem_id="open")
    opened = again.click(desk.open_script, [script, log, lines], [work, status], api_name="open_script")
    opened.success(None, work, None, js=OPEN)
    with gr.Accordion("Convert a script", open=False):
        source = gr.File(label="A script", file_types=list(SCRIPT_SUFFIXES), height=130)
        to = gr.Dropdown(
            [
                ("SubRip", ".srt"),
                ("WebVTT", ".vtt"),
                ("CSV", ".csv"),
                ("JSON", ".json"),
                ("W3C DAPT", ".xml"),
                ("a narrator's script", ".txt"),
            ],
            value=".vtt",
            label="To",
            filterable=False,
        )
        go = gr.Button("Convert")
        converted = gr.File(label="Converted script", interactive=False, visible=False)

    done = go.click(desk.convert_script, [source, to], converted, api_name="convert_script")
    done.success(_mount, None, converted, api_visibility="private")
    gr.api(desk.check_line, api_name="check_line")
    for given in (script, log, lines, source):
        given.upload(desk.arrived, given, None, api_visibility="private", queue=False, show_progress="hidden")


def head() -> str:
    """The editor's script and the list of words that are never new, as the page's head holds them."""
    scripts = [(HERE / name).read_text(encoding="utf-8") for name in SCRIPTS]
    closed = json.dumps(closed_class())
    return "<script>\n" + "\n".join([*scripts, f"window.distinctad.close({closed});"]) + "\n</script>"


def launch(page: gr.Blocks, limits: Limits, **options: Any) -> Any:
    """Serve the page.

    Args:
        page: as `build` makes it.
        limits: of uploads.
        options: more for gradio's `launch`, as `server_port`.

    Returns:
        What gradio's `launch` returns.
    """
    upload = limits.film_mb * 1_000_000
    bounded = Middleware(BoundedBodies, upload_bytes=upload, other_bytes=4 * limits.text_mb * 1_000_000)
    return page.launch(
        theme=gr.themes.Base(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]),
        css_paths=[HERE / "editor.css", HERE / "page.css"],
        head=head(),
        max_file_size=upload,
        mcp_server=find_spec("mcp") is not None,
        # Said or shown by their keys otherwise: the framework has no English for them.
        i18n=gr.I18n(en={"common.complete": "Done", "common.upload": "Add files"}),
        ssr_mode=False,
        app_kwargs={"middleware": [bounded]},
        footer_links=["api"],
        **options,
    )


def main() -> None:
    """Serve the Space until it is stopped."""
    limits = Limits.of_environment()
    visits = Visits(limits.kept_s)
    visits.watch()
    launch(build(Desk(limits, visits)), limits)


if __name__ == "__main__":
    main()
