"""Google's SDK, answered by vendors of other dialects."""

import base64

import pydantic
import pytest
import suite
from google import genai
from google.genai import errors, types

OTHERS = suite.model_of("openai", "anthropic", "bedrock", "cohere")
TOOL = types.Tool(
    function_declarations=[
        types.FunctionDeclaration(
            name="get_weather",
            description="Tells the weather",
            parameters_json_schema={"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}},
        )
    ]
)


class Trip(pydantic.BaseModel):
    city: str
    days: int


@pytest.fixture
def client(world):
    return genai.Client(api_key=suite.CLIENT_KEY, http_options=types.HttpOptions(base_url=f"{world.url}/genai"))


@OTHERS
def test_a_text_comes_whole(client, model):
    config = types.GenerateContentConfig(system_instruction="Be kind.", max_output_tokens=100)
    answer = client.models.generate_content(model=model, contents="hello", config=config)
    assert answer.text == suite.ANSWER
    assert answer.candidates[0].finish_reason == types.FinishReason.STOP
    assert (answer.usage_metadata.prompt_token_count, answer.usage_metadata.candidates_token_count) == (11, 5)


@OTHERS
def test_a_text_streams(client, model):
    pieces = list(client.models.generate_content_stream(model=model, contents="hello"))
    assert len(pieces) > 1 and "".join(piece.text or "" for piece in pieces) == suite.ANSWER
    assert pieces[-1].candidates[0].finish_reason == types.FinishReason.STOP
    assert pieces[-1].usage_metadata.candidates_token_count == 5


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@OTHERS
def test_tools_make_a_round_trip(world, client, model, streamed):
    automatic = types.AutomaticFunctionCallingConfig(disable=True)
    config = types.GenerateContentConfig(tools=[TOOL], automatic_function_calling=automatic)
    history = [types.UserContent("weather in two cities")]
    if streamed:
        pieces = list(client.models.generate_content_stream(model=model, contents=history, config=config))
        parts = [part for piece in pieces for part in piece.candidates[0].content.parts or []]
    else:
        parts = client.models.generate_content(model=model, contents=history, config=config).candidates[0].content.parts
    calls = [part.function_call for part in parts if part.function_call]
    assert [call.args for call in calls] == [{"city": "Oslo", "days": 2}, {"city": "Rome", "days": 1}]
    results = [
        types.Part(function_response=types.FunctionResponse(id=call.id, name=call.name, response={"output": f"{at} degrees"}))
        for at, call in enumerate(calls)
    ]
    history += [types.ModelContent(parts), types.UserContent(results)]
    answer = client.models.generate_content(model=model, contents=history, config=config)
    assert answer.text.startswith(("Cold in Oslo", "It is cold in Oslo"))
    assert "0 degrees" in world.last()["body"] and "1 degrees" in world.last()["body"]


@suite.model_of("openai", "anthropic", "bedrock")
def test_an_image_arrives(world, client, model):
    image = types.Part.from_bytes(data=base64.b64decode(suite.PNG), mime_type="image/png")
    answer = client.models.generate_content(model=model, contents=["picture", image])
    assert answer.text == "A red dot."
    assert suite.PNG in world.last()["body"]


@suite.model_of("openai", "anthropic")
def test_an_answer_has_the_wanted_structure(world, client, model):
    config = types.GenerateContentConfig(response_mime_type="application/json", response_schema=Trip)
    answer = client.models.generate_content(model=model, contents="as data", config=config)
    assert answer.parsed == Trip(city="Oslo", days=2)
    assert '"days"' in world.last()["body"]


@OTHERS
def test_errors_are_the_sdks_own(client, model):
    cases = [
        ("slow down", errors.ClientError, 429, "RESOURCE_EXHAUSTED"),
        ("wrong", errors.ClientError, 400, "INVALID_ARGUMENT"),
    ]
    for text, expected, code, status in cases:
        with pytest.raises(expected) as raised:
            client.models.generate_content(model=model, contents=text)
        assert (raised.value.code, raised.value.status) == (code, status)
        with pytest.raises(expected) as raised:
            list(client.models.generate_content_stream(model=model, contents=text))
        assert (raised.value.code, raised.value.status) == (code, status)
    with pytest.raises(errors.ServerError, match="we are broken"):
        client.models.generate_content(model=model, contents="broken")


@OTHERS
def test_what_breaks_off_is_no_answer(client, model):
    with pytest.raises(errors.APIError):
        list(client.models.generate_content_stream(model=model, contents="break off"))
