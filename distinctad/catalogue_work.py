"""Doing the films of a catalogue: one film, and a crew of processes that share them out.

Every worker computes on one thread, so that a film's files are the same bytes however many work. Even one worker is a
process of its own: a film that kills it (a decoder's fault, no memory left) is named, and the others go on.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, Literal

from distinctad.catalogue import Film
from distinctad.catalogue_store import Store
from distinctad.describe import describe
from distinctad.errors import UserError, one_line
from distinctad.feature_tower import FeatureSettings
from distinctad.loading import CHECKPOINT, locate, model_sha256
from distinctad.orphans import end_with_parent
from distinctad.plan import Settings, name_of, sha256_of
from distinctad.track import Export, TrackSettings, heard_voice

Task = Literal["describe", "features"]

FEATURES = "features.h5"
FILM_LIMIT_S = 86_400.0  # a day
LOOK_S = 5.0  # how often the time is looked at
JOB_VERSION = 2  # a model's fingerprint was of its run record too
MOST_WORKERS = 60 if os.name == "nt" else 256  # Windows waits for no more processes
LIVES = 2  # workers that may die of a film before it is given up: one death may be the machine's fault


@dataclass(frozen=True)
class Job:
    """What is done with every film, and where it goes.

    Attributes:
        task: "describe" or "features".
        out: the output folder.
        model: a checkpoint folder or hub id; None is the pocket checkpoint.
        describing: how films are described.
        encoding: how films are encoded; its `model` is not looked at.
        export: what is written of a described film, as `describe` has it.
        track: how drafts become a track; for "text" its `naming` alone counts.
    """

    task: Task
    out: Path
    model: str | None = None
    describing: Settings = field(default_factory=Settings)
    encoding: FeatureSettings = field(default_factory=FeatureSettings)
    export: Export = "text"
    track: TrackSettings = field(default_factory=TrackSettings)

    def about(self) -> dict[str, Any]:
        """What must be the same for all films of an output folder, as plain values.

        Raises:
            UserError: if the model is a folder without a configuration or, for describing, cannot be one of ours; or if
                there is no voice for what is to be spoken.
        """
        how = asdict(self.describing if self.task == "describe" else self.encoding)
        how = {name: value for name, value in how.items() if name not in ("model", "film_id")}
        if self.task == "describe":
            locate(self.model)
            if self.export == "all":
                heard_voice(self.track)
            track = asdict(self.track) if self.export == "all" else {"naming": self.track.naming}
            how |= {"export": self.export, **track}
        folder = CHECKPOINT if self.model is None else Path(self.model)
        model = str(self.model)
        if folder.is_dir():
            if not (folder / "config.json").is_file():
                raise UserError(f"the model folder '{folder}' has no config.json", "Give a checkpoint folder.")
            model = model_sha256(folder)
        kind = {"format": "distinctad.catalogue", "format_version": JOB_VERSION}
        return {**kind, "task": self.task, "model": model, "how": how}


@dataclass(frozen=True)
class Result:
    """What came of one film.

    Attributes:
        film: the film.
        error: why it could not be done, in one line; "" if it was.
        warnings: what was repaired or assumed.
        wall_s: seconds of work, without loading the model.
        film_s: the film's length, seconds; 0 if it was not done.
        by: who did it: the worker's process, or the actors' ids.
    """

    film: Film
    error: str = ""
    warnings: tuple[str, ...] = ()
    wall_s: float = 0.0
    film_s: float = 0.0
    by: tuple[str, ...] = ()


class FilmWorker:
    """Does one film after the other with a model that is loaded once.

    Args:
        job: what to do.
        pipe: for describing, a pipeline or a stand-in; None loads the job's model.

    Attributes:
        reader: the pipeline or tower, whose `read_clips` takes pictures from a film.

    Raises:
        UserError: if the model cannot be had.
    """

    def __init__(self, job: Job, pipe: Any = None) -> None:
        import torch

        from distinctad.feature_tower import Tower
        from distinctad.loading import load_pipeline

        torch.set_num_threads(1)  # the order of sums, and so the last bits, depend on the number of threads
        self.job, self.store = job, Store(job.out)
        self.encoding = replace(job.encoding, model=job.model)
        self.about: dict[str, Any] | None = None
        self.reader = pipe
        how = job.describing
        if pipe is None and job.task == "describe":
            self.reader, self.about = load_pipeline(job.model, how.device, how.dtype, how.seed)
        elif pipe is None:
            self.reader = Tower(self.encoding)

    def do(self, film: Film) -> Result:
        """Do a film; what is wrong with it becomes the result's `error`, in its folder and nowhere else.

        Args:
            film: the film.

        Returns:
            What came of it.
        """
        start_s = time.perf_counter()
        try:
            inputs = film.inputs()
            work = self.store.work_folder(film, keep=self.job.task == "features")
            make = self._describe if self.job.task == "describe" else self._encode
            names, said, film_s = make(film, work)
            said = [*film.said, *said]
            self.store.commit(film, work, inputs, names, said)
        except Exception as error:  # whatever it is, it is this film's, and the others go on
            known = isinstance(error, UserError)
            text = one_line(str(error) if known else f"{type(error).__name__}: {error}")
            self.store.fail(film, text)
            return Result(film, error=text, by=(str(os.getpid()),))
        wall_s = time.perf_counter() - start_s
        return Result(film, "", tuple(said), wall_s, film_s, (str(os.getpid()),))

    def _describe(self, film: Film, work: Path) -> tuple[Sequence[str], list[str], float]:
        import transformers

        transformers.set_seed(self.job.describing.seed)  # for each film: it must not depend on those before it
        made = describe(
            film.path, work, subtitles=film.subtitles, cast=film.cast, intervals=film.intervals,
            settings=self.job.describing, pipe=self.reader, about=self.about, overwrite=True,
            export=self.job.export, track=self.job.track,
        )  # fmt: skip
        document = made.document
        if document["film"]["sha256"] != film.sha256:
            raise UserError(f"the film '{film.name}' changed while it was described", "Run the command again.")
        names = [path.name for path in made.files]
        return names, document["warnings"], document["film"]["duration_s"]

    def _encode(self, film: Film, work: Path) -> tuple[Sequence[str], list[str], float]:
        from datasets_scripts.mad_features import read_films
        from distinctad.features import encode_films

        made = encode_films([film.path], work / FEATURES, self.encoding, tower=self.reader)
        if sha256_of(film.path) != film.sha256:
            raise UserError(f"the film '{film.name}' changed while it was encoded", "Run the command again.")
        (about,) = read_films(work / FEATURES).values()
        return (FEATURES,), made.warnings, float(about["duration_s"])


def run_local(films: Sequence[Film], job: Job, workers: int, limit_s: float = FILM_LIMIT_S) -> Iterator[Result]:
    """Do films in processes of this machine.

    Args:
        films: in the order in which they are begun.
        job: what to do.
        workers: processes at once.
        limit_s: seconds after which a film's worker is ended and the film has failed (the first film's hold loading the
            model too).

    Yields:
        One result a film, as they end.

    Raises:
        UserError: if no worker can load the model.
    """
    waiting = deque((film, LIVES) for film in films)
    crew = [_Hand(job, number) for number in range(min(workers, len(films), MOST_WORKERS))]
    try:
        while waiting or any(hand.task for hand in crew):
            for hand in crew:
                if hand.task is None and waiting:
                    hand.give(*waiting.popleft())
            yield from _give_up(crew, job, limit_s)
            busy = {hand.line: hand for hand in crew if hand.task}
            for line in wait(list(busy), timeout=min(limit_s, LOOK_S)):
                hand = busy[line]  # type: ignore[index]
                film, lives = hand.task or (films[0], 0)
                hand.task = None
                try:
                    answer = hand.line.recv()
                except (EOFError, ConnectionError):
                    how = hand.end(wait_s=5.0)
                    hand.start()
                    if lives > 1:
                        waiting.append((film, lives - 1))
                        continue
                    error = f"the film '{name_of(film.path)}' ended its worker {LIVES} times ({how})."
                    answer = Result(film, f"{error} Look at the file and at the free memory.")
                    Store(job.out).fail(film, answer.error)
                if not isinstance(answer, Result):
                    raise UserError(*answer)
                yield answer
    finally:
        for hand in crew:
            hand.end()


def _give_up(crew: Sequence[_Hand], job: Job, limit_s: float) -> Iterator[Result]:
    """Ends the workers whose film takes too long: what loops inside a decoder would never end by itself."""
    for hand in crew:
        if hand.task is None or time.monotonic() - hand.since < limit_s or hand.line.poll():
            continue
        film, hand.task = hand.task[0], None
        hand.end()
        hand.start()
        error = f"the film '{name_of(film.path)}' took longer than {limit_s:g} s. Look at the file, or raise "
        answer = Result(film, error + "--film-limit-s.")
        Store(job.out).fail(film, answer.error)
        yield answer


class _Hand:
    """One worker process with its number, its line, and the film that it has (with the lives left), since when."""

    line: Connection
    process: Any
    task: tuple[Film, int] | None = None
    since: float = 0.0

    def __init__(self, job: Job, number: int) -> None:
        self.job, self.number = job, number
        self.start()

    def start(self) -> None:
        # spawn: the parent may hold threads (progress bar), which a forked child would inherit half-alive
        context = multiprocessing.get_context("spawn")
        self.line, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, self.job, self.number), daemon=True)
        self.process.start()
        theirs.close()  # so that the end of the worker is the end of the line

    def give(self, film: Film, lives: int) -> None:
        self.task, self.since = (film, lives), time.monotonic()
        try:
            self.line.send(film)
        except (BrokenPipeError, ConnectionError):
            return  # it died before: reading the line says so

    def end(self, wait_s: float = 0.0) -> str:
        """Stop the process, if it still runs after so many seconds, and say how it ended."""
        self.process.join(wait_s)
        self.process.kill()
        self.process.join()
        self.line.close()
        code = self.process.exitcode
        return f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"


def placed(job: Job, number: int) -> Job:
    """Gives workers different GPUs: in the processes themselves, as what was asked says "auto" for all.

    Args:
        job: what to do.
        number: the worker's, from 0.

    Returns:
        The job; where there are several GPUs, with one of them for each device "auto".
    """
    import torch

    cards = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if cards < 2:
        return job
    ways: dict[str, Any] = {"describing": job.describing, "encoding": job.encoding}
    card = f"cuda:{number % cards}"
    return replace(job, **{name: replace(how, device=card) for name, how in ways.items() if how.device == "auto"})


def _serve(line: Connection, job: Job, number: int) -> None:
    """Be a worker: load the model, then answer each film with its result."""
    os.environ["OMP_NUM_THREADS"] = "1"
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends its workers
    end_with_parent()
    try:
        worker = FilmWorker(placed(job, number))
    except UserError as error:
        line.send((error.message, error.fix))  # its parts: an error of two arguments does not travel whole
        return
    except Exception as error:
        line.send((f"no worker can start ({type(error).__name__}: {error})", "Mend the installation."))
        return
    while True:
        try:
            film = line.recv()
        except EOFError:
            return
        line.send(worker.do(film))
