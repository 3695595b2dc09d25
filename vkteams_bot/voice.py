"""Voice messages: any audio as OGG/Opus. Needs the extra `voice`."""

from __future__ import annotations

import io
from types import ModuleType
from typing import Any, BinaryIO

from vkteams_bot.api.files import InputFile, Source
from vkteams_bot.api.remote_files import fetched_sync
from vkteams_bot.exceptions import ConfigurationError, InvalidCall

SAMPLES_PER_SECOND = 48_000
BITS_PER_SECOND = 32_000
# A file may come from a stranger: no playlists, which make the library open other files.
OPENING = {"format_whitelist": "aac,ac3,aiff,amr,asf,avi,caf,flac,flv,matroska,mov,mp3,mpeg,mpegts,ogg,wav,webm"}


def to_ogg_opus(source: InputFile | Source, *, filename: str = "voice.ogg") -> InputFile:
    """The sound of an audio or video file as mono OGG/Opus at 48 kHz, for `send_voice` and `answer_voice`.

    Takes what InputFile takes; bytes may do without a name. It keeps a processor busy: in async code call it by
    `await asyncio.to_thread(to_ogg_opus, path)`. Raises InvalidCall for what has no sound, ConfigurationError when the
    library is missing.
    """
    av = _library()
    if not isinstance(source, InputFile):
        source = InputFile(source, filename=filename)
    if source.is_far:
        with fetched_sync(source) as near:
            return to_ogg_opus(near, filename=filename)
    converted = io.BytesIO()
    with source.open() as file:
        try:
            _convert(av, file, converted)
        except av.FFmpegError as error:
            raise InvalidCall(f"{source!r} cannot be made a voice message: {error.strerror}") from error
    return InputFile(converted.getvalue(), filename=filename)


def _library() -> ModuleType:
    try:
        import av
    except ImportError as error:
        raise ConfigurationError(
            'voice messages are converted with PyAV, which is missing: pip install "django-vkteams-bot[voice]"'
        ) from error
    return av


def _convert(av: Any, file: BinaryIO, converted: BinaryIO) -> None:
    with av.open(file, options=OPENING) as source, av.open(converted, "w", format="ogg") as voice:
        if not source.streams.audio:
            raise InvalidCall("the file has no sound")
        track = voice.add_stream("libopus", rate=SAMPLES_PER_SECOND, layout="mono")
        track.bit_rate = BITS_PER_SECOND
        resampler = av.AudioResampler(format="s16", layout="mono", rate=SAMPLES_PER_SECOND)
        for frame in source.decode(audio=0):
            for resampled in resampler.resample(frame):
                voice.mux(track.encode(resampled))
        for resampled in resampler.resample(None):  # what it has kept back
            voice.mux(track.encode(resampled))
        voice.mux(track.encode(None))
