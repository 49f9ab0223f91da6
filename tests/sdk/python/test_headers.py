import pytest

QUESTION = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello!"}]}
BASE_URLS = ["/openai", "/openai/", "/openai/v1", "/openai/v1/", "/v1", "/v1/"]


@pytest.mark.parametrize("mount", BASE_URLS)
def test_each_form_of_base_url_calls_the_same_endpoint(mount, through, upstream):
    client = through.make(base_url=through.gateway_url + mount)
    assert client.chat.completions.create(**QUESTION).choices[0].message.content == "You said: Hello!"
    assert upstream.last().path == "/v1/chat/completions"
    assert client.embeddings.create(model="text-embedding-3-small", input="a").data
    assert upstream.last().path == "/v1/embeddings"
    assert client.responses.create(model="gpt-4o", input="hi").output_text == "You said: hi"
    assert upstream.last().path == "/v1/responses"
    assert client.files.list(limit=3).object == "list"
    assert upstream.last().path == "/v1/files?limit=3"


def test_default_headers_reach_the_upstream(target, upstream):
    client = target.make(default_headers={"X-Organization": "your-org-id", "X-Environment": "production"})
    client.chat.completions.create(**QUESTION, extra_headers={"X-One-Call": "1"})
    seen = upstream.last().headers
    assert (seen["x-organization"], seen["x-environment"], seen["x-one-call"]) == ("your-org-id", "production", "1")
    assert seen["x-stainless-lang"] == "python"
    assert seen["user-agent"].startswith("OpenAI/Python")


def test_the_gateways_key_is_sent_and_the_clients_is_not(through, upstream, suite_keys):
    through.client.chat.completions.create(**QUESTION)
    seen = upstream.last().headers
    assert seen["authorization"] == f"Bearer {suite_keys.upstream}"
    assert suite_keys.client not in str(seen)


def test_headers_about_the_way_stay_at_the_gateway(through, upstream):
    client = through.make(organization="org-of-the-client", project="project-of-the-client")
    client.chat.completions.create(
        **QUESTION,
        extra_headers={"Cookie": "a=b", "X-Forwarded-For": "10.0.0.1", "Forwarded": "for=10.0.0.1", "x-bf-note": "1"},
    )
    seen = upstream.last().headers
    for name in ("openai-organization", "openai-project", "cookie", "x-forwarded-for", "forwarded", "x-bf-note"):
        assert name not in seen
    assert seen["host"] == upstream.url.removeprefix("http://")


def test_a_header_named_for_the_upstream_gets_there(through, upstream):
    through.client.chat.completions.create(**QUESTION, extra_headers={"x-bf-eh-OpenAI-Beta": "assistants=v2"})
    seen = upstream.last().headers
    assert seen["openai-beta"] == "assistants=v2"
    assert not [name for name in seen if name.startswith("x-bf-")]


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_the_upstreams_headers_come_back(streamed, target, upstream):
    answer = target.client.chat.completions.with_raw_response.create(**QUESTION, stream=streamed)
    assert answer.headers["x-request-id"] == upstream.last().request_id
    assert answer.headers["openai-processing-ms"] == "12"
    assert answer.headers["x-ratelimit-remaining-requests"] == "4999"
    assert answer.headers["x-ratelimit-reset-requests"] == "12ms"
    answer.parse().close() if streamed else None


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_the_gateway_tells_where_the_call_went(streamed, through):
    call = QUESTION | {"model": "openai/gpt-4o-mini", "stream": streamed}
    answer = through.client.chat.completions.with_raw_response.create(**call)
    assert answer.headers["x-bifrost-provider"] == "openai"
    assert answer.headers["x-bifrost-original-model"].endswith("gpt-4o-mini")
    assert answer.headers["x-bifrost-resolved-model"] == "gpt-4o-mini"
    assert answer.headers["x-bifrost-request-id"]
    answer.parse().close() if streamed else None


def test_two_requests_have_two_ids(through):
    answers = [through.client.chat.completions.with_raw_response.create(**QUESTION) for _ in range(2)]
    assert answers[0].headers["x-bifrost-request-id"] != answers[1].headers["x-bifrost-request-id"]


def test_query_parameters_go_up_as_they_are(target, upstream):
    target.make(default_query={"api-version": "2024-10-21"}).chat.completions.create(**QUESTION, extra_query={"a": "1/2"})
    assert upstream.last().path in (
        "/v1/chat/completions?api-version=2024-10-21&a=1/2",
        "/v1/chat/completions?api-version=2024-10-21&a=1%2F2",
    )
