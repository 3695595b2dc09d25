"""Any audio as OGG/Opus."""

import builtins
import io
import itertools
import math
import struct
import wave

import av
import pytest

from vkteams_bot.api import InputFile
from vkteams_bot.exceptions import ConfigurationError, InvalidCall
from vkteams_bot.voice import to_ogg_opus

SECONDS = 0.5


def tone(rate=44_100, channels=2):
    """A WAV of SECONDS with a tone of 440 Hz."""
    written = io.BytesIO()
    with wave.open(written, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        samples = (int(20_000 * math.sin(2 * math.pi * 440 * n / rate)) for n in range(int(rate * SECONDS)))
        file.writeframes(b"".join(struct.pack("<h", sample) * channels for sample in samples))
    return written.getvalue()


def crossings(content):
    """How often the sound passes zero upwards; its codec, rate and number of channels."""
    with av.open(io.BytesIO(content), "r") as container:
        track = container.streams.audio[0]
        facts = (container.format.name, track.codec_context.name, track.rate, track.channels)
        resampler = av.AudioResampler(format="s16", layout="mono", rate=48_000)
        data = b"".join(
            bytes(part.planes[0])[: part.samples * 2]
            for frame in container.decode(audio=0)
            for part in resampler.resample(frame)
        )
    samples = struct.unpack(f"<{len(data) // 2}h", data)
    return sum(a < 0 <= b for a, b in itertools.pairwise(samples)), facts


@pytest.mark.parametrize("as_source", ["bytes", "path", "file", "input file"])
def test_sound_becomes_mono_opus_and_stays_the_same_sound(as_source, tmp_path):
    path = tmp_path / "tone.wav"
    path.write_bytes(tone())
    source = {"bytes": tone(), "path": path, "file": io.BytesIO(tone()), "input file": InputFile(path)}[as_source]
    voice = to_ogg_opus(source)
    assert voice.filename == "voice.ogg"
    assert voice.content is not None
    found, facts = crossings(voice.content)
    assert facts == ("ogg", "opus", 48_000, 1)
    assert found == pytest.approx(440 * SECONDS, rel=0.05)
    assert len(voice.content) < len(tone()) / 5


def test_telephone_sound_is_taken_too():
    assert crossings(to_ogg_opus(tone(8_000, 1)).content)[0] == pytest.approx(440 * SECONDS, rel=0.05)


def picture():
    written = io.BytesIO()
    with av.open(written, "w", format="avi") as container:
        track = container.add_stream("mjpeg", rate=1)
        track.width = track.height = 16
        track.pix_fmt = "yuvj420p"
        container.mux(track.encode(av.VideoFrame(16, 16, "yuvj420p")))
        container.mux(track.encode(None))
    return written.getvalue()


@pytest.mark.parametrize(
    "content", [b"", b"no sound at all" * 99, tone()[:30], picture()], ids=["empty", "text", "cut", "mute"]
)
def test_what_has_no_sound_is_an_invalid_call(content):
    with pytest.raises(InvalidCall, match=r"voice message|no sound"):
        to_ogg_opus(content)


def test_playlist_opens_no_other_file(tmp_path, monkeypatch):
    (tmp_path / "secret.wav").write_bytes(tone())
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidCall, match="voice message"):
        to_ogg_opus(b"ffconcat version 1.0\nfile 'secret.wav'\n")


def test_missing_library_is_named_with_its_remedy(monkeypatch):
    original = builtins.__import__

    def without_av(name, *args, **kwargs):
        if name == "av":
            raise ImportError(name)
        return original(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_av)
    with pytest.raises(ConfigurationError, match=r'pip install "django-vkteams-bot\[voice\]"'):
        to_ogg_opus(b"x")
