"""Voices that read descriptions aloud, offline; every one of them is synthetic and says so in its label.

A voice is a name, a sample rate and `speak`. espeak-ng comes first because Debian, CI and this project's films have it;
other engines plug in through the entry-point group `distinctad.voices` (a function without arguments that gives a
`Voice`, or None where the engine is not installed). The program gets a list of arguments and the text on its standard
input: no shell, and no text that could be read as an option. The pocket films' dialogue has two voices of its own
(`datasets_scripts.pocket.voice`); this one differs from both in variant and pitch, so that nobody takes one for
the other.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import wave
from functools import lru_cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from distinctad.errors import UserError, one_line

if TYPE_CHECKING:
    import numpy as np

GROUP = "distinctad.voices"
SPEED_WPM = 165  # asked of espeak-ng; what it really takes is measured (see `planner_rate`)
_VARIANT, _PITCH = "en-us+m7", "45"
_TIMEOUT_S = 60.0
_KEPT = 32  # sounds, of some seconds each
_QUIET = 0.01  # below this a sample counts as silence at the ends


class Voice(Protocol):
    """Something that speaks.

    Attributes:
        name: for reports and labels.
        rate_hz: samples a second.
    """

    name: str
    rate_hz: int

    def speak(self, text: str) -> np.ndarray:
        """Say a text: (samples,) float32 mono in -1..1, no silence at its ends; empty for a text without words."""
        ...


class Espeak:
    """The program espeak-ng.

    Attributes:
        name: "espeak-ng".
        rate_hz: 22,050, what the program writes.
    """

    name = "espeak-ng"
    rate_hz = 22_050

    def __init__(self, program: str) -> None:
        """Remember where the program is."""
        self._program = program

    def speak(self, text: str) -> np.ndarray:
        """Say a text.

        Args:
            text: what to say; control characters are read as blanks.

        Returns:
            (samples,) float32 mono at `rate_hz` in -1..1, silence cut off at both ends; empty for a text without words.

        Raises:
            UserError: if the program fails, hangs or writes something else.
        """
        import numpy as np

        plain = one_line(text, 10_000)
        if not plain:
            return np.zeros(0, np.float32)
        fix = "Reinstall espeak-ng, or do without a voice."
        with tempfile.TemporaryDirectory(prefix="distinctad_") as folder:
            path = Path(folder) / "line.wav"
            command = [self._program, "-v", _VARIANT, "-p", _PITCH, "-s", str(SPEED_WPM), "-b", "1", "-w", str(path)]
            try:
                subprocess.run(
                    [*command, "--stdin"], input=plain.encode(), capture_output=True, check=True, timeout=_TIMEOUT_S
                )
                with wave.open(str(path), "rb") as file:
                    if (file.getsampwidth(), file.getnchannels(), file.getframerate()) != (2, 1, self.rate_hz):
                        raise UserError(f"{self.name} wrote no 16-bit mono sound of {self.rate_hz} Hz", fix)
                    samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
            except subprocess.CalledProcessError as error:
                said = one_line(error.stderr.decode(errors="replace"), 120)
                raise UserError(f"{self.name} failed with code {error.returncode}: {said}", fix) from error
            except (OSError, subprocess.TimeoutExpired, wave.Error, EOFError) as error:
                raise UserError(f"{self.name} wrote no sound ({one_line(str(error), 120)})", fix) from error
        sound = samples.astype(np.float32) / 32768.0
        loud = np.flatnonzero(np.abs(sound) > _QUIET)
        return sound[loud[0] : loud[-1] + 1] if loud.size else sound[:0]


class Unvoiced:
    """No voice: texts are timed at an assumed rate, and nothing can be heard.

    Attributes:
        name: says so.
        rate_hz: of the sound that it does not make.
    """

    name = "none"
    rate_hz = Espeak.rate_hz

    def speak(self, text: str) -> np.ndarray:
        """Refuse: a silent file would pass for a description.

        Raises:
            UserError: always.
        """
        raise UserError("there is no voice to speak with", "Install espeak-ng, or take the text files alone.")

    def seconds(self, text: str) -> float:
        """Predict how long a reader takes for a text, in seconds."""
        from distinctad.planner_rate import assumed

        return assumed().seconds(text)


class Remembering:
    """A voice that measures the same text only once, and keeps what it said last.

    Of a long film thousands of texts are measured and shortened; their sound would fill the memory.

    Attributes:
        name: the voice's.
        rate_hz: the voice's.
    """

    def __init__(self, voice: Voice) -> None:
        """Wrap a voice."""
        self.name, self.rate_hz = voice.name, voice.rate_hz
        self._speak = lru_cache(_KEPT)(voice.speak)
        self._seconds: dict[str, float] = {}

    def speak(self, text: str) -> np.ndarray:
        """Say a text, as the voice does: (samples,) float32."""
        return self._speak(text)

    def seconds(self, text: str) -> float:
        """Measure how long a text takes, in seconds."""
        if text not in self._seconds:
            self._seconds[text] = self.speak(text).size / self.rate_hz
        return self._seconds[text]


def label(voice: Voice) -> str:
    """Name a voice so that every listener knows what it is."""
    return "no voice, times assumed" if isinstance(voice, Unvoiced) else f"synthetic voice {voice.name}"


def _on_windows() -> str | None:
    """Where espeak-ng's installer puts it there, on no search path."""
    program = Path(os.environ.get("ProgramFiles", "")) / "eSpeak NG" / "espeak-ng.exe"
    return str(program) if program.is_absolute() and program.is_file() else None


def find_voice(name: str = "auto") -> Remembering | Unvoiced:
    """Find a voice on this machine.

    Args:
        name: "auto" for the first there is (espeak-ng, then others by name), one voice's name, or "none" to plan times
            without one.

    Returns:
        The voice.

    Raises:
        UserError: if there is none of that name, or none at all.
    """
    if name == Unvoiced.name:
        return Unvoiced()
    program = shutil.which("espeak-ng") or _on_windows()
    if program and name in ("auto", Espeak.name):
        return Remembering(Espeak(program))
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        if name in ("auto", entry.name):
            voice = entry.load()()
            if voice is not None:
                return Remembering(voice)
    # `describe`, `plan` and pages come here: a fix must be one in all of them.
    if name != "auto":
        raise UserError(f"no voice '{one_line(name, 40)}' is installed", "Install it, or give another --voice.")
    raise UserError("no voice is installed", "Install espeak-ng, or do without a voice.")
