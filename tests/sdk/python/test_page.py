"""The examples of Bifrost's page about its OpenAI integration: the same calls, with the port and the direct address
put in. node/page.test.mjs has the one in JavaScript."""

import json
import os
import shutil
import subprocess
import time

import harness
import httpx2
import openai
import pytest
from openai import OpenAIError

KEYS = {
    "OPENAI_API_KEY_1": "sk-first",
    "OPENAI_API_KEY_2": "sk-second",
    "OPENAI_API_KEY": "sk-third",
    "ANTHROPIC_API_KEY": "sk-ant-fourth",
    "VERTEX_API_KEY": "sk-fifth",
}
CHAT_CALL = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello!"}]}


@pytest.fixture(scope="module", params=harness.ENGINES)
def page(request, start_gateway, upstream) -> str:
    """The gateway's address as the page writes it."""
    config = (harness.HERE / "page_config.json").read_text().replace("UPSTREAM", upstream.url)
    gateway = start_gateway(request.param, config, KEYS | {"BIFROST_LOG_LEVEL": "info"})
    return f"http://localhost:{gateway.url.rsplit(':', 1)[1]}"


def curl(url: str, data: str | None = None) -> tuple[int, bytes]:
    """Status and body, by curl itself where the machine has it."""
    if not shutil.which("curl"):
        method, headers = ("GET", {}) if data is None else ("POST", {"Content-Type": "application/json"})
        answer = httpx2.request(method, url, headers=headers, content=data, timeout=30)
        return answer.status_code, answer.content
    command = ["curl", "--silent", "--show-error", "--noproxy", "*", "--max-time", "30", "--write-out", "\n%{http_code}"]
    if data is not None:
        command += ["-X", "POST", "-H", "Content-Type: application/json", "-d", data]
    done = subprocess.run([*command, url], capture_output=True, check=True, timeout=60)
    body, _, status = done.stdout.rpartition(b"\n")
    return int(status), body


def curl_chat(page: str, document: dict) -> dict:
    status, body = curl(f"{page}/openai/v1/chat/completions", json.dumps(document, indent=2))
    assert status == 200
    return json.loads(body)


def test_quick_migration(page, upstream):
    answers = []
    for base_url in (f"{upstream.url}/v1", f"{page}/openai"):
        client = openai.OpenAI(base_url=base_url, api_key="your-openai-key")
        answers.append(client.chat.completions.create(**CHAT_CALL))
    assert answers[0] == answers[1]


@pytest.mark.parametrize("model", ["gpt-4o-mini", "anthropic/claude-3-sonnet-20240229"])
def test_basic_chat_completion(model, page):
    answer = curl_chat(page, {"model": model, "messages": [{"role": "user", "content": "What is the capital of France?"}]})
    assert set(answer) >= {"id", "object", "created", "model", "choices", "usage"}
    assert answer["object"] == "chat.completion"
    assert answer["choices"][0]["message"]["role"] == "assistant"
    assert answer["choices"][0]["message"]["content"]
    assert answer["choices"][0]["finish_reason"] == "stop"
    assert set(answer["usage"]) == {"prompt_tokens", "completion_tokens", "total_tokens"}


def test_function_calling(page):
    path = {"type": "string", "description": "Directory path"}
    function = {
        "name": "list_directory",
        "description": "List files in a directory",
        "parameters": {"type": "object", "properties": {"path": path}, "required": ["path"]},
    }
    answer = curl_chat(
        page,
        {
            "model": "gpt-4o-mini",
            "messages": [{"role": "user", "content": "What files are in the current directory?"}],
            "tools": [{"type": "function", "function": function}],
        },
    )
    message = answer["choices"][0]["message"]
    assert message["content"] is None
    assert message["tool_calls"][0]["function"] == {"name": "list_directory", "arguments": '{"path": "."}'}


def test_vision(page, upstream):
    client = openai.OpenAI(base_url=f"{page}/openai", api_key="your-openai-key")
    content = [
        {"type": "text", "text": "What's in this image?"},
        {"type": "image_url", "image_url": {"url": "data:image/jpeg;base64,/9j/4AAQSkZJRg=="}},
    ]
    response = client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": content}])
    assert response.choices[0].message.content
    assert upstream.last().json()["messages"][0]["content"] == content


def test_streaming_responses(page, upstream, capsys):
    client = openai.OpenAI(base_url=f"{page}/openai", api_key="your-openai-key")
    stream = client.chat.completions.create(
        model="gpt-4o-mini", messages=[{"role": "user", "content": "Tell me a story"}], stream=True
    )
    pieces = 0
    for chunk in stream:
        if chunk.choices[0].delta.content is not None:
            print(chunk.choices[0].delta.content, end="")
            pieces += 1
    assert capsys.readouterr().out == "You said: Tell me a story"
    assert pieces > 4


def test_custom_headers(page, upstream):
    client = openai.OpenAI(
        base_url=f"{page}/openai",
        api_key="your-openai-key",
        default_headers={"X-Organization": "your-org-id", "X-Environment": "production"},
    )
    assert client.chat.completions.create(**CHAT_CALL).choices
    assert upstream.last().headers["x-organization"] == "your-org-id"
    assert upstream.last().headers["x-environment"] == "production"


def test_error_handling(page):
    client = openai.OpenAI(base_url=f"{page}/openai", api_key="your-openai-key")
    with pytest.raises(OpenAIError) as caught:
        client.chat.completions.create(model="no-key-allows-this", messages=CHAT_CALL["messages"])
    assert "no-key-allows-this" in str(caught.value)
    assert client.chat.completions.create(**CHAT_CALL).choices


def test_mcp_tool_integration(page):
    client = openai.OpenAI(base_url=f"{page}/openai", api_key="your-openai-key")
    response = client.chat.completions.create(
        model="gpt-4o-mini",
        messages=[{"role": "user", "content": "Read the config.json file and tell me about the providers"}],
    )
    assert response.choices[0].message.content
    assert not response.choices[0].message.tool_calls


def test_load_balancing(page, upstream):
    calls = 400
    client = openai.OpenAI(base_url=f"{page}/openai", api_key="your-openai-key")
    for _ in range(calls):
        client.chat.completions.create(**CHAT_CALL)
    used = [seen.headers["authorization"] for seen in upstream.last_many(calls)]
    assert set(used) == {"Bearer sk-first", "Bearer sk-second"}
    # Four and a half standard deviations of 400 draws.
    assert abs(used.count("Bearer sk-first") / calls - 0.7) < 0.1


def test_calls_without_a_model_keep_to_one_key(page, upstream):
    client = openai.OpenAI(base_url=f"{page}/openai", api_key="your-openai-key")
    for _ in range(20):
        client.files.list()
    assert {seen.headers["authorization"] for seen in upstream.last_many(20)} == {"Bearer sk-third"}


def test_compatibility_testing(page, upstream):
    bifrost_client = openai.OpenAI(base_url=f"{page}/openai", api_key="your-openai-key")
    openai_client = openai.OpenAI(base_url=f"{upstream.url}/v1", api_key="your-openai-key")
    test_message = [{"role": "user", "content": "Hello, test!"}]
    bifrost_response = bifrost_client.chat.completions.create(model="gpt-4o-mini", messages=test_message)
    openai_response = openai_client.chat.completions.create(model="gpt-4o-mini", messages=test_message)
    assert bifrost_response.choices[0].message.content is not None
    assert openai_response.choices[0].message.content is not None
    assert bifrost_response == openai_response


def test_performance_comparison(page, upstream):
    def benchmark_response_time(client, name):
        start_time = time.time()
        response = client.chat.completions.create(**CHAT_CALL)
        print(f"{name} response time: {time.time() - start_time:.2f}s")
        return response

    bifrost_client = openai.OpenAI(base_url=f"{page}/openai", api_key="your-openai-key")
    openai_client = openai.OpenAI(base_url=f"{upstream.url}/v1", api_key="your-openai-key")
    assert benchmark_response_time(bifrost_client, "Bifrost").choices
    assert benchmark_response_time(openai_client, "Direct OpenAI").choices


def test_multi_provider_support(page, upstream):
    client = openai.OpenAI(base_url=f"{page}/openai", api_key="dummy")
    for model, bare, key in (
        ("gpt-4o-mini", "gpt-4o-mini", ("sk-first", "sk-second")),
        ("anthropic/claude-3-sonnet-20240229", "claude-3-sonnet-20240229", ("sk-ant-fourth",)),
        ("vertex/gemini-pro", "gemini-pro", ("sk-fifth",)),
    ):
        response = client.chat.completions.create(model=model, messages=CHAT_CALL["messages"])
        assert response.choices[0].message.content == "You said: Hello!"
        assert upstream.last().json()["model"] == bare
        assert upstream.last().headers["authorization"].removeprefix("Bearer ") in key


def test_the_key_from_the_environment(page, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-user")
    client = openai.OpenAI(base_url=f"{page}/openai", api_key=os.getenv("OPENAI_API_KEY"))
    assert client.chat.completions.create(**CHAT_CALL).choices


def test_metrics_answer(page):
    status, _ = curl(f"{page}/metrics")
    assert status == 200


@pytest.mark.parametrize("model", ["gpt-3.5-turbo", "gpt-4", "gpt-4o", "gpt-4-turbo", "gpt-4-vision-preview"])
def test_each_model_of_the_configuration_is_served(model, page, upstream):
    client = openai.OpenAI(base_url=f"{page}/openai", api_key="your-openai-key")
    assert client.chat.completions.create(model=model, messages=CHAT_CALL["messages"]).model == model
    assert upstream.last().headers["authorization"] == "Bearer sk-third"
