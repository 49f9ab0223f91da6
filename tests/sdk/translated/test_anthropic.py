"""Anthropic's SDK, answered by vendors of other dialects."""

import anthropic
import pytest
import suite

OTHERS = suite.model_of("openai", "gemini", "bedrock", "cohere")
TOOL = {
    "name": "get_weather",
    "description": "Tells the weather",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}},
}


@pytest.fixture
def client(world):
    with anthropic.Anthropic(base_url=f"{world.url}/anthropic", api_key=suite.CLIENT_KEY, max_retries=0) as client:
        yield client


def asking(text, **more):
    return {"max_tokens": 100, "messages": [{"role": "user", "content": text}]} | more


@OTHERS
def test_a_text_comes_whole(client, model):
    message = client.messages.create(model=model, **asking("hello", system="Be kind."))
    assert [block.text for block in message.content] == [suite.ANSWER]
    assert (message.role, message.stop_reason) == ("assistant", "end_turn")
    assert (message.usage.input_tokens, message.usage.output_tokens) == (11, 5)


@OTHERS
def test_a_text_streams(client, model):
    with client.messages.stream(model=model, **asking("hello")) as stream:
        pieces = list(stream.text_stream)
        message = stream.get_final_message()
    assert len(pieces) > 1 and "".join(pieces) == suite.ANSWER
    assert message.content[0].text == suite.ANSWER
    assert message.stop_reason == "end_turn"
    assert message.usage.output_tokens == 5


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@OTHERS
def test_tools_make_a_round_trip(world, client, model, streamed):
    request = asking("weather in two cities", tools=[TOOL], tool_choice={"type": "auto"})
    if streamed:
        with client.messages.stream(model=model, **request) as stream:
            message = stream.get_final_message()
    else:
        message = client.messages.create(model=model, **request)
    assert message.stop_reason == "tool_use"
    calls = [block for block in message.content if block.type == "tool_use"]
    assert [call.input for call in calls] == [{"city": "Oslo", "days": 2}, {"city": "Rome", "days": 1}]
    assert [call.name for call in calls] == ["get_weather"] * 2
    assert len({call.id for call in calls}) == 2
    results = [{"type": "tool_result", "tool_use_id": call.id, "content": f"{at} degrees"} for at, call in enumerate(calls)]
    history = request["messages"] + [
        {"role": "assistant", "content": [block.model_dump(exclude_none=True) for block in message.content]},
        {"role": "user", "content": results},
    ]
    answer = client.messages.create(model=model, **request | {"messages": history})
    assert answer.content[0].text.startswith(("Cold in Oslo", "It is cold in Oslo"))
    assert "0 degrees" in world.last()["body"] and "1 degrees" in world.last()["body"]


@suite.model_of("openai", "gemini", "bedrock")
def test_an_image_arrives(world, client, model):
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": suite.PNG}}
    answer = client.messages.create(model=model, **asking([{"type": "text", "text": "picture"}, image]))
    assert answer.content[0].text == "A red dot."
    assert suite.PNG in world.last()["body"]


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@OTHERS
def test_errors_are_the_sdks_own(client, model, streamed):
    cases = [
        ("slow down", anthropic.RateLimitError, "slow down, please"),
        ("wrong", anthropic.BadRequestError, "that was wrong"),
        ("broken", anthropic.InternalServerError, "we are broken"),
    ]
    for text, expected, message in cases:
        with pytest.raises(expected, match=message) as raised:
            client.messages.create(model=model, stream=streamed, **asking(text))
        assert raised.value.body["type"] == "error"
        if expected is anthropic.RateLimitError:
            assert raised.value.response.headers["retry-after"] == "7"
            assert raised.value.body["error"]["type"] == "rate_limit_error"


@OTHERS
def test_what_breaks_off_is_no_answer(client, model):
    with pytest.raises(anthropic.APIError):
        with client.messages.stream(model=model, **asking("break off")) as stream:
            for _ in stream.text_stream:
                pass


def test_a_model_that_is_not_there_is_told(client):
    with pytest.raises(anthropic.NotFoundError):
        client.messages.create(model="mistral/x", **asking("hello"))


@suite.model_of("openai", "gemini")
def test_counting_tokens_is_not_offered(client, model):
    with pytest.raises(anthropic.APIStatusError) as raised:
        client.messages.count_tokens(model=model, messages=[{"role": "user", "content": "hello"}])
    assert raised.value.status_code == 501
