"""An inference server that nobody here wrote, llama.cpp's, as upstream: its answers are the same direct and through."""

import concurrent.futures
import json
import os
import pathlib
import re
import sys

import harness
import httpx2
import openai
import pytest
import tiny_model

CHAT = {
    "model": "tiny",
    "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Tell me a story."}],
    "max_tokens": 24,
    "temperature": 0,
    "seed": 7,
}
# What no two answers share.
PASSING = re.compile(rb'"(?:id|created|timings)":\s*(?:"[^"]*"|\d+|\{[^{}]*\})')


def start_server(folder: pathlib.Path, *arguments: str) -> harness.Server:
    cache = pathlib.Path(os.environ.get("BIFROST_SDK_CACHE", folder))
    model = tiny_model.ensure_model(cache / "tiny.gguf")
    command = [sys.executable, str(harness.HERE / "real" / "inference_server.py"), str(model), *arguments]
    return harness.Server(command, folder / "inference_server.log", dict(os.environ))


@pytest.fixture(scope="session")
def generating(tmp_path_factory):
    server = start_server(tmp_path_factory.mktemp("generating"))
    yield server.url
    server.stop()


@pytest.fixture(scope="session")
def embedding(tmp_path_factory):
    server = start_server(tmp_path_factory.mktemp("embedding"), "--embedding")
    yield server.url
    server.stop()


@pytest.fixture(scope="session", params=harness.ENGINES)
def gateway_url(request, start_gateway, generating, embedding) -> str:
    def provider(base_url: str) -> dict:
        return {
            "keys": [{"name": "any", "value": "sk-any", "models": ["*"], "weight": 1}],
            "network_config": {"base_url": base_url},
        }

    providers = {
        "openai": provider(generating),
        "embedder": provider(embedding) | {"custom_provider_config": {"base_provider_type": "openai"}},
    }
    return start_gateway(request.param, json.dumps({"providers": providers}), {}).url


@pytest.fixture
def clients(generating, gateway_url):
    made = [client_of(f"{generating}/v1"), client_of(f"{gateway_url}/openai")]
    yield made
    for client in made:
        client.close()


def client_of(base_url: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=base_url, api_key="sk-any", max_retries=0, timeout=30)


def lasting(body: bytes) -> bytes:
    return PASSING.sub(b'"passing":0', body)


def test_a_chat_is_answered_with_the_same_bytes(clients):
    answers = [client.chat.completions.with_raw_response.create(**CHAT) for client in clients]
    assert answers[0].parse().choices[0].message.content.strip()
    assert answers[0].parse().usage.completion_tokens == CHAT["max_tokens"]
    assert lasting(answers[1].content) == lasting(answers[0].content)


def test_a_streamed_chat_is_the_same_bytes(generating, gateway_url):
    bodies = []
    for base_url in (f"{generating}/v1", f"{gateway_url}/openai"):
        with httpx2.Client(timeout=30) as client:
            answer = client.post(
                f"{base_url}/chat/completions", json=CHAT | {"stream": True, "stream_options": {"include_usage": True}}
            )
        assert answer.status_code == 200
        bodies.append(lasting(answer.content))
    assert bodies[0].endswith(b"data: [DONE]\n\n")
    assert bodies[0].count(b"data: ") > CHAT["max_tokens"] // 2
    assert bodies[1] == bodies[0]


def test_a_stream_says_what_the_whole_answer_says(clients):
    for client in clients:
        whole = client.chat.completions.create(**CHAT).choices[0].message.content
        stream = client.chat.completions.create(**CHAT, stream=True)
        assert "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices) == whole


def test_a_prefix_in_the_model_name_changes_nothing(clients):
    bare, prefixed = clients[0].chat.completions.create(**CHAT), clients[1].chat.completions.create(**CHAT | {"model": "openai/tiny"})
    assert prefixed.choices == bare.choices
    assert prefixed.model == bare.model


def test_log_probabilities_are_the_same_numbers(clients):
    answers = [client.chat.completions.create(**CHAT, logprobs=True, top_logprobs=3) for client in clients]
    assert len(answers[0].choices[0].logprobs.content) > CHAT["max_tokens"] // 2
    assert answers[1].choices == answers[0].choices


def test_an_answer_in_a_grammar_is_the_same(clients):
    answer = {"type": "string", "enum": ["yes", "no"]}
    schema = {"type": "object", "properties": {"answer": answer}, "required": ["answer"], "additionalProperties": False}
    answers = [
        client.chat.completions.create(
            **CHAT, response_format={"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}
        )
        for client in clients
    ]
    assert json.loads(answers[0].choices[0].message.content)["answer"] in ("yes", "no")
    assert answers[1].choices == answers[0].choices


def test_a_legacy_completion_is_the_same_bytes_whole_and_streamed(clients):
    asked = {"model": "tiny", "prompt": "Once upon a time", "max_tokens": 16, "temperature": 0, "seed": 7}
    answers = [client.completions.with_raw_response.create(**asked) for client in clients]
    assert lasting(answers[1].content) == lasting(answers[0].content)
    texts = ["".join(chunk.choices[0].text for chunk in client.completions.create(**asked, stream=True)) for client in clients]
    assert texts[1] == texts[0] == answers[0].parse().choices[0].text


def test_the_models_are_the_same_bytes(clients):
    answers = [client.models.with_raw_response.list() for client in clients]
    assert [model.id for model in answers[0].parse()] == ["tiny"]
    assert lasting(answers[1].content) == lasting(answers[0].content)


def test_embeddings_are_the_same_bytes_in_both_encodings(embedding, gateway_url):
    direct, through = client_of(f"{embedding}/v1"), client_of(f"{gateway_url}/openai")
    for encoding in ("float", "base64"):
        asked = {"input": ["left", "right and wrong"], "encoding_format": encoding}
        said = direct.embeddings.with_raw_response.create(model="tiny", **asked)
        passed = through.embeddings.with_raw_response.create(model="embedder/tiny", **asked)
        assert len(said.parse().data) == 2
        assert passed.content == said.content


def test_its_errors_are_raised_the_same(clients):
    raised = []
    for client in clients:
        with pytest.raises(openai.APIStatusError) as caught:
            client.chat.completions.create(**CHAT | {"messages": [{"role": "user", "content": "word " * 2000}]})
        raised.append(caught.value)
    assert type(raised[0]) is openai.BadRequestError
    assert type(raised[1]) is type(raised[0])
    assert raised[1].response.content == raised[0].response.content


def test_calls_at_once_get_the_answers_they_get_alone(clients):
    def ask(number: int) -> str:
        messages = [{"role": "user", "content": f"story {number}"}]
        return clients[1].chat.completions.create(**CHAT | {"messages": messages}).choices[0].message.content

    alone = [ask(number) for number in range(8)]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, range(8))) == alone
    assert len(set(alone)) > 1


def test_a_client_that_leaves_does_not_disturb_the_next(clients):
    for client in clients:
        stream = client.chat.completions.create(**CHAT | {"max_tokens": 400}, stream=True)
        next(stream)
        stream.close()
        assert client.chat.completions.create(**CHAT).choices
