"""LangChain's models of OpenAI and Anthropic, answered by vendors of other dialects."""

import anthropic
import langchain_anthropic
import langchain_openai
import openai
import pydantic
import pytest
import suite
from langchain_core.messages import HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool

PAIRS = pytest.mark.parametrize(
    ("speaks", "model"),
    [
        (speaks, suite.MODELS[vendor])
        for speaks, vendors in (("openai", ("anthropic", "gemini")), ("anthropic", ("openai", "gemini")))
        for vendor in vendors
    ],
)


@tool
def get_weather(city: str, days: int) -> str:
    """Tells the weather."""
    return f"{city}: {days} degrees"


class Trip(pydantic.BaseModel):
    """A trip."""

    city: str
    days: int


@pytest.fixture
def chat(world, speaks, model):
    if speaks == "openai":
        return langchain_openai.ChatOpenAI(model=model, base_url=f"{world.url}/langchain/openai", api_key=suite.CLIENT_KEY, max_retries=0, stream_usage=True)
    return langchain_anthropic.ChatAnthropic(model=model, base_url=f"{world.url}/langchain", api_key=suite.CLIENT_KEY, max_retries=0, max_tokens=100)


@PAIRS
def test_a_text_comes_whole_and_streams(chat):
    messages = [SystemMessage("Be kind."), HumanMessage("hello")]
    answer = chat.invoke(messages)
    assert answer.text == suite.ANSWER
    assert (answer.usage_metadata["input_tokens"], answer.usage_metadata["output_tokens"]) == (11, 5)
    pieces = list(chat.stream(messages))
    assert len(pieces) > 1 and "".join(piece.text for piece in pieces) == suite.ANSWER


@PAIRS
def test_tools_make_a_round_trip(world, chat):
    bound = chat.bind_tools([get_weather])
    history = [HumanMessage("weather in two cities")]
    for answer in (bound.invoke(history), sum_of(bound.stream(history))):
        assert [call["args"] for call in answer.tool_calls] == [{"city": "Oslo", "days": 2}, {"city": "Rome", "days": 1}]
        results = [get_weather.invoke(call) for call in answer.tool_calls]
        assert all(isinstance(result, ToolMessage) for result in results)
        told = bound.invoke([*history, answer, *results])
        assert told.text.startswith(("Cold in Oslo", "It is cold in Oslo"))
        assert "Oslo: 2 degrees" in world.last()["body"] and "Rome: 1 degrees" in world.last()["body"]


def sum_of(pieces):
    whole = None
    for piece in pieces:
        whole = piece if whole is None else whole + piece
    return whole


@PAIRS
def test_an_answer_has_the_wanted_structure(chat):
    assert chat.with_structured_output(Trip, method="json_schema").invoke("as data") == Trip(city="Oslo", days=2)


@PAIRS
def test_errors_are_the_sdks_own(chat, speaks):
    sdk = {"openai": openai, "anthropic": anthropic}[speaks]
    with pytest.raises(sdk.RateLimitError, match="slow down, please"):
        chat.invoke("slow down")
    with pytest.raises(sdk.APIError):
        list(chat.stream("break off"))
