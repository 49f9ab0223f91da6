import asyncio
import json

QUESTION = [{"role": "user", "content": "What is the capital of France?"}]
FILE_TOOLS = [
    {
        "type": "function",
        "function": {
            "name": name,
            "description": f"{name} of a directory",
            "parameters": {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]},
        },
    }
    for name in ("list_directory", "count_files")
]


def test_a_chat_completion_is_answered(target):
    answer = target.client.chat.completions.create(model="gpt-4o-mini", messages=QUESTION)
    assert answer.choices[0].message.content == "You said: What is the capital of France?"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.model == "gpt-4o-mini"
    assert answer.usage.total_tokens == 20


def test_every_parameter_reaches_the_upstream(target, upstream):
    parameters = dict(
        frequency_penalty=0.5,
        logit_bias={"50256": -100},
        logprobs=True,
        top_logprobs=3,
        max_tokens=17,
        max_completion_tokens=19,
        metadata={"purpose": "test"},
        n=2,
        parallel_tool_calls=False,
        presence_penalty=-0.5,
        reasoning_effort="low",
        response_format={"type": "json_object"},
        seed=12345678901,
        service_tier="default",
        stop=["\n", "END"],
        store=False,
        temperature=0.25,
        top_p=0.9,
        user="u" * 80,
        verbosity="low",
        tools=FILE_TOOLS,
        tool_choice="none",
        extra_body={"x_unknown": {"nested": [1, None, "ü"]}, "top_k": 40},
    )
    answer = target.client.chat.completions.create(
        model="gpt-4o-mini",
        messages=[
            {"role": "developer", "content": "Be short."},
            {"role": "system", "content": "Be kind."},
            {"role": "user", "content": "Hello!", "name": "ada"},
            {"role": "assistant", "content": "Hi.", "refusal": None},
            *QUESTION,
        ],
        **parameters,
    )
    assert len(answer.choices) == 2
    sent = upstream.last().json()
    extra = parameters.pop("extra_body")
    assert {name: sent[name] for name in parameters} == parameters
    assert {name: sent[name] for name in extra} == extra
    assert [message["role"] for message in sent["messages"]] == ["developer", "system", "user", "assistant", "user"]


def test_the_body_and_the_answer_are_the_same_bytes_both_ways(both):
    answer = both(
        lambda client: client.chat.completions.with_raw_response.create(
            model="gpt-4o-mini",
            messages=[{"role": "user", "content": "tabs\t, quotes \", slashes \\ / and \u00fc\u4e2d\U0001f600\u2028"}],
            extra_body={"x_unknown": {"zero": -0.0, "tiny": 1e-320, "long": 10**30, "empty": {}}},
        )
    )
    assert b'"long": 123456789012345678901234567890' in answer.content


def test_a_provider_prefix_is_all_that_is_taken_from_the_body(through, direct, upstream):
    for model in ("gpt-4o-mini", "openai/gpt-4o-mini"):
        client = direct.client if model == "gpt-4o-mini" else through.client
        client.chat.completions.create(model=model, messages=QUESTION, extra_body={"x_note": "openai/gpt-4o-mini"})
    bare, prefixed = upstream.last_many(2)
    assert prefixed.body == bare.body
    assert prefixed.json()["x_note"] == "openai/gpt-4o-mini"


def test_an_unknown_prefix_is_part_of_the_model_name(through, upstream):
    answer = through.client.chat.completions.create(model="meta-llama/Llama-3", messages=QUESTION)
    assert answer.model == "meta-llama/Llama-3"
    assert upstream.last().json()["model"] == "meta-llama/Llama-3"


def test_only_the_first_slash_splits(through, upstream):
    through.client.chat.completions.create(model="openai/ft:gpt-4o/mine", messages=QUESTION)
    assert upstream.last().json()["model"] == "ft:gpt-4o/mine"


def test_a_custom_provider_without_keys_gets_no_credentials(through, upstream):
    answer = through.client.chat.completions.create(model="keyless/anything", messages=QUESTION)
    assert answer.model == "anything"
    assert "authorization" not in upstream.last().headers


def test_tool_calls_come_back_and_their_results_go_up(target, upstream):
    messages = list(QUESTION)
    answer = target.client.chat.completions.create(model="gpt-4o-mini", messages=messages, tools=FILE_TOOLS)
    message = answer.choices[0].message
    assert answer.choices[0].finish_reason == "tool_calls"
    assert message.content is None
    assert [call.function.name for call in message.tool_calls] == ["list_directory", "count_files"]
    assert json.loads(message.tool_calls[0].function.arguments) == {"path": "."}

    messages.append(message)
    for call in message.tool_calls:
        messages.append({"role": "tool", "tool_call_id": call.id, "content": f"result of {call.id}"})
    answer = target.client.chat.completions.create(model="gpt-4o-mini", messages=messages, tools=FILE_TOOLS)
    assert answer.choices[0].message.content == "You said: result of call_1"
    assert [sent.get("tool_call_id") for sent in upstream.last().json()["messages"]] == [None, None, "call_0", "call_1"]


def test_parallel_tool_calls_are_put_together_from_a_stream(target):
    with target.client.chat.completions.stream(model="gpt-4o-mini", messages=QUESTION, tools=FILE_TOOLS) as stream:
        for _ in stream:
            pass
        choice = stream.get_final_completion().choices[0]
    assert choice.finish_reason == "tool_calls"
    assert [(call.id, call.function.name) for call in choice.message.tool_calls] == [
        ("call_0", "list_directory"),
        ("call_1", "count_files"),
    ]
    assert [json.loads(call.function.arguments) for call in choice.message.tool_calls] == [{"path": "."}] * 2


def test_pictures_sounds_and_documents_go_up_unchanged(both):
    picture = "data:image/png;base64," + "iVBORw0KGgo+/" * 20_000
    answer = both(
        lambda client: client.chat.completions.with_raw_response.create(
            model="gpt-4o",
            messages=[
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "What's in this image?"},
                        {"type": "image_url", "image_url": {"url": picture, "detail": "high"}},
                        {"type": "image_url", "image_url": {"url": "https://example.com/a%20b.png?x=1&y=2"}},
                        {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
                        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0="}},
                    ],
                }
            ],
        )
    )
    content = answer.parse().choices[0].message.content
    assert content == "You said: What's in this image? [image_url] [image_url] [input_audio] [file]"


def test_a_parsed_answer_keeps_the_schema_in_order(both):
    schema = {
        "type": "object",
        "properties": {"zebra": {"type": "string"}, "apple": {"type": "integer"}},
        "required": ["zebra", "apple"],
        "additionalProperties": False,
    }
    both(
        lambda client: client.chat.completions.with_raw_response.create(
            model="gpt-4o-mini",
            messages=QUESTION,
            response_format={"type": "json_schema", "json_schema": {"name": "animals", "strict": True, "schema": schema}},
        )
    )


def test_fifty_calls_at_once_each_get_their_own_answer(target):
    async def ask_all():
        async with target.make_async() as client:
            return await asyncio.gather(
                *(
                    client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": str(number)}])
                    for number in range(50)
                )
            )

    answers = asyncio.run(ask_all())
    assert [answer.choices[0].message.content for answer in answers] == [f"You said: {number}" for number in range(50)]


def test_one_connection_carries_many_calls(target):
    with target.make() as client:
        for number in range(20):
            answer = client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": str(number)}])
            assert answer.choices[0].message.content == f"You said: {number}"
