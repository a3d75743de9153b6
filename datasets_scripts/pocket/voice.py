"""An offline voice for the dialogue of pocket films: espeak-ng, if it is installed.

The film is complete without one (music only), so nothing here is ever required. The program is called with a list of
arguments and the text on its standard input: no shell, and no text that could be read as an option.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import wave
from pathlib import Path

import numpy as np

SAMPLE_RATE_HZ = 16_000
_TIMEOUT_S = 30.0
_RATE_WPM = 185
_FASTEST_WPM = 340  # above this espeak-ng's words run into each other
# (variant, pitch 0..99): two speakers that nobody mixes up.
_SPEAKERS: tuple[tuple[str, int], ...] = (("en-gb+m3", 32), ("en-us+f3", 62))


class VoiceError(RuntimeError):
    """The voice program failed; the message says how."""


def resample(sound: np.ndarray, from_hz: int, to_hz: int) -> np.ndarray:
    """Resample mono sound by a moving average (when going down) and linear interpolation.

    Good enough for speech of a formant synthesiser, which has little above 7 kHz.

    Args:
        sound: (samples,) float32.
        from_hz: its rate.
        to_hz: the wanted rate.

    Returns:
        (about samples * to_hz / from_hz,) float32.

    Raises:
        ValueError: on a rate below 1.
    """
    if from_hz < 1 or to_hz < 1:
        raise ValueError(f"rates are {from_hz} and {to_hz} Hz, expected 1 or more; pass samples per second")
    if from_hz == to_hz or sound.size == 0:
        return sound.astype(np.float32)
    if from_hz > to_hz:
        # A triangle of the output's sample distance: a null at the output rate, where the strongest alias would be.
        half = from_hz / to_hz
        taps = np.arange(-int(half), int(half) + 1)
        kernel = 1.0 - np.abs(taps) / (half + 1e-9)
        sound = np.convolve(sound, kernel / kernel.sum(), mode="same")
    count = int(round(sound.size * to_hz / from_hz))
    return np.interp(np.arange(count) * (from_hz / to_hz), np.arange(sound.size), sound).astype(np.float32)


def _trim(sound: np.ndarray) -> np.ndarray:
    """Cut silence off both ends."""
    loud = np.flatnonzero(np.abs(sound) > 0.01)
    return sound[loud[0] : loud[-1] + 1] if loud.size else sound[:0]


class Voice:
    """A text-to-speech program on this machine.

    Attributes:
        name: as films and reports call it.
    """

    def __init__(self, program: str, name: str = "espeak-ng") -> None:
        self.name = name
        self._program = program

    def speak(self, text: str, speaker: int, longest_s: float | None = None) -> np.ndarray:
        """Say a text.

        Args:
            text: what to say; control characters are read as blanks.
            speaker: 0 or 1 (other numbers: modulo 2).
            longest_s: speak faster when it would take longer; what is still too long at the fastest pace stays so.

        Returns:
            (samples,) float32 mono at 16 kHz in -1..1, silence cut off at both ends; empty for a text without words.

        Raises:
            VoiceError: if the program fails, hangs or writes no sound.
        """
        plain = " ".join("".join(c if c.isprintable() else " " for c in text).split())
        if not plain:
            return np.zeros(0, np.float32)
        sound = self._say(plain, speaker, _RATE_WPM)
        if longest_s is not None and longest_s > 0 and sound.size > longest_s * SAMPLE_RATE_HZ:
            # 8 % faster than the proportion asks for, as pauses do not shrink with the pace.
            wanted = int(_RATE_WPM * 1.08 * sound.size / (longest_s * SAMPLE_RATE_HZ)) + 1
            sound = self._say(plain, speaker, min(wanted, _FASTEST_WPM))
        return sound

    def _say(self, text: str, speaker: int, words_per_minute: int) -> np.ndarray:
        """One call of the program."""
        variant, pitch = _SPEAKERS[speaker % len(_SPEAKERS)]
        with tempfile.TemporaryDirectory(prefix="voice_") as folder:
            path = Path(folder) / "line.wav"
            command = [self._program, "-v", variant, "-p", str(pitch), "-s", str(words_per_minute)]
            command += ["-b", "1", "-w", str(path), "--stdin"]  # -b 1: the text is UTF-8
            try:
                subprocess.run(command, input=text.encode(), capture_output=True, check=True, timeout=_TIMEOUT_S)
                with wave.open(str(path), "rb") as file:
                    if file.getsampwidth() != 2 or file.getnchannels() != 1:
                        raise VoiceError(f"{self.name} wrote no 16-bit mono sound; install espeak-ng 1.50 or newer")
                    rate_hz = file.getframerate()
                    samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
            except subprocess.CalledProcessError as error:
                said = error.stderr.decode(errors="replace").strip()[:200]
                raise VoiceError(f"{self.name} failed with code {error.returncode}: {said}; reinstall it") from error
            except (OSError, subprocess.TimeoutExpired, wave.Error, EOFError) as error:
                raise VoiceError(f"{self.name} wrote no sound ({error}); reinstall it or draw without") from error
        return _trim(resample(samples.astype(np.float32) / 32768.0, rate_hz, SAMPLE_RATE_HZ))


def find_voice() -> Voice | None:
    """Find a voice on this machine: espeak-ng on the PATH, else None (the films then hold music only)."""
    program = shutil.which("espeak-ng")
    return Voice(program) if program else None
