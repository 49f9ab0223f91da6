"""OpenAI's SDK, answered by vendors of other dialects."""

import json

import openai
import pydantic
import pytest
import suite

OTHERS = suite.model_of("anthropic", "gemini", "bedrock", "cohere")
STRICT = {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}, "required": ["city", "days"], "additionalProperties": False}
TOOL = {"type": "function", "function": {"name": "get_weather", "description": "Tells the weather", "parameters": STRICT}}


class Trip(pydantic.BaseModel):
    city: str
    days: int


@pytest.fixture
def client(world):
    with openai.OpenAI(base_url=f"{world.url}/openai", api_key=suite.CLIENT_KEY, max_retries=0) as client:
        yield client


def asking(text):
    return [{"role": "system", "content": "Be kind."}, {"role": "user", "content": text}]


@OTHERS
def test_a_text_comes_whole(client, model):
    answer = client.chat.completions.create(model=model, messages=asking("hello"))
    assert answer.choices[0].message.content == suite.ANSWER
    assert answer.choices[0].finish_reason == "stop"
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (11, 5, 16)


@OTHERS
def test_a_text_streams(client, model):
    with client.chat.completions.stream(model=model, messages=asking("hello"), stream_options={"include_usage": True}) as stream:
        pieces = [event.delta for event in stream if event.type == "content.delta"]
        answer = stream.get_final_completion()
    assert len(pieces) > 1 and "".join(pieces) == suite.ANSWER
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.completion_tokens == 5


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@OTHERS
def test_tools_make_a_round_trip(world, client, model, streamed):
    request = {"model": model, "messages": asking("weather in two cities"), "tools": [TOOL]}
    if streamed:
        with client.chat.completions.stream(**request) as stream:
            choice = stream.get_final_completion().choices[0]
    else:
        choice = client.chat.completions.create(**request).choices[0]
    assert choice.finish_reason == "tool_calls"
    calls = choice.message.tool_calls
    assert [json.loads(call.function.arguments) for call in calls] == [{"city": "Oslo", "days": 2}, {"city": "Rome", "days": 1}]
    assert len({call.id for call in calls}) == 2
    results = [{"role": "tool", "tool_call_id": call.id, "content": f"{at} degrees"} for at, call in enumerate(calls)]
    history = [*request["messages"], choice.message.model_dump(exclude_none=True, exclude={"parsed"}), *results]
    answer = client.chat.completions.create(**request | {"messages": history})
    assert answer.choices[0].message.content.startswith(("Cold in Oslo", "It is cold in Oslo"))
    assert "0 degrees" in world.last()["body"] and "1 degrees" in world.last()["body"]


@suite.model_of("anthropic", "gemini", "bedrock")
def test_an_image_arrives(world, client, model):
    image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{suite.PNG}"}}
    messages = [{"role": "user", "content": [{"type": "text", "text": "picture"}, image]}]
    answer = client.chat.completions.create(model=model, messages=messages)
    assert answer.choices[0].message.content == "A red dot."
    assert suite.PNG in world.last()["body"]


@suite.model_of("anthropic", "gemini")
def test_an_answer_has_the_wanted_structure(world, client, model):
    answer = client.chat.completions.parse(model=model, messages=asking("as data"), response_format=Trip)
    assert answer.choices[0].message.parsed == Trip(city="Oslo", days=2)
    assert '"days"' in world.last()["body"]


@OTHERS
def test_the_responses_api_is_answered(client, model):
    answer = client.responses.create(model=model, instructions="Be kind.", input="hello", store=False)
    assert (answer.status, answer.output_text) == ("completed", suite.ANSWER)
    assert answer.usage.output_tokens == 5
    with client.responses.stream(model=model, input="hello", store=False) as stream:
        pieces = [event.delta for event in stream if event.type == "response.output_text.delta"]
        answer = stream.get_final_response()
    assert "".join(pieces) == answer.output_text == suite.ANSWER


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@OTHERS
def test_tools_make_a_round_trip_through_the_responses_api(world, client, model, streamed):
    tool = {"type": "function", "strict": True, **TOOL["function"]}
    request = {"model": model, "input": [{"role": "user", "content": "weather in two cities"}], "tools": [tool], "store": False}
    if streamed:
        with client.responses.stream(**request) as stream:
            answer = stream.get_final_response()
    else:
        answer = client.responses.create(**request)
    calls = [item for item in answer.output if item.type == "function_call"]
    assert [json.loads(call.arguments) for call in calls] == [{"city": "Oslo", "days": 2}, {"city": "Rome", "days": 1}]
    results = [{"type": "function_call_output", "call_id": call.call_id, "output": f"{at} degrees"} for at, call in enumerate(calls)]
    items = [item.model_dump(exclude_none=True, exclude={"parsed_arguments"}) for item in answer.output]
    answer = client.responses.create(**request | {"input": [*request["input"], *items, *results]})
    assert answer.output_text.startswith(("Cold in Oslo", "It is cold in Oslo"))
    assert "0 degrees" in world.last()["body"] and "1 degrees" in world.last()["body"]


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@OTHERS
def test_errors_are_the_sdks_own(client, model, streamed):
    cases = [
        ("slow down", openai.RateLimitError, "slow down, please"),
        ("wrong", openai.BadRequestError, "that was wrong"),
        ("broken", openai.InternalServerError, "we are broken"),
    ]
    for text, expected, message in cases:
        with pytest.raises(expected, match=message) as raised:
            client.chat.completions.create(model=model, messages=asking(text), stream=streamed)
        if expected is openai.RateLimitError:
            assert raised.value.response.headers["retry-after"] == "7"


@OTHERS
def test_what_breaks_off_is_no_answer(client, model):
    with pytest.raises(openai.APIError):
        for _ in client.chat.completions.create(model=model, messages=asking("break off"), stream=True):
            pass
    with pytest.raises(openai.APIError):
        for _ in client.responses.create(model=model, input="break off", stream=True, store=False):
            pass
