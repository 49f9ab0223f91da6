"""What goes wrong is raised as the SDK's own exception, with the upstream's own words where it spoke."""

import json
import time
import uuid

import httpx2
import openai
import pytest

QUESTION = [{"role": "user", "content": "Hello!"}]
EXCEPTIONS = {
    400: openai.BadRequestError,
    401: openai.AuthenticationError,
    403: openai.PermissionDeniedError,
    404: openai.NotFoundError,
    409: openai.ConflictError,
    422: openai.UnprocessableEntityError,
    429: openai.RateLimitError,
    500: openai.InternalServerError,
    503: openai.InternalServerError,
}


def ask(client, model: str, **settings):
    return client.chat.completions.create(model=model, messages=QUESTION, **settings)


@pytest.mark.parametrize("status", EXCEPTIONS)
def test_an_upstream_error_is_raised_as_its_exception(status, target, upstream):
    with pytest.raises(EXCEPTIONS[status]) as caught:
        ask(target.client, f"fail-{status}")
    assert caught.value.status_code == status
    assert caught.value.request_id == upstream.last().request_id
    assert caught.value.body["message"] == f"The upstream says {status}."


@pytest.mark.parametrize("status", EXCEPTIONS)
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_an_upstream_error_is_the_same_bytes_both_ways(status, streamed, direct, through):
    raised = []
    for target in (direct, through):
        with pytest.raises(EXCEPTIONS[status]) as caught:
            ask(target.client, f"fail-{status}", stream=streamed)
        raised.append(caught.value)
    assert raised[1].response.content == raised[0].response.content
    assert (raised[1].type, raised[1].code, raised[1].param) == (raised[0].type, raised[0].code, raised[0].param)
    assert raised[1].response.headers.get("retry-after") == raised[0].response.headers.get("retry-after")


def test_a_refused_key_is_not_shown_to_the_client(through, suite_keys):
    with pytest.raises(openai.AuthenticationError) as caught:
        ask(through.client, "fail-401-echo")
    assert "Incorrect API key provided" in caught.value.body["message"]
    assert suite_keys.upstream not in caught.value.response.text


def test_the_client_library_itself_retries_a_rate_limit(target, upstream):
    with target.make(max_retries=1) as client, pytest.raises(openai.InternalServerError):
        ask(client, "fail-500")
    first, second = upstream.last_many(2)
    assert first.json()["model"] == second.json()["model"] == "fail-500"


def test_a_small_timeout_is_the_client_librarys_timeout(target, upstream):
    model = f"slow-{uuid.uuid4().hex}"
    with pytest.raises(openai.APITimeoutError):
        ask(target.client, model, timeout=0.5)
    assert upstream.client_is_gone(model)


def test_an_upstream_that_never_answers_is_a_gateway_timeout(through, upstream):
    model = f"slow-{uuid.uuid4().hex}"
    started = time.monotonic()
    with pytest.raises(openai.InternalServerError) as caught:
        ask(through.client, f"impatient/{model}")
    assert caught.value.status_code == 504
    assert time.monotonic() - started < 10
    assert upstream.client_is_gone(model)


def test_an_answer_cut_in_the_middle_is_an_error(target):
    with pytest.raises(openai.APIError):
        ask(target.client, "fail-midstream")


@pytest.mark.parametrize("provider", ["refused", "unresolvable"])
def test_an_upstream_out_of_reach_is_a_bad_gateway(provider, through):
    with pytest.raises(openai.InternalServerError) as caught:
        ask(through.client, f"{provider}/gpt-4o")
    assert caught.value.status_code == 502
    assert own_shape(caught.value)


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("model", ["anthropic/claude-3-sonnet-20240229", "vertex/gemini-pro"])
def test_a_provider_that_is_not_configured_is_model_not_found(model, streamed, through):
    with pytest.raises(openai.NotFoundError) as caught:
        ask(through.client, model, stream=streamed)
    assert caught.value.code == "model_not_found"
    assert model.split("/")[0] in caught.value.body["message"]
    assert own_shape(caught.value)


def test_a_model_that_no_key_allows_is_model_not_found(through):
    assert ask(through.client, "picky/gpt-4o").choices
    with pytest.raises(openai.NotFoundError) as caught:
        ask(through.client, "picky/gpt-4o-mini")
    assert caught.value.code == "model_not_found"
    assert "gpt-4o-mini" in caught.value.body["message"]


def test_a_call_without_a_model_is_a_bad_request(through):
    with pytest.raises(openai.BadRequestError) as caught:
        through.client.post("/chat/completions", body={"messages": QUESTION}, cast_to=object)
    assert own_shape(caught.value)


@pytest.mark.parametrize("body", [b"", b"{", b'{"model": "gpt-4o",}', b"[]", b'"gpt-4o"', b'{"model": 7, "messages": []}'])
def test_a_body_that_is_no_request_is_a_bad_request(body, through):
    with httpx2.Client(timeout=30) as client:
        answer = client.post(
            f"{through.base_url}/chat/completions", content=body, headers={"content-type": "application/json"}
        )
    assert answer.status_code == 400
    assert answer.headers["content-type"].startswith("application/json")
    assert set(json.loads(answer.content)["error"]) == {"message", "type", "param", "code"}


def test_a_path_outside_the_mounts_is_not_found(through):
    with pytest.raises(openai.NotFoundError) as caught:
        ask(through.make(base_url=f"{through.gateway_url}/nowhere"), "gpt-4o")
    assert own_shape(caught.value)


def test_an_unknown_endpoint_is_the_upstreams_to_refuse(target):
    with pytest.raises(openai.NotFoundError) as caught:
        target.client.get("/tomorrow", cast_to=object)
    assert caught.value.code == "unknown_url"


def own_shape(error: openai.APIStatusError) -> bool:
    said = error.response.json()["error"]
    return set(said) == {"message", "type", "param", "code"} and bool(said["message"])
