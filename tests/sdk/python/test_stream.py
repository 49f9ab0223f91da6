import asyncio
import json
import uuid

import httpx2
import openai
import pytest

STORY = [{"role": "user", "content": "one two three four"}]
WORDS = ["You ", "said: ", "one ", "two ", "three ", "four"]


def contents(chunks) -> list[str]:
    return [chunk.choices[0].delta.content for chunk in chunks if chunk.choices and chunk.choices[0].delta.content]


def test_a_stream_arrives_whole(target):
    stream = target.client.chat.completions.create(model="gpt-4o-mini", messages=STORY, stream=True)
    chunks = list(stream)
    assert chunks[0].choices[0].delta.role == "assistant"
    assert contents(chunks) == WORDS
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert len({chunk.id for chunk in chunks}) == 1


def test_usage_comes_last_when_asked_for(target):
    stream = target.client.chat.completions.create(
        model="gpt-4o-mini", messages=STORY, stream=True, stream_options={"include_usage": True}
    )
    *_, last = stream
    assert last.choices == []
    assert last.usage.total_tokens == 20


def test_each_word_arrives_before_the_next_is_said(target, upstream):
    model = f"gated-{uuid.uuid4().hex}"
    arrived = []
    for chunk in target.client.chat.completions.create(model=model, messages=STORY, stream=True):
        arrived += contents([chunk])
        if contents([chunk]):
            upstream.go(model)
    assert arrived == WORDS


def test_each_word_arrives_before_the_next_is_said_to_the_async_client(target, upstream):
    model = f"gated-{uuid.uuid4().hex}"

    async def listen():
        arrived = []
        async with target.make_async() as client:
            async for chunk in await client.chat.completions.create(model=model, messages=STORY, stream=True):
                arrived += contents([chunk])
                if contents([chunk]):
                    await asyncio.to_thread(upstream.go, model)
        return arrived

    assert asyncio.run(listen()) == WORDS


def test_the_stream_is_the_same_bytes_both_ways(direct, through, upstream):
    bodies, seen = [], []
    for target in (direct, through):
        with httpx2.Client(timeout=30) as client:
            answer = client.post(
                f"{target.base_url}/chat/completions",
                json={"model": "gpt-4o-mini", "messages": STORY, "stream": True, "stream_options": {"include_usage": True}},
            )
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
        bodies.append(answer.content)
        seen.append(upstream.last())
    assert b": a comment that belongs to no event\n\n" in bodies[0]
    assert bodies[1] == bodies[0]
    assert seen[1].body == seen[0].body


def test_a_client_that_leaves_is_noticed_by_the_upstream(target, upstream):
    model = f"gated-{uuid.uuid4().hex}"
    stream = target.client.chat.completions.create(model=model, messages=STORY, stream=True)
    next(stream)
    stream.close()
    assert upstream.client_is_gone(model)


def test_a_stream_cut_by_the_upstream_is_an_error_and_no_end(target):
    stream = target.client.chat.completions.create(model="fail-midstream", messages=STORY, stream=True)
    arrived = []
    with pytest.raises((openai.APIError, httpx2.HTTPError)) as caught:
        for chunk in stream:
            arrived += contents([chunk])
    assert arrived == WORDS[:1]
    if target.gateway_url:
        assert isinstance(caught.value, openai.APIError)
        assert isinstance(caught.value.body, dict) and caught.value.body["message"]


def test_a_cut_stream_ends_in_an_error_event_of_openai_shape(through):
    with httpx2.Client(timeout=30) as client:
        answer = client.post(
            f"{through.base_url}/chat/completions", json={"model": "fail-midstream", "messages": STORY, "stream": True}
        )
    *_, last, rest = answer.content.split(b"\n\n")
    assert rest == b""
    assert set(json.loads(last.removeprefix(b"data: "))["error"]) == {"message", "type", "param", "code"}
    assert b"[DONE]" not in answer.content


def test_a_stream_that_falls_silent_is_ended_by_an_error(through, upstream):
    model = f"hang-midstream-{uuid.uuid4().hex}"
    stream = through.client.chat.completions.create(model=f"impatient/{model}", messages=STORY, stream=True)
    with pytest.raises(openai.APIError):
        list(stream)
    assert upstream.client_is_gone(model)


def test_an_error_before_the_first_event_is_a_plain_error(target):
    with pytest.raises(openai.RateLimitError):
        target.client.chat.completions.create(model="fail-429", messages=STORY, stream=True)


def test_thirty_streams_at_once_do_not_mix(target):
    async def listen(client, number):
        question = [{"role": "user", "content": f"{number} " * 20}]
        stream = await client.chat.completions.create(model="gpt-4o-mini", messages=question, stream=True)
        return "".join(contents([chunk async for chunk in stream]))

    async def listen_to_all():
        async with target.make_async() as client:
            return await asyncio.gather(*(listen(client, number) for number in range(30)))

    assert asyncio.run(listen_to_all()) == [f"You said: {f'{number} ' * 20}" for number in range(30)]


def test_a_legacy_completion_streams_too(target):
    stream = target.client.completions.create(model="gpt-3.5-turbo-instruct", prompt="Once upon", stream=True)
    assert "".join(chunk.choices[0].text for chunk in stream) == "Once upon and so on"
