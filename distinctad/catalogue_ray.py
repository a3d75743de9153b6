"""The same work on Ray: Ray Data gives films to accelerator actors, each of which takes its pictures from a CPU actor.

A film, and so every window of it, stays with one accelerator actor, window after window: what a window's clips share is
computed from all of them. Its pictures come as a stream with a few clips under way, so memory does not grow with
the film. Both kinds of actors run the code of the local engine; only `read_clips` is another.

Ray sends objects between its own processes in its own (pickle) format: use it on machines that trust each other.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from typing import Any

from distinctad.catalogue import Film
from distinctad.catalogue_work import FilmWorker, Job, Result
from distinctad.errors import UserError, one_line

CLIPS_UNDER_WAY = 4  # decoded ahead of the accelerator; a clip of 8 full-HD pictures has 50 MB
STARTS = 3  # of a Ray of this machine, before it is said that it does not start
OBJECT_STORE_BYTES = 512 << 20  # of a Ray that is started here; a cluster has its own


def run_ray(films: Sequence[Film], job: Job, workers: int) -> Iterator[Result]:
    """Do films on Ray: on the cluster that RAY_ADDRESS names, else on one that is started here and ended.

    On a cluster every machine must see the films and the output folder under the same paths.

    Args:
        films: in the order in which they are begun.
        job: what to do.
        workers: accelerator actors, and as many CPU actors that decode for them.

    Yields:
        One result a film, as they end.

    Raises:
        UserError: Ray is not installed, does not start or gives up, is too small for so many actors, or no actor can
            load the model.
    """
    ray = _start(workers)
    try:
        accelerators = float(ray.cluster_resources().get("GPU", 0.0))
        found = ray.data.range(len(films), override_num_blocks=len(films)).map(
            _Encoder,
            fn_constructor_kwargs={"films": list(films), "job": job},
            compute=ray.data.ActorPoolStrategy(size=workers),
            num_cpus=0 if accelerators else 1,
            num_gpus=min(1.0, accelerators / workers),
        )
        for row in found.iter_rows():
            if row["refused"]:
                raise UserError(row["refused"], row["error"])
            by = (str(row["encoder"]), str(row["decoder"]))
            said = tuple(str(text) for text in row["warnings"])
            yield Result(films[row["id"]], row["error"], said, row["wall_s"], row["film_s"], by)
    except ray.exceptions.RayError as error:
        message = f"Ray gave up ({one_line(str(error), 160)})"
        raise UserError(message, "Look at Ray's logs; the same command goes on where it stopped.") from error
    finally:
        ray.shutdown()


def _start(workers: int) -> Any:
    """Import and start Ray, or join it."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # it must not phone home
    try:
        import ray
        import ray.data
    except ImportError as error:
        fix = "Run `pip install 'distinctad[ray]'`, or give --engine local."
        raise UserError("Ray is not installed", fix) from error
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    if os.environ.get("RAY_ADDRESS"):
        ray.init(**quiet)
        cores = int(ray.cluster_resources().get("CPU", 0))
        if cores < 2 * workers:
            ray.shutdown()
            raise UserError(f"Ray has {cores} cores, too few for {workers} workers", f"Give --workers {cores // 2}.")
    else:
        _start_here(ray, workers, quiet)
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    return ray


def _start_here(ray: Any, workers: int, quiet: dict[str, Any]) -> None:
    """Start a Ray of this machine alone; a busy machine may need more than one try."""
    os.environ.setdefault("RAY_health_check_failure_threshold", "60")  # it answers late, and there is no other node
    # Cores are a promise to the scheduler: two actors a worker, as many as were asked for.
    size: dict[str, Any] = {"num_cpus": 2 * workers + 1, "object_store_memory": OBJECT_STORE_BYTES}
    for left in reversed(range(STARTS)):
        try:
            ray.init(**size, include_dashboard=False, **quiet)
            return
        except Exception as error:  # Ray raises plain ones, such as a node that takes longer than its 30 seconds
            ray.shutdown()
            if not left:
                message = f"Ray does not start ({one_line(str(error), 160)})"
                raise UserError(message, "Free some memory and cores, or give --engine local.") from error


class _Decoder:
    """A CPU actor: reads a film and hands out its clips' pictures."""

    def clips(
        self, film: str, intervals: Sequence[tuple[float, float]], count: int, mode: str
    ) -> Iterator[tuple[list[Any], list[str], str]]:
        """Yields (pictures, warnings, error) of each clip, in order."""
        from modeling_distinctad.video_distinctad import VideoError, iter_clip_frames, video_warnings

        source = iter_clip_frames(film, intervals, count, mode=mode)
        while True:
            with video_warnings() as said:
                error, pictures = "", None
                try:
                    pictures = next(source, None)
                except VideoError as reason:  # as text: what comes out of an actor as an error carries its whole trace
                    error = str(reason)
            if pictures is None and not (said or error):
                return
            yield pictures or [], said, error


class _Encoder:
    """An accelerator actor: holds the model, does whole films with pictures from its own decoder."""

    def __init__(self, films: list[Film], job: Job) -> None:
        import ray

        self.films, self.ray = films, ray
        self.refused: UserError | None = None
        self.mode = "midpoint" if job.task == "describe" else "autoad"
        try:
            self.worker = FilmWorker(job)
        except UserError as error:  # told with the first film: an actor that cannot be made is tried again for ever
            self.refused = error
            return
        reader = self.worker.reader
        if job.task == "describe":
            count = reader.processor.num_frames
            reader.read_clips = lambda film, intervals: self._clips(film, intervals, count)
        else:
            reader.read_clips = self._clips
        self.decoder = self._new_decoder()

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        """Do the film of a row."""
        if self.refused is not None:
            error = self.refused
            result = Result(self.films[row["id"]], error.fix)
            return self._row(row, result, error.message, "")
        result = self.worker.do(self.films[row["id"]])
        decoder = self.decoder._actor_id.hex()
        if result.error:  # its decoder may still sit in the middle of the film
            self.ray.kill(self.decoder)
            self.decoder = self._new_decoder()
        return self._row(row, result, "", decoder)

    def _row(self, row: dict[str, Any], result: Result, refused: str, decoder: str) -> dict[str, Any]:
        told = {name: value for name, value in asdict(replace(result, film=None)).items() if name not in ("film", "by")}  # type: ignore[arg-type]
        encoder = self.ray.get_runtime_context().get_actor_id()
        return {**row, **told, "warnings": list(result.warnings), "refused": refused,
                "encoder": encoder, "decoder": decoder}  # fmt: skip

    def _new_decoder(self) -> Any:
        return self.ray.remote(num_cpus=1, max_restarts=-1)(_Decoder).remote()

    def _clips(self, film: str, intervals: Sequence[tuple[float, float]], count: int) -> Iterator[Sequence[Any]]:
        """As `read_clips`, from the decoder."""
        from modeling_distinctad.video_distinctad import VideoError, warn_of_video

        ask = self.decoder.clips.options(num_returns="streaming", _generator_backpressure_num_objects=CLIPS_UNDER_WAY)
        for reference in ask.remote(str(film), list(intervals), count, self.mode):
            pictures, said, error = self.ray.get(reference)
            for message in said:
                warn_of_video(message)
            if error:
                raise VideoError(error)
            if pictures:
                yield pictures
