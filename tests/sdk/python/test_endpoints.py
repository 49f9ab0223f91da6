"""Every family of endpoints, called with the SDK's own methods: both ways the same."""

import base64
import io

import openai
import pytest

CALLS = {
    "completions": lambda client: client.completions.with_raw_response.create(model="gpt-3.5-turbo-instruct", prompt="Once"),
    "embeddings": lambda client: client.embeddings.with_raw_response.create(
        model="text-embedding-3-small", input=["a", "b"], encoding_format="float", dimensions=8
    ),
    "embeddings in base64": lambda client: client.embeddings.with_raw_response.create(
        model="text-embedding-3-small", input="a", encoding_format="base64"
    ),
    "embeddings of tokens": lambda client: client.embeddings.with_raw_response.create(
        model="text-embedding-3-small", input=[[1, 2], [3]], encoding_format="float"
    ),
    "moderations": lambda client: client.moderations.with_raw_response.create(input="be nice"),
    "moderations of a model": lambda client: client.moderations.with_raw_response.create(model="omni-moderation", input="x"),
    "models": lambda client: client.models.with_raw_response.list(),
    "a model": lambda client: client.models.with_raw_response.retrieve("gpt-4o"),
    "images": lambda client: client.images.with_raw_response.generate(model="gpt-image-1", prompt="a cat", size="1024x1024"),
    "images without a model": lambda client: client.images.with_raw_response.generate(prompt="a cat"),
    "edited images": lambda client: client.images.with_raw_response.edit(
        model="gpt-image-1", image=("cat.png", b"\x89PNG\r\n\x1a\n\x00\xff", "image/png"), prompt="a hat"
    ),
    "image variations": lambda client: client.images.with_raw_response.create_variation(
        image=("cat.png", b"\x89PNG\r\n\x1a\n", "image/png"), extra_body={"prompt": "again"}
    ),
    "a response": lambda client: client.responses.with_raw_response.create(model="gpt-4o", input="hi"),
    "a stored response": lambda client: client.responses.with_raw_response.retrieve("resp_1", include=["reasoning.encrypted_content"]),
    "input items": lambda client: client.responses.input_items.with_raw_response.list("resp_1", limit=5),
    "cancelling a response": lambda client: client.responses.with_raw_response.cancel("resp_1"),
    "deleting a response": lambda client: client.responses.with_raw_response.delete("resp_1"),
    "stored chats": lambda client: client.chat.completions.with_raw_response.list(limit=3, metadata={"a": "b c"}),
    "a stored chat": lambda client: client.chat.completions.with_raw_response.retrieve("chatcmpl_1"),
    "messages of a stored chat": lambda client: client.chat.completions.messages.with_raw_response.list("chatcmpl_1"),
    "batches": lambda client: client.batches.with_raw_response.create(
        input_file_id="file-1", endpoint="/v1/chat/completions", completion_window="24h"
    ),
    "listed batches": lambda client: client.batches.with_raw_response.list(after="batch_1", limit=2),
    "cancelling a batch": lambda client: client.batches.with_raw_response.cancel("batch_1"),
    "uploads": lambda client: client.uploads.with_raw_response.create(
        filename="a.jsonl", bytes=10, mime_type="text/jsonl", purpose="batch"
    ),
    "upload parts": lambda client: client.uploads.parts.with_raw_response.create("upload_1", data=b"\x00\x01\r\n--\xff"),
    "completed uploads": lambda client: client.uploads.with_raw_response.complete("upload_1", part_ids=["part_1", "part_2"]),
    "vector stores": lambda client: client.vector_stores.with_raw_response.create(name="störe", file_ids=["file-1"]),
    "files of a vector store": lambda client: client.vector_stores.files.with_raw_response.create("vs_1", file_id="file-1"),
    "searching a vector store": lambda client: client.vector_stores.with_raw_response.search("vs_1", query="where?"),
    "deleting a vector store": lambda client: client.vector_stores.with_raw_response.delete("vs_1"),
    "fine-tuning": lambda client: client.fine_tuning.jobs.with_raw_response.create(model="gpt-4o-mini", training_file="file-1"),
    "fine-tuning jobs": lambda client: client.fine_tuning.jobs.with_raw_response.list(limit=1),
    "fine-tuning events": lambda client: client.fine_tuning.jobs.with_raw_response.list_events("ftjob_1"),
    "conversations": lambda client: client.conversations.with_raw_response.create(metadata={"topic": "x"}),
    "items of a conversation": lambda client: client.conversations.items.with_raw_response.create(
        "conv_1", items=[{"type": "message", "role": "user", "content": "hi"}]
    ),
    "evals": lambda client: client.evals.with_raw_response.list(limit=1),
    "containers": lambda client: client.containers.with_raw_response.create(name="box"),
    "an endpoint of tomorrow": lambda client: client.get(
        "/containers", cast_to=openai._legacy_response.HttpxBinaryResponseContent, options={"params": {"new": "ü &="}}
    ).response,
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
def test_an_endpoint_passes_unchanged(call, both):
    assert both(call).status_code == 200


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
def test_an_endpoint_passes_unchanged_with_v1_in_the_base_url(call, both, through):
    assert both(call, through_client=through.make(base_url=f"{through.gateway_url}/openai/v1")).status_code == 200


def test_embeddings_are_decoded_to_the_same_numbers_in_both_encodings(target):
    decoded = target.client.embeddings.create(model="text-embedding-3-small", input=["left", "right"])
    plain = target.client.embeddings.create(model="text-embedding-3-small", input=["left", "right"], encoding_format="float")
    assert [len(entry.embedding) for entry in decoded.data] == [8, 8]
    assert [list(entry.embedding) for entry in decoded.data] == [entry.embedding for entry in plain.data]


def test_models_are_listed_and_found(target):
    assert [model.id for model in target.client.models.list()] == [
        "gpt-4o",
        "gpt-4o-mini",
        "text-embedding-3-small",
        "whisper-1",
    ]
    assert target.client.models.retrieve("gpt-4o").owned_by == "openai"
    with pytest.raises(openai.NotFoundError):
        target.client.models.retrieve("gpt-none")


def test_the_merged_list_names_each_provider_and_leaves_the_dead_out(through):
    listed = {model.id for model in through.make(base_url=f"{through.gateway_url}/v1").models.list()}
    assert {"openai/gpt-4o", "openai/gpt-4o-mini", "keyless/gpt-4o", "impatient/whisper-1"} <= listed
    assert "picky/gpt-4o" in listed and "picky/gpt-4o-mini" not in listed
    assert not [model for model in listed if model.startswith(("refused/", "unresolvable/"))]


def test_a_picture_is_made_and_changed(target):
    made = target.client.images.generate(model="gpt-image-1", prompt="a cat")
    changed = target.client.images.edit(model="gpt-image-1", image=("cat.png", io.BytesIO(b"meow"), "image/png"), prompt="a hat")
    assert base64.b64decode(made.data[0].b64_json).startswith(b"a cat")
    assert base64.b64decode(changed.data[0].b64_json).startswith(b"a hat")


def test_a_prefix_works_on_every_model_endpoint(through, direct, upstream):
    for model in ("some-model", "openai/some-model"):
        client = direct.client if model == "some-model" else through.client
        client.completions.create(model=model, prompt="Once")
        client.embeddings.create(model=model, input="a")
        client.responses.create(model=model, input="hi")
        client.moderations.create(model=model, input="hi")
        client.images.generate(model=model, prompt="a cat")
        client.audio.speech.create(model=model, voice="alloy", input="hi")
    seen = upstream.last_many(12)
    assert [request.body for request in seen[6:]] == [request.body for request in seen[:6]]
    assert [request.path for request in seen[6:]] == [request.path for request in seen[:6]]


def test_a_response_answers_and_streams(target):
    answer = target.client.responses.create(model="gpt-4o", input="tell me", instructions="Be short.", store=False)
    assert answer.output_text == "You said: tell me"
    events = list(target.client.responses.create(model="gpt-4o", input="tell me", stream=True))
    assert events[0].type == "response.created"
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == answer.output_text
    assert events[-1].type == "response.completed"
    assert [event.sequence_number for event in events] == list(range(len(events)))


def test_a_response_continues_a_stored_one(target, upstream):
    target.client.responses.create(model="gpt-4o", input="and then?", previous_response_id="resp_1")
    assert upstream.last().json()["previous_response_id"] == "resp_1"


def test_pages_are_walked_with_their_query(target, upstream):
    list(target.client.fine_tuning.jobs.list(limit=7, extra_query={"metadata[a-b]": "ü&="}))
    assert upstream.last().path == "/v1/fine_tuning/jobs?limit=7&metadata%5Ba-b%5D=%C3%BC%26%3D"
