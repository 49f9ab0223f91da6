import asyncio
import json

import pytest
import websockets.sync.client
from websockets.exceptions import InvalidStatus

MODEL = "gpt-realtime"


def message(text: str) -> dict:
    return {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}


def test_a_realtime_session_goes_both_ways(target, upstream, suite_keys):
    with target.client.realtime.connect(model=MODEL) as connection:
        created = connection.recv()
        assert (created.type, created.session.model) == ("session.created", MODEL)
        for text in ("one two three", "long " * 500):
            connection.conversation.item.create(item=message(text))
            connection.response.create()
            said = []
            while (event := connection.recv()).type != "response.done":
                said.append(event.delta)
            assert said == text.split()
    seen = upstream.last()
    assert seen.path == f"/v1/realtime?model={MODEL}"
    expected = suite_keys.upstream if target.gateway_url else suite_keys.client
    assert seen.headers["authorization"] == f"Bearer {expected}"


def test_a_realtime_session_of_the_async_client_goes_both_ways(target):
    async def talk():
        async with target.make_async() as client, client.realtime.connect(model=MODEL) as connection:
            await connection.recv()
            await connection.conversation.item.create(item=message("one two"))
            await connection.response.create()
            return [(await connection.recv()).type for _ in range(3)]

    assert asyncio.run(talk()) == ["response.output_text.delta"] * 2 + ["response.done"]


def test_the_query_names_the_provider_too(through, upstream):
    with through.client.realtime.connect(model=f"impatient/{MODEL}") as connection:
        assert connection.recv().session.model == MODEL
    assert upstream.last().path == f"/v1/realtime?model={MODEL}"


def test_a_session_of_responses_goes_both_ways(target, upstream):
    with target.client.responses.connect() as connection:
        assert json.loads(connection.recv_bytes())["type"] == "session.created"
    assert upstream.last().path == "/v1/responses"


@pytest.mark.parametrize("status", [401, 403, 429, 500])
def test_a_refused_session_has_the_upstreams_status(status, target):
    with pytest.raises(InvalidStatus) as caught:
        target.client.realtime.connect(model=f"fail-{status}").enter()
    assert caught.value.response.status_code == status


def test_a_browsers_key_among_the_subprotocols_stays_at_the_gateway(through, upstream, suite_keys):
    offered = ["realtime", f"openai-insecure-api-key.{suite_keys.client}"]
    url = f"{through.gateway_url.replace('http', 'ws', 1)}/v1/realtime?model={MODEL}"
    with websockets.sync.client.connect(url, subprotocols=offered) as connection:
        assert connection.subprotocol == "realtime"
        assert json.loads(connection.recv())["type"] == "session.created"
    seen = upstream.last().headers
    assert seen["sec-websocket-protocol"] == "realtime"
    assert suite_keys.client not in str(seen)
