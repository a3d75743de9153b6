"""Tars and zips from elsewhere, read without unpacking: bounded, plain files only, no path that leaves the folder.

TV-AD's frames and clip shards come as tars. No public set comes as a zip today: `read_zip_member` is for data owners
whose sets do, so that nobody has to write these guards anew.
"""

from __future__ import annotations

import lzma
import stat
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from datasets_scripts.repairs import short

MAX_MEMBER = 64 << 20  # bytes; a 3 fps frame of TV-AD has about 0.03 of a MiB
MAX_MEMBERS = 200_000
MAX_NAME = 1 << 16  # bytes of a long name or of pax headers
MAX_RATIO = 200  # a picture or table does not compress by more; a bomb does
_PIECE = 1 << 20  # bytes read at once of what fills a tar up; mostly there are under 10 KiB

BROKEN = (
    OSError, EOFError, LookupError, ValueError, OverflowError, RuntimeError, NotImplementedError, struct.error,
    tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError,
)  # fmt: skip
"""What the standard library raises on damaged headers and data."""


class ArchiveError(ValueError):
    """An archive or member that is not to be trusted or cannot be read."""


def check_member(name: str) -> str:
    """A member's path, once it stays inside the archive.

    Raises:
        ArchiveError: absolute, with "..", a drive or a backslash.
    """
    path = PurePosixPath(name)
    if not name or path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name or "\0" in name:
        raise ArchiveError(f"member {short(name)} leaves the archive's folder, expected a relative path; do not unpack")
    return path.as_posix()


class _Header(tarfile.TarInfo):
    """A header looked at before tarfile goes by it: it reads long names whole, and a negative size leads it back."""

    _NAMES = (
        tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE,
    )  # fmt: skip

    @classmethod
    def frombuf(cls, *arguments: Any) -> Any:
        """As tarfile's.

        Raises:
            ArchiveError: a size that no header may have.
        """
        found = super().frombuf(*arguments)
        if found.size < 0:
            raise ArchiveError(f"member {short(found.name)} has {found.size} bytes, expected 0 or more; fetch it again")
        if found.type in cls._NAMES and found.size > MAX_NAME:
            raise ArchiveError(f"an extended header has {found.size} bytes, expected under {MAX_NAME}; fetch it again")
        return found


class TarIndex:
    """An uncompressed tar: its members by name.

    Compressed tars are refused (their size says nothing about what comes out); so are links, devices and paths that
    leave the folder.

    Args:
        path: the file.
        within: where in the file the tar begins and ends, bytes; None: the file is the tar.
        name: what messages call it; "": by the file's name.

    Attributes:
        names: the plain files in it.

    Raises:
        ArchiveError: no such file, no tar, one that is cut off or holds more than zeros after its end, or a member as
            above.
    """

    def __init__(self, path: Path, within: tuple[int, int] | None = None, name: str = "") -> None:
        self.path, self._name = path, name or path.name
        self._places: dict[str, tuple[int, int]] = {}
        first, end = within or (0, None)
        at = first
        try:
            with path.open("rb") as file:
                file.seek(first)
                with tarfile.open(fileobj=file, mode="r:", tarinfo=_Header) as tar:
                    for count, member in enumerate(tar):
                        if end is not None and member.offset >= end:  # the next one of the tar around this one
                            break
                        if count >= MAX_MEMBERS:
                            raise ArchiveError(f"{self._name} has over {MAX_MEMBERS} members; split it")
                        self._add(member, end)
                        at = tar.offset
                    if end is not None and (at > end or first == end):
                        raise ArchiveError(f"{self._name} is cut off; expected a whole tar; fetch it again")
                    self._check_rest(file, first, at, end)
        except ArchiveError:
            raise
        except BROKEN as error:
            raise ArchiveError(f"{self._name} is no plain tar ({short(str(error))}); fetch it again") from error
        self.names = list(self._places)

    def _check_rest(self, file: BinaryIO, first: int, at: int, end: int | None) -> None:
        """Refuse all but zeros from `at` on: tarfile takes damage for the end, and would lose what follows unsaid."""
        ended = file.seek(at)
        while rest := file.read(_PIECE if end is None else min(_PIECE, end - at)):
            if rest.strip(b"\0"):
                byte = at - first + len(rest) - len(rest.lstrip(b"\0"))
                raise ArchiveError(
                    f"{self._name} is damaged at byte {byte}; expected a header at {ended - first} or zeros alone from "
                    "there on; fetch it again"
                )
            at += len(rest)

    def _add(self, member: tarfile.TarInfo, end: int | None) -> None:
        name = check_member(member.name)
        if member.size < 0 or (end is not None and member.offset_data + member.size > end):
            raise ArchiveError(f"member {short(name)} reaches out of the tar that it lies in; fetch it again")
        if member.isdir():
            return
        if not member.isreg() or member.issparse():
            raise ArchiveError(f"member {short(name)} is a link or device, expected files; do not unpack")
        self._places[name] = (member.offset_data, member.size)

    def inner(self, name: str) -> TarIndex:
        """A tar that lies in this one, read where it lies.

        Raises:
            ArchiveError: no such member, or it is no plain tar, whole to its end.
        """
        first, size = self._place(name)
        return TarIndex(self.path, (first, first + size), f"{short(name)} of {self._name}")

    def read(self, name: str) -> bytes:
        """The bytes of a member.

        Raises:
            ArchiveError: no such member, one over `MAX_MEMBER`, or the file ends before its end.
        """
        offset, size = self._place(name)
        if size > MAX_MEMBER:
            raise ArchiveError(f"member {short(name)} has {size} bytes, expected under {MAX_MEMBER}")
        with self.path.open("rb") as file:
            file.seek(offset)
            raw = file.read(size)
        if len(raw) < size:
            raise ArchiveError(f"{self._name} breaks off in {short(name)}; fetch it again")
        return raw

    def _place(self, name: str) -> tuple[int, int]:
        """Where a member's bytes begin, and how many there are."""
        if name not in self._places:
            raise ArchiveError(f"{self._name} has no member {short(name)}; expected one of {len(self.names)}")
        return self._places[name]


def read_zip_member(path: Path, name: str) -> bytes:
    """The bytes of a member of a zip, never more than its directory promises or `MAX_MEMBER`.

    Raises:
        ArchiveError: no zip, no such member, an unsafe path, a link, or a decompression bomb.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            for other in archive.infolist():
                check_member(other.filename)
                if stat.S_ISLNK(other.external_attr >> 16):
                    raise ArchiveError(f"member {short(other.filename)} is a link, expected files; do not unpack")
            info = archive.getinfo(name)
            if info.file_size > MAX_MEMBER or info.file_size > MAX_RATIO * max(1, info.compress_size):
                raise ArchiveError(
                    f"member {short(name)} grows from {info.compress_size} to {info.file_size} bytes, expected under "
                    f"{MAX_RATIO} times; do not unpack"
                )
            with archive.open(info) as member:
                raw = member.read(MAX_MEMBER + 1)
    except ArchiveError:
        raise
    except BROKEN as error:
        raise ArchiveError(f"{path.name} cannot be read ({short(str(error))}); fetch it again") from error
    if len(raw) > MAX_MEMBER:
        raise ArchiveError(f"member {short(name)} holds over {MAX_MEMBER} bytes; do not unpack")
    return raw
