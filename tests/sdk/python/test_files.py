"""Bodies that are not JSON: multipart up, binary down."""

import hashlib
import io
import random

import answers

NOISE = random.Random(1).randbytes(3_000_000)


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_a_file_goes_up_and_comes_back_unchanged(target):
    created = target.client.files.create(file=("näme.jsonl", NOISE), purpose="batch")
    assert created.bytes == len(NOISE)
    assert target.client.files.retrieve(created.id).filename == created.filename
    assert created.id in [entry.id for entry in target.client.files.list(purpose="batch")]
    content = target.client.files.content(created.id)
    assert content.response.headers["content-type"] == "application/octet-stream"
    assert content.response.headers["content-disposition"].startswith("attachment")
    assert sha(content.read()) == sha(NOISE)
    assert target.client.files.delete(created.id).deleted


def test_an_upload_is_the_same_parts_both_ways(both):
    both(lambda client: client.files.with_raw_response.create(file=("a.bin", NOISE[:70_000]), purpose="user_data"))


def test_an_empty_file_goes_up(target):
    assert target.client.files.create(file=("empty.jsonl", b""), purpose="batch").bytes == 0


def test_a_file_is_streamed_to_the_client(target):
    created = target.client.files.create(file=("a.jsonl", io.BytesIO(NOISE)), purpose="batch")
    received = hashlib.sha256()
    with target.client.files.with_streaming_response.content(created.id) as content:
        for piece in content.iter_bytes(8192):
            received.update(piece)
    assert received.hexdigest() == sha(NOISE)


def test_a_recording_is_transcribed(target):
    answer = target.client.audio.transcriptions.create(model="whisper-1", file=("talk.mp3", NOISE), language="en")
    assert answer.text == f"talk.mp3: {len(NOISE)} bytes, {sha(NOISE)}, by whisper-1"
    assert target.client.audio.translations.create(model="whisper-1", file=("talk.mp3", b"abc")).text.startswith("talk.mp3: 3 bytes")


def test_a_transcript_may_be_plain_text(target):
    answer = target.client.audio.transcriptions.create(model="whisper-1", file=("talk.mp3", b"abc"), response_format="text")
    assert answer == f"talk.mp3: 3 bytes, {sha(b'abc')}, by whisper-1"


def test_a_prefix_is_taken_from_the_model_part_of_a_form(through, upstream):
    answer = through.client.audio.transcriptions.create(model="openai/whisper-1", file=("talk.mp3", NOISE[:50_000]))
    assert answer.text == f"talk.mp3: 50000 bytes, {sha(NOISE[:50_000])}, by whisper-1"
    seen = upstream.last()
    assert int(seen.headers.get("content-length", len(seen.body))) == len(seen.body)


def test_speech_comes_back_as_bytes(target):
    assert target.client.audio.speech.create(model="tts-1", voice="alloy", input="hello").read() == answers.SPEECH


def test_speech_is_streamed_to_a_file(target, tmp_path):
    with target.client.audio.speech.with_streaming_response.create(model="tts-1", voice="alloy", input="hello") as speech:
        assert speech.headers["content-type"] == "audio/mpeg"
        speech.stream_to_file(tmp_path / "hello.mp3")
    assert (tmp_path / "hello.mp3").read_bytes() == answers.SPEECH
