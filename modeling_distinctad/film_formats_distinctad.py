"""Which files FFmpeg may open as films, such as hold all that they show; and which Pillow may open as portraits.

FFmpeg tells a format by a file's first bytes, whatever its name: `x.mp4` may be a list of other files (`ffconcat`), so
that a stranger's film would have us read its neighbours, or itself without end. FFmpeg refuses what is not on our list
before it opens anything that the file names. The list is our own choice.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator

# Sound alone is there to be told from no film. Pictures are not: FFmpeg reads numbered ones as one film ("%d.png").
_FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,flv,live_flv,kux,asf,ogg,mxf,gxf,nut,rm,wtv,dv,ivf,"
    "yuv4mpegpipe,gif,mpegvideo,m4v,h263,h264,hevc,vvc,vc1,av1,obu,mjpeg,wav,w64,aiff,caf,mp3,flac,aac,ac3,eac3,dts"
)
PYAV_OPTIONS = {"format_whitelist": _FORMATS}  # for the `container_options` of each `av.open` that reads a film
PORTRAIT_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF")  # Pillow hands PostScript to a program of its own
_OPENCV_OPTIONS = "OPENCV_FFMPEG_CAPTURE_OPTIONS"
_ONE_AT_A_TIME = threading.Lock()


@contextlib.contextmanager
def opencv_options() -> Iterator[None]:
    """Inside, OpenCV opens such files alone; it takes FFmpeg's options from the environment, which is put back.

    Ours stand first: FFmpeg reads no further than the first that is none, and OpenCV does not say so.
    """
    with _ONE_AT_A_TIME:
        before = os.environ.get(_OPENCV_OPTIONS)
        os.environ[_OPENCV_OPTIONS] = f"format_whitelist;{_FORMATS}" + (f"|{before}" if before else "")
        try:
            yield
        finally:
            if before is None:
                del os.environ[_OPENCV_OPTIONS]
            else:
                os.environ[_OPENCV_OPTIONS] = before
