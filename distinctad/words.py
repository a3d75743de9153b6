"""`distinctad words FILE`: each AD of a file with its distinctive words, those that stand in no other AD of its window.

The same words weigh double in Stage II's loss; the command shows them to a person, with their share, and with a
tokenizer also the sub-words that carry them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from distinctad.cast import MAX_CAST_BYTES, parse_cast
from distinctad.errors import UserError, one_line
from distinctad.score_casts import parse_bank
from distinctad.score_rows import FILM_COLUMNS, open_text, read_records
from distinctad.subtitles import read_text

TEXT_COLUMNS = ("text", "sentence", "text_gt", "text_gen")
WINDOW = 16


@dataclass(frozen=True)
class ADWords:
    """One AD.

    Attributes:
        film: its film, "" where the file names none.
        window: number of its window within the film, from 0.
        text: as it stands.
        count: words in it.
        kept: those of them that are distinctive, in their order, repetitions kept.
        tokens: (sub-word as the tokenizer spells it, whether it carries a distinctive word); () without a tokenizer.
    """

    film: str
    window: int
    text: str
    count: int
    kept: tuple[str, ...]
    tokens: tuple[tuple[str, bool], ...] = ()


def read_ads(path: Path, notes: list[str] | None = None) -> list[tuple[dict[str, str], str]]:
    """Rows and texts of a CSV in the order in which windows are cut, or the lines of a .txt file.

    Films keep the order of their first row; within a film the clip's number (CMD-AD) and the start decide.

    Args:
        path: the file.
        notes: takes a sentence on a CSV's rows that are not UTF-8, which are read all the same, see `read_records`.

    Raises:
        UserError: it cannot be read or has no text column.
    """
    if path.suffix.lower() == ".txt":
        lines = open_text(path).split("\n")
        return [({}, line.strip()) for line in lines if line.strip()]
    records = read_records(path, [] if notes is None else notes)
    column = next((name for name in TEXT_COLUMNS if name in records[0]), None)
    if column is None:
        raise UserError(f"{path} has no column for the text", f"Name one {' or '.join(TEXT_COLUMNS)}.")
    film = film_column(records[0])
    first = {record.get(film, ""): place for place, record in reversed(list(enumerate(records)))}

    def place(record: dict[str, str]) -> tuple[float, ...]:
        return first[record.get(film, "")], _number(record.get("cmd_clip_idx")), _number(record.get("start"))

    return [(record, record[column]) for record in sorted(records, key=place)]


def film_column(record: dict[str, str]) -> str:
    """The column that names a row's film, "" without one."""
    return next((name for name in FILM_COLUMNS if name in record), "")


def _number(cell: str | None) -> float:
    try:
        value = float(cell) if cell else 0.0
    except ValueError:
        return 0.0
    return value if math.isfinite(value) else 0.0  # nan has no place in an order


class Casts:
    """Names of each film's people.

    Args:
        path: JSON as `parse_bank` takes it, or a CSV with a name column, as `describe` takes it.

    Attributes:
        known: film id -> names; "" stands for every film.
        notes: what was assumed in reading.

    Raises:
        UserError: it is none of these.
    """

    def __init__(self, path: Path | None) -> None:
        """Read the file; None: no names are known."""
        self.known: dict[str, list[str]] = {}
        self.notes: list[str] = []
        if path is None:
            return
        if path.suffix.lower() == ".csv":  # spreadsheets write many encodings
            text, self.notes = read_text(path, "the cast", MAX_CAST_BYTES)
        else:
            text = open_text(path)
        if text.lstrip("\ufeff \n\t")[:1] not in ("[", "{"):
            names = [str(person.get("name", "")).strip() for person in parse_cast(text, path.name)]
            if not all(names):
                where = f"the cast '{path.name}', entry {names.index('') + 1}"
                raise UserError(f"{where} has no name", "Give every person a name.")
            self.known = {"": names}
            return
        self.known = {film: [name for _, name in people] for film, people in parse_bank(text, path).items()}

    def lists(self, record: dict[str, str]) -> bool:
        """Whether the file has a list for a row's film, maybe an empty one."""
        return any(key in self.known for key in [*_ids(record), ""])

    def of(self, record: dict[str, str]) -> list[str]:
        """The names of a row's film, found by any of its ids; [] where none is known."""
        return next((self.known[key] for key in [*_ids(record), ""] if key in self.known), [])


def _ids(record: dict[str, str]) -> list[str]:
    return [record[name].strip() for name in FILM_COLUMNS if record.get(name)]


def tell_words(
    ads: Sequence[tuple[dict[str, str], str]],
    casts: Casts,
    window: int = WINDOW,
    stop_list: bool = True,
    tokenizer: Any = None,
) -> list[ADWords]:
    """Find the distinctive words of every AD.

    Args:
        ads: as `read_ads` gives them.
        casts: names are no distinctive words; without any, words capitalised inside sentences stand in for them.
        window: N consecutive ADs of a film.
        stop_list: leave closed-class words and names out.
        tokenizer: a fast tokenizer, to show sub-words.

    Returns:
        One entry an AD.
    """
    from datasets_scripts.windows import windows
    from datasets_scripts.words import distinctive_words, words

    films: dict[str, list[int]] = {}
    for place, (record, _) in enumerate(ads):
        films.setdefault(record.get(film_column(record), ""), []).append(place)
    found: list[ADWords] = []
    for film, places in films.items():
        names = casts.of(ads[places[0]][0])
        for number, rows in enumerate(windows(len(places), window)):
            texts = [ads[places[row]][1] for row in rows]
            for text, own in zip(texts, distinctive_words(texts, names, stop_list), strict=True):
                said = words(text)
                kept = tuple(word for word in said if word in own)
                tokens = tuple(subwords(tokenizer, text, own)) if tokenizer is not None else ()
                found.append(ADWords(film, number, text, len(said), kept, tokens))
    return found


def subwords(tokenizer: Any, text: str, wanted: set[str]) -> Iterator[tuple[str, bool]]:
    """Each sub-word of an AD and whether it carries a distinctive word, as the loss's mask is made.

    Args:
        tokenizer: a fast tokenizer with an end token.
        text: the AD; it is tokenised with one leading blank.
        wanted: its distinctive words.
    """
    from modeling_distinctad.prompt_distinctad import PromptTokenizer

    row = PromptTokenizer(tokenizer).rows([[]], [" ".join(text.split())], [wanted])[0]
    pairs = [(i, marked) for i, label, marked in zip(row.ids, row.labels, row.distinctive, strict=True) if label >= 0]
    for token, (_, marked) in zip(tokenizer.convert_ids_to_tokens([i for i, _ in pairs]), pairs, strict=True):
        yield token, bool(marked)


def shares(found: Sequence[ADWords]) -> dict[str, float]:
    """`words` kept as distinctive and ADs that are `empty` of them, both shares 0..1; `ads` counts them."""
    total = sum(ad.count for ad in found)
    return {
        "words": sum(len(ad.kept) for ad in found) / total if total else 0.0,
        "empty": sum(not ad.kept for ad in found) / len(found) if found else 0.0,
        "ads": float(len(found)),
    }


def _load_tokenizer(source: str) -> Any:
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(source)
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise UserError(
            f"the tokenizer '{source}' cannot be loaded ({one_line(str(error), 100)})", "Give a folder or a Hub id."
        ) from error


def words_command(
    file: Annotated[Path, typer.Argument(help="ADs: a CSV with a text column, or .txt with one AD a line.")],
    window: Annotated[int, typer.Option(help="N consecutive ADs of a film.", min=1)] = WINDOW,
    cast: Annotated[Path | None, typer.Option(help="JSON or CSV with the people's names.")] = None,
    stop_list: Annotated[bool, typer.Option(help="Leave out pronouns, prepositions and the like, and names.")] = True,
    film: Annotated[str | None, typer.Option(help="Only this film.")] = None,
    tokenizer: Annotated[str | None, typer.Option(help="Also show the sub-words: tokenizer folder or Hub id.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object an AD instead of text.")] = False,
) -> None:
    """Print every AD with its distinctive words, and how many words are."""
    notes: list[str] = []
    ads = read_ads(file, notes)
    if film is not None:
        ads = [(record, text) for record, text in ads if record.get(film_column(record), "") == film]
        if not ads:
            raise UserError(f"{file} has no film '{film}'", "Give a film as the file names it.")
    loaded = _load_tokenizer(tokenizer) if tokenizer else None
    casts = Casts(cast)
    if cast is not None and not any(casts.lists(record) for record, _ in ads):
        own = next((name for record, _ in ads for name in _ids(record)), "none")
        notes.append(
            f"the cast '{cast.name}' lists none of the films (here {own}, there {next(iter(casts.known), 'none')}); "
            "words capitalised inside sentences stand in for names: give the set's own bank"
        )
    for note in [*notes, *casts.notes]:
        typer.echo(f"Warning: {note}", err=True)
    found = tell_words(ads, casts, window, stop_list, loaded)
    if as_json:
        for ad in found:
            typer.echo(json.dumps({**vars(ad), "tokens": list(ad.tokens)}))
        return
    before: tuple[str, int] | None = None
    for ad in found:
        if (ad.film, ad.window) != before:
            before = ad.film, ad.window
            typer.echo(f"\n{ad.film or file.name}, window {ad.window}")
        typer.echo(f"  {' '.join(ad.text.split())}\n    -> {', '.join(dict.fromkeys(ad.kept)) or '(none)'}")
        if ad.tokens:
            typer.echo("       " + " ".join(f"[{token}]" if marked else token for token, marked in ad.tokens))
    figures = shares(found)
    typer.echo(
        f"\n{len(found)} ADs; {figures['words']:.1%} of their words are distinctive; "
        f"{figures['empty']:.1%} of the ADs have none"
    )
