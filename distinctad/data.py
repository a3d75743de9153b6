"""`distinctad data`: look at annotation files, say what is wrong with them, and build sets of them.

`validate` reads every row and exits 1 if any was refused; `stats`, `peek`, `names` and `build` work on the rest.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from distinctad.errors import UserError, one_line

if TYPE_CHECKING:
    from datasets_scripts.annotations import AnnotationReader
    from datasets_scripts.repairs import Report
    from datasets_scripts.schema import ADRow

Set = Literal["mad-eval", "cmd-ad", "tv-ad", "pocket"]
Source = Literal["features", "films", "clips"]
Order = Literal["time", "file"]
People = Literal["none", "cast", "predicted", "oracle"]
Form = Literal["parquet", "webdataset"]

SHOWN = 8  # rows named per rule on the terminal; --json names all

data_app = typer.Typer(
    name="data",
    no_args_is_help=True,
    help="Check, measure and build annotation sets: MAD, CMD-AD, TV-AD, pocket films.",
)

Annotations = Annotated[list[Path], typer.Option("--annotations", help="File or pocket folder; may be repeated.")]
OneFile = Annotated[Path, typer.Option("--annotations", help="Annotation file or pocket folder.")]
SetOption = Annotated[Set | None, typer.Option("--set", help="Whose columns (default: as the file's columns say).")]
OrderOption = Annotated[Order, typer.Option(help="Rows of a film by start, or as in the file.")]
RootOption = Annotated[Path | None, typer.Option(help="Folder of the videos: rows whose video is missing are refused.")]
SourceOption = Annotated[
    Source | None,
    typer.Option(
        help="MAD: features, raw films or LSMDC clips (without Appendix E's six). Default: films with --root or with "
        "--features of one's own, else features."
    ),
]
FeaturesOption = Annotated[Path | None, typer.Option("--features", help="h5 file of features in MAD's layout.")]
PeopleOption = Annotated[
    People | None, typer.Option(help="Who a prompt lists (default: none; the cast of pocket films).")
]
BankOption = Annotated[Path | None, typer.Option(help="Character bank (JSON).")]
KeysOption = Annotated[Path | None, typer.Option(help="mad2imdb.json, for a bank keyed by IMDb ids.")]


def _refuse(error: Exception, fix: str = "Give one of the public files or a pocket folder.") -> UserError:
    return UserError(one_line(str(error), 300), fix)


@data_app.command("validate")
def validate_command(
    annotations: Annotations,
    set_name: SetOption = None,
    order: OrderOption = "time",
    root: RootOption = None,
    source: SourceOption = None,
    features: FeaturesOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on the output.")] = False,
    allow_refusals: Annotated[
        bool, typer.Option("--allow-refusals", help="Exit 0 although rows were refused.")
    ] = False,
) -> None:
    """Read every row of annotations, banks, splits or keys; print what was kept, repaired and refused, by file and row.

    Exit code 1 if anything was refused.
    """
    from datasets_scripts.annotations import source_of
    from datasets_scripts.checks import SETS, check_file, cross_check, kind_of, totals
    from datasets_scripts.tables import TableError

    lengths = _lengths(features)
    options: dict[str, Any] = {"order": order, "root": root, "lengths_s": lengths}
    options["source"] = source_of(source, root, features)
    reports, kinds = [], {}
    for path in annotations:
        reports.append(check_file(path, set_name if set_name in SETS else None, **options))
        if path.suffix == ".json" and not reports[-1].refused:
            kinds[kind_of(path)] = path
    remarks = []
    if {"keys", "split"} <= set(kinds):
        try:
            remarks = cross_check(kinds["keys"], kinds["split"])
        except TableError as error:
            raise _refuse(error) from error
    if as_json:
        document = {"files": [report.to_dict() for report in reports], "totals": totals(reports), "remarks": remarks}
        typer.echo(json.dumps({"format_version": 1, **document}, indent=1))
    else:
        for report in reports:
            _print_report(report)
        typer.echo("\n".join(remarks) or "", nl=bool(remarks))
        _print_counts("total", totals(reports))
    if any(report.refused for report in reports) and not allow_refusals:
        raise typer.Exit(1)


def _lengths(features: Path | None) -> dict[str, float] | None:
    if features is None:
        return None
    from datasets_scripts.frames import FilmFeatures
    from datasets_scripts.mad_features import FeatureError

    try:
        return FilmFeatures(features).lengths_s
    except FeatureError as error:
        raise UserError(one_line(str(error), 300), "Give a file that `distinctad features` or MAD wrote.") from error


def _print_counts(name: str, counts: Any) -> None:
    typer.echo(
        f"{name}: {counts['rows']} rows in = {counts['kept']} kept + {counts['repaired']} repaired + "
        f"{counts['refused']} refused"
    )


def _print_report(report: Report) -> None:
    """Say one file's counts, films and findings."""
    _print_counts(report.file, {"rows": report.rows, **report.outcomes})
    for name, fact in report.facts.items():
        typer.echo(f"  {name}: {fact}")
    bad = {film: c for film, c in report.films.items() if c["repaired"] or c["refused"]}
    for film, counts in list(bad.items())[:SHOWN] if len(report.films) > 12 else report.films.items():
        outcomes = ", ".join(f"{counts[o]} {o}" for o in ("kept", "repaired", "refused"))
        typer.echo(f"  {one_line(film, 60) or '(no film)'}: {outcomes}")
    if len(report.films) > 12 and len(bad) > SHOWN:
        typer.echo(f"  ... and {len(bad) - SHOWN} more films with repairs or refusals (--json names all)")
    for rule, found in report.to_dict(SHOWN)["findings"].items():
        rows = ", ".join("file" if row < 0 else str(row) for row in found["rows"])
        more = ", ..." if found["count"] > SHOWN else ""
        typer.echo(f"  {found['outcome']:8} {rule} x {found['count']}: {found['rule']} [rows {rows}{more}]")
        if found["outcome"] == "refused":
            for row, detail in zip(found["rows"], found["details"], strict=False):
                typer.echo(f"    {report.file}, {'the file' if row < 0 else f'row {row}'}: {one_line(detail, 160)}")
    for remark in report.remarks:
        typer.echo(f"  note: {remark}")


def _open(
    path: Path, set_name: str | None, order: str, people: str | None = None, bank: Path | None = None,
    keys: Path | None = None, source: str | None = None,
) -> AnnotationReader:  # fmt: skip
    """Open one annotation file for stats and peek."""
    from datasets_scripts.annotations import source_of
    from datasets_scripts.banks import characters_of
    from datasets_scripts.checks import SETS, kind_of, open_set
    from datasets_scripts.tables import TableError

    try:
        name = set_name or kind_of(path)
        if name not in SETS:
            raise UserError(f"'{path.name}' holds no annotations but {name}", "Give an annotation file.")
        options: dict[str, Any] = {"source": source_of(source, None, None)}
        _own_cast(name, bank=bank, keys=keys)
        if name == "pocket":
            if people == "predicted":
                raise UserError(
                    "--characters is predicted, which pocket films do not hold", "Give cast, oracle or none."
                )
            options["people"] = people
        elif people not in (None, "none") and bank is None:
            raise UserError(f"--characters {people} needs a character bank", "Pass --bank FILE.")
        else:
            options["characters"] = characters_of(people or "none", bank, keys)
        return open_set(name, path, order=order, **options)
    except TableError as error:
        raise _refuse(error) from error


def _own_cast(name: str, **given: Path | None) -> None:
    """Refuse a bank, keys or portraits that would not be read."""
    for option, path in given.items():
        if name == "pocket" and path is not None:
            raise UserError(f"--{option} is given, but pocket films hold their cast", "Leave it out.")


def _films(reader: AnnotationReader) -> list[str]:
    """The films of a file, each line of which is looked at here for the first time."""
    from datasets_scripts.tables import TableError

    try:
        return reader.films
    except TableError as error:
        raise _refuse(error, "See `distinctad data validate`.") from error


def _rows(reader: AnnotationReader) -> list[ADRow]:
    from datasets_scripts.tables import TableError

    try:
        return list(reader)
    except TableError as error:
        raise _refuse(error, "See `distinctad data validate`.") from error


@data_app.command("stats")
def stats_command(
    annotations: OneFile,
    set_name: SetOption = None,
    out: Annotated[
        Path | None, typer.Option(help="Picture (.png, .svg) of gaps, lengths, ADs a film, overlap.")
    ] = None,
    order: OrderOption = "time",
    source: SourceOption = None,
    characters: PeopleOption = None,
    bank: BankOption = None,
    keys: KeysOption = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the picture.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on the output.")] = False,
) -> None:
    """Measure a set: gaps between ADs, lengths, ADs a film, words that neighbours share, distinctive words."""
    from datasets_scripts.statistics import draw, statistics
    from distinctad.exports import OutputFolder

    rows = _rows(_open(annotations, set_name, order, characters, bank, keys, source))
    if not rows:
        raise UserError(f"'{annotations.name}' holds no usable row", "See `distinctad data validate`.")
    figures = statistics(rows)
    if out is not None:
        if out.suffix not in (".png", ".svg"):
            raise UserError(f"--out is '{out.name}'", "Give a .png or .svg file.")
        with OutputFolder(out.parent, overwrite, names=(out.name,), place="another --out") as folder:
            folder.write({}, {out.name: lambda path: draw(rows, path, annotations.name)})
    if as_json:
        typer.echo(json.dumps(figures, indent=1))
        return
    for name, value in figures.items():
        typer.echo(f"{name}: {value}")


@data_app.command("peek")
def peek_command(
    annotations: OneFile,
    set_name: SetOption = None,
    film: Annotated[str | None, typer.Option(help="Film or episode (default: the first).")] = None,
    window: Annotated[int, typer.Option(min=0, help="Which window, from 0.")] = 0,
    size: Annotated[int, typer.Option(min=1, max=64, help="ADs in a window.")] = 16,
    order: OrderOption = "time",
    source: SourceOption = None,
    characters: PeopleOption = None,
    bank: BankOption = None,
    keys: KeysOption = None,
) -> None:
    """Show one window of a film: times, texts, the people listed, and each AD's distinctive words."""
    from datasets_scripts.windows import windows
    from datasets_scripts.words import distinctive_words

    reader = _open(annotations, set_name, order, characters, bank, keys, source)
    films = _films(reader)
    chosen = film or (films[0] if films else "")
    if chosen not in films:
        some = one_line(", ".join(films), 120)
        raise UserError(f"'{annotations.name}' holds no film '{one_line(chosen, 60)}'", f"Choose one of: {some}")
    rows = reader.read(chosen)
    if not rows:
        raise UserError(f"film '{chosen}' has no row that can be used", "See `distinctad data validate`.")
    cut = windows(len(rows), size)
    if window >= len(cut):
        raise UserError(f"film '{chosen}' has {len(cut)} windows of {size}", f"Give --window below {len(cut)}.")
    shown = [rows[i] for i in cut[window]]
    names = {name for row in rows for person in row.characters for name in person.names}
    words = distinctive_words([row.text for row in shown], names)
    typer.echo(f"{chosen}, window {window} of {len(cut)}, {len(shown)} of {len(rows)} ADs")
    for row, own in zip(shown, words, strict=True):
        typer.echo(f"{row.index:5} {row.start_s:9.3f} to {row.end_s:9.3f} s  {one_line(row.text)}")
        typer.echo(f"      distinctive: {', '.join(sorted(own)) or '(none)'}")
        if row.characters:
            typer.echo(f"      people: {', '.join(person.name for person in row.characters)}")


@data_app.command("names")
def names_command(
    bank: Annotated[list[Path], typer.Option(help="Character bank (JSON); may be repeated.")],
    worst: Annotated[int, typer.Option(min=1, max=10_000, help="How many roles to list.")] = 50,
) -> None:
    """List the roles of a character bank that are hardest to read as names, with what a prompt makes of them."""
    from datasets_scripts.banks import raw_roles
    from datasets_scripts.names import oddness, prompt_name
    from datasets_scripts.tables import TableError

    try:
        roles = {pair for path in bank for pair in raw_roles(path)}
    except TableError as error:
        raise _refuse(error, "Give a bank: film -> [{id, name, role}, ...].") from error
    actors = {role: actor for role, actor in sorted(roles, reverse=True)}  # a role is read once, whoever plays it
    for role in sorted(actors, key=lambda role: (-oddness(role), role))[:worst]:
        typer.echo(f"{one_line(role, 70):72} -> {prompt_name(role, actors[role])}")


@data_app.command("build")
def build_command(
    annotations: OneFile,
    out: Annotated[Path, typer.Option(help="New folder for the shards and the card.")],
    set_name: SetOption = None,
    split: Annotated[str, typer.Option(help="Name of the split.")] = "test",
    form: Annotated[Form, typer.Option("--format", help="Parquet, or WebDataset tars.")] = "parquet",
    order: OrderOption = "time",
    root: RootOption = None,
    source: SourceOption = None,
    features: FeaturesOption = None,
    num_frames: Annotated[int, typer.Option(min=1, max=64, help="Features an AD.")] = 8,
    characters: Annotated[People, typer.Option(help="Who a prompt lists.")] = "none",
    bank: BankOption = None,
    keys: KeysOption = None,
    portraits: Annotated[Path | None, typer.Option(help="Folder of portraits by id.")] = None,
    rows_per_file: Annotated[int, typer.Option(min=1, help="A shard ends after the film that reaches this.")] = 50_000,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the folder.")] = False,
    repository: Annotated[str | None, typer.Option(help="owner/name on the Hub: list what would be uploaded.")] = None,
    upload: Annotated[bool, typer.Option("--upload", help="Upload to --repository, as a private set.")] = False,
) -> None:
    """Write a set as Parquet or WebDataset shards with a card, ready for `load_dataset(folder)` and the Hub.

    Nothing leaves this machine without --upload.
    """
    import tempfile

    if upload and repository is None:
        raise UserError("--upload has no repository", "Give --repository owner/name.")
    from datasets_scripts.builders import BUILDERS
    from datasets_scripts.checks import SETS, kind_of
    from datasets_scripts.tables import TableError
    from datasets_scripts.writers import WriteError, upload_folder, write_folder

    try:
        name = set_name or kind_of(annotations)
        if name not in SETS:
            raise UserError(f"'{annotations.name}' holds no annotations but {name}", "Give an annotation file.")
        _own_cast(name, bank=bank, keys=keys, portraits=portraits)
        given = {"bank": bank, "keys": keys, "portraits": portraits, "root": root, "feature_file": features}
        paths = {key: str(path) for key, path in given.items() if path is not None}
        with tempfile.TemporaryDirectory() as cache:
            builder = BUILDERS[name](
                cache_dir=cache, annotations=str(annotations), split=split, characters=characters, order=order,
                source=source, num_frames=num_frames, **paths,
            )  # fmt: skip
            written = write_folder(builder, out, form, rows_per_file, overwrite)
        for report in builder.reports.values():
            _print_report(report)
        typer.echo("\n".join(f"{written.folder / file}" for file in written.files))
        if repository is not None:
            sent = upload_folder(written.folder, repository, dry_run=not upload)
            verb = "uploaded" if upload else "would upload (give --upload to do it)"
            typer.echo(f"{verb} to {repository}, private: {len(sent)} files, {sum(size for _, size in sent)} bytes")
    except (TableError, WriteError, ValueError) as error:
        if isinstance(error, UserError):
            raise
        raise _refuse(error, "Check the files and options.") from error
