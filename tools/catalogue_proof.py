"""Proves `distinctad catalogue`: kill -9 loses nothing and doubles nothing, and every way of running gives one result.

`python tools/catalogue_proof.py --out DIR [--films 200] [--kills 5]` draws tiny films (pocket stories of six ADs at
320x180, 8 pictures a second), describes them undisturbed with one worker, again with kills at random moments, with four
workers and on Ray, and compares the SHA-256 of every csv, json, srt and vtt. It writes DIR/proof.json, prints each kill
with the films that it hit, and ends with 1 if anything differs or no kill hit a film in work. Drawn films are used
again; a run's folder that holds finished films is refused, for what is finished proves nothing.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import av
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from datasets_scripts.pocket.draw import film_frame
from datasets_scripts.pocket.film import soundtrack, write_film
from datasets_scripts.pocket.story import make_film

ROOT = Path(__file__).resolve().parent.parent
WIDTH, HEIGHT, RATE_HZ, SOUND_HZ = 320, 180, 8, 16_000
FIRST_SEED, ADS = 41_000, 6
ENDINGS = (".csv", ".json", ".srt", ".vtt")
RUNS: dict[str, list[str]] = {
    "undisturbed": [],
    "killed": [],
    "four workers": ["--workers", "4"],
    "ray": ["--engine", "ray", "--workers", "2"],
}


def draw(seed: int, folder: Path) -> None:
    """Draw one film with subtitles, cast and portraits beside it, unless it is there.

    Args:
        seed: of its story.
        folder: its own folder.
    """
    path = folder / f"film_{seed}.mp4"
    if path.is_file():
        return
    film = make_film(seed, "clear", ADS)
    write_film(film, folder, pictures=False)
    part = path.with_name(f".{path.name}.part")
    with av.open(str(part), "w", format="mp4", options={"fflags": "+bitexact"}) as output:
        video = output.add_stream("libx264", rate=RATE_HZ)
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        video.options = {"preset": "ultrafast", "threads": "1"}
        audio = output.add_stream("aac", rate=SOUND_HZ)
        audio.layout = "mono"
        for index in range(round(film.duration_s * RATE_HZ)):
            picture = film_frame(film, index / RATE_HZ, WIDTH, HEIGHT)
            output.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        output.mux(video.encode())
        sound = soundtrack(film, None)
        for start in range(0, sound.size, 1024):
            samples = np.ascontiguousarray(sound[None, start : start + 1024], np.float32)
            frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
            frame.sample_rate, frame.pts = SOUND_HZ, start
            output.mux(audio.encode(frame))
        output.mux(audio.encode())
    part.replace(path)


def command(films: Path, out: Path, options: list[str]) -> list[str]:
    """The command line of one run."""
    return [sys.executable, "-m", "distinctad", "catalogue", str(films), "--out", str(out), "--device", "cpu", *options]


def start(words: list[str], log: Path) -> subprocess.Popen[bytes]:
    """Start a run in a process group of its own, its words to a log."""
    with log.open("ab") as file:
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
        return subprocess.Popen(words, cwd=ROOT, env=environment, stdout=file, stderr=file, start_new_session=True)


def finished(out: Path) -> dict[str, tuple[int, int]]:
    """Of each finished film its record's inode and time of change: other ones would say that it was done again."""
    stats = {path.parent.name: path.stat() for path in out.glob("films/*/film.json")}
    return {key: (stat.st_ino, stat.st_mtime_ns) for key, stat in stats.items()}


def kill_once(words: list[str], out: Path, log: Path, until: int, how: random.Random) -> dict[str, Any] | None:
    """Run until so many films are finished, wait a random moment, kill -9.

    Args:
        words: the command.
        out: its output folder.
        log: where its words go.
        until: films.
        how: where the moment, and who is killed, come from.

    Returns:
        The moment, who was killed, the films finished and those at hand; None if the run ended before.
    """
    process, begin_s = start(words, log), time.monotonic()
    while len(finished(out)) < until:
        if process.poll() is not None:
            return None
        time.sleep(0.02)
    time.sleep(how.uniform(0.0, 0.6))
    if process.poll() is not None:
        return None
    everyone = how.random() < 0.5
    at_hand = [path.name for path in out.glob("work/*")]
    if everyone:
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()  # its workers are to end by themselves
    process.wait()
    time.sleep(0.3)
    left = sorted(path.name for path in out.glob("work/*"))
    return {
        "second": round(time.monotonic() - begin_s, 2), "killed": "all processes" if everyone else "the command alone",
        "finished": len(finished(out)), "inside": sorted(set(at_hand) & set(left)), "before": finished(out),
    }  # fmt: skip


def moments(films: int) -> range:
    """Numbers of finished films after which a run of so many is killed: neither at its start nor near its end."""
    return range(max(1, films // 20), films * 3 // 4)


def check(out: Path, films: int, kills: int, runs: list[str]) -> None:
    """Refuse what would prove nothing, before any work.

    Args:
        out: folder for films and runs.
        films: how many.
        kills: how often the run "killed" is killed.
        runs: of `RUNS`.

    Raises:
        ValueError: more kills than moments for them, or a run's folder with finished films.
    """
    most = len(moments(films))
    if "killed" in runs and not 1 <= kills <= most:
        raise ValueError(f"--kills is {kills}; expected 1 to {most} with {films} films; change it or --films")
    for name in runs:
        if done := len(finished(_folder(out, name))):
            raise ValueError(f"'{_folder(out, name)}' holds {done} finished films; expected none; give another --out")


def _folder(out: Path, name: str) -> Path:
    return out / name.replace(" ", "_")


def run_killed(words: list[str], out: Path, log: Path, films: int, kills: int, seed: int) -> list[dict[str, Any]]:
    """Run to the end with kills on the way.

    Returns:
        The kills.

    Raises:
        RuntimeError: a film was done again after it was finished, or the run ended before it was killed.
    """
    how = random.Random(seed)
    done: list[dict[str, Any]] = []
    for until in sorted(how.sample(moments(films), kills)):
        moment = kill_once(words, out, log, until, how)
        if moment is None:
            raise RuntimeError(f"the run ended before its kill at {until} films; expected more films; see '{log}'")
        done.append(moment)
        print(json.dumps({"kill": len(done), **{k: v for k, v in moment.items() if k != "before"}}), flush=True)
    finish(words, log)
    after = finished(out)
    for moment in done:
        again = [key for key, what in moment.pop("before").items() if after.get(key) != what]
        if again:
            raise RuntimeError(f"films {again} were finished and done again; expected once; look at the store")
    return done


def finish(words: list[str], log: Path) -> None:
    """Run a command to its end.

    Raises:
        RuntimeError: it failed.
    """
    code = start(words, log).wait()
    if code:
        raise RuntimeError(f"the run ended with {code}; expected 0; see '{log}'")


def hashes(out: Path) -> dict[str, str]:
    """SHA-256 of every csv, json, srt and vtt of the finished films, by film and file name."""
    paths = sorted(path for path in out.glob("films/*/*") if path.suffix in ENDINGS)
    return {path.relative_to(out).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def prove(out: Path, films: int, kills: int, runs: list[str], options: list[str], seed: int = 0) -> dict[str, Any]:
    """Draw, run in every way, compare.

    Args:
        out: folder for films and runs.
        films: how many.
        kills: how often the run "killed" is killed.
        runs: of `RUNS`; the first is what the others are compared with.
        options: further options of every run.
        seed: of the kills' moments.

    Returns:
        For each run its seconds, files and whether all are equal; the kills; the hash over all hashes.

    Raises:
        ValueError: see `check`.
    """
    check(out, films, kills, runs)
    (out / "films").mkdir(parents=True, exist_ok=True)
    for number in range(films):
        draw(FIRST_SEED + number, out / "films" / f"film_{FIRST_SEED + number}")
    report: dict[str, Any] = {"films": films, "options": options, "runs": {}}
    first: dict[str, str] = {}
    for name in runs:
        folder = _folder(out, name)
        words, log = command(out / "films", folder, [*RUNS[name], *options]), folder.with_suffix(".log")
        begin_s = time.monotonic()
        if name == "killed":
            report["kills"] = run_killed(words, folder, log, films, kills, seed)
        else:
            finish(words, log)
        found = hashes(folder)
        first = first or found
        digest = hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()
        report["runs"][name] = {
            "seconds": round(time.monotonic() - begin_s, 1), "films": len(finished(folder)), "files": len(found),
            "sha256_of_all": digest, "equal": found == first and len(finished(folder)) == films,
        }  # fmt: skip
        print(json.dumps({name: report["runs"][name]}), flush=True)
    return report


def main(argv: list[str] | None = None) -> int:
    """Prove, print, write DIR/proof.json; returns the exit status: 1 if nothing is proved, 2 for a wrong question."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--out", type=Path, required=True, help="folder for films, runs and proof.json")
    parser.add_argument("--films", type=int, default=200)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0, help="of the kills' moments")
    parser.add_argument("--runs", nargs="+", choices=list(RUNS), default=list(RUNS))
    parser.add_argument("--num-beams", default="1", help="beams of every run; 1 is quick")
    asked = parser.parse_args(argv)
    options = ["--num-beams", asked.num_beams]
    try:
        report = prove(asked.out, asked.films, asked.kills, asked.runs, options, asked.seed)
    except (ValueError, RuntimeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2 if isinstance(error, ValueError) else 1
    (asked.out / "proof.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    inside = sum(bool(kill["inside"]) for kill in report.get("kills", []))
    equal = all(run["equal"] for run in report["runs"].values())
    print(json.dumps({"equal": equal, "kills": len(report.get("kills", [])), "kills_inside_a_film": inside}))
    if "kills" in report and not inside:
        print("error: no kill hit a film in work; expected one that did; give another --seed", file=sys.stderr)
        return 1
    return 0 if equal else 1


if __name__ == "__main__":
    sys.exit(main())
