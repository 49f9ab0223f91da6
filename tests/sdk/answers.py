"""What the test upstream says to each request of the OpenAI API: a function of the request alone."""

import array
import base64
import dataclasses
import hashlib
import json
import re

CREATED = 1_700_000_000
MODELS = ["gpt-4o", "gpt-4o-mini", "text-embedding-3-small", "whisper-1"]
# Things a gateway that parses and writes anew would lose: spacing, escapes, numbers beyond a double, unknown members.
VENDOR_MEMBER = {"x_vendor": {"long": 123456789012345678901234567890, "price": 1e-7, "text": "caf\u00e9 \U0001f600"}}
RATE_LIMIT_HEADERS = {
    "openai-processing-ms": "12",
    "openai-version": "2020-10-01",
    "x-ratelimit-limit-requests": "5000",
    "x-ratelimit-remaining-requests": "4999",
    "x-ratelimit-reset-requests": "12ms",
}
SPEECH = bytes(range(256)) * 400
FAILURES = {
    400: ("invalid_request_error", "context_length_exceeded", "messages"),
    401: ("invalid_request_error", "invalid_api_key", None),
    403: ("request_forbidden", "unsupported_country_region_territory", None),
    404: ("invalid_request_error", "model_not_found", None),
    409: ("invalid_request_error", "conflict", None),
    422: ("invalid_request_error", "unprocessable", None),
    429: ("requests", "rate_limit_exceeded", None),
    500: ("server_error", None, None),
    503: ("server_error", "server_is_overloaded", None),
}


@dataclasses.dataclass
class Answer:
    status: int
    content_type: str
    body: bytes = b""
    events: list[bytes] | None = None
    headers: dict[str, str] = dataclasses.field(default_factory=lambda: dict(RATE_LIMIT_HEADERS))


class Request:
    def __init__(self, method: str, path: str, query: str, headers: dict[str, str], body: bytes):
        self.method = method
        self.path = path
        self.query = query
        self.headers = {name.lower(): value for name, value in headers.items()}
        self.parts = multipart(self.headers.get("content-type", ""), body)
        self.document = document(body) if self.parts is None else self.fields()
        self.fingerprint = hashlib.sha256(repr(self.parts or body).encode() + path.encode()).hexdigest()[:16]

    def fields(self) -> dict:
        return {name: data.decode() for name, filename, data in self.parts if filename is None}

    def file(self) -> tuple[str, bytes]:
        return next(((filename, data) for _, filename, data in self.parts or [] if filename is not None), ("", b""))

    @property
    def model(self) -> str:
        return str(self.document.get("model", ""))

    @property
    def streamed(self) -> bool:
        return self.document.get("stream") in (True, "true")


def answer(request: Request) -> Answer:
    if failure := re.fullmatch(r"fail-(\d{3})(-echo)?", request.model):
        return error(int(failure[1]), request, echo=failure[2] is not None)
    path = request.path.removeprefix("/v1")
    if path == request.path:
        return unknown_url(request)
    for method, pattern, handler in ROUTES:
        matched = re.fullmatch(pattern, path)
        if matched and method == request.method:
            said = handler(request, *matched.groups())
            return said if isinstance(said, Answer) else json_answer(said)
    return unknown_url(request)


def json_answer(value: dict, status: int = 200) -> Answer:
    return Answer(status, "application/json", json.dumps(value, indent=2).encode() + b"\n")


def error(status: int, request: Request, echo: bool) -> Answer:
    kind, code, parameter = FAILURES[status]
    message = f"The upstream says {status}."
    if echo:
        message += f" Incorrect API key provided: {request.headers.get('authorization', '').removeprefix('Bearer ')}"
    said = json_answer({"error": {"message": message, "type": kind, "param": parameter, "code": code}}, status)
    if status in (429, 503):
        said.headers["retry-after"] = "7"
    return said


def unknown_url(request: Request) -> Answer:
    message = f"Invalid URL ({request.method} {request.path})"
    return json_answer(
        {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": "unknown_url"}}, 404
    )


def chat(request: Request):
    asked = request.document
    message = {"role": "assistant", "content": None, "refusal": None, "annotations": []}
    calls = tool_calls(asked)
    if calls:
        message["tool_calls"] = calls
    else:
        message["content"] = reply(asked["messages"])
    finish_reason = "tool_calls" if calls else "stop"
    usage = {"prompt_tokens": 13, "completion_tokens": 7, "total_tokens": 20}
    identity = {"id": f"chatcmpl-{request.fingerprint}", "created": CREATED, "model": request.model}
    if request.streamed:
        include_usage = (asked.get("stream_options") or {}).get("include_usage", False)
        return Answer(
            200, "text/event-stream; charset=utf-8", events=chat_events(identity, message, finish_reason, usage, include_usage)
        )
    choices = [
        {"index": index, "message": message, "logprobs": None, "finish_reason": finish_reason}
        for index in range(asked.get("n") or 1)
    ]
    return {**identity, "object": "chat.completion", "choices": choices, "usage": usage, **VENDOR_MEMBER}


def reply(messages: list) -> str:
    content = messages[-1].get("content") or ""
    if isinstance(content, list):
        content = " ".join(part.get("text", f"[{part['type']}]") for part in content)
    return f"You said: {content}"


def tool_calls(asked: dict) -> list:
    """One call of every function offered, unless a tool has just answered."""
    if not asked.get("tools") or asked["messages"][-1]["role"] == "tool" or asked.get("tool_choice") == "none":
        return []
    functions = [tool["function"] for tool in asked["tools"]]
    return [
        {
            "id": f"call_{number}",
            "type": "function",
            "function": {
                "name": function["name"],
                "arguments": json.dumps({name: "." for name in function.get("parameters", {}).get("properties", {})}),
            },
        }
        for number, function in enumerate(functions)
    ]


def chat_events(identity: dict, message: dict, finish_reason: str, usage: dict, include_usage: bool) -> list[bytes]:
    deltas = [{"role": "assistant", "content": None if "tool_calls" in message else "", "refusal": None}]
    if "tool_calls" in message:
        deltas += tool_call_deltas(message["tool_calls"])
    else:
        deltas += [{"content": word} for word in re.findall(r"\S+\s*", message["content"])]
    events = [
        sse({**identity, "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
        for delta in deltas
    ]
    last = {"index": 0, "delta": {}, "finish_reason": finish_reason}
    events.append(sse({**identity, "object": "chat.completion.chunk", "choices": [last], **VENDOR_MEMBER}))
    if include_usage:
        events.append(sse({**identity, "object": "chat.completion.chunk", "choices": [], "usage": usage}))
    return [*events, b": a comment that belongs to no event\n\n", b"data: [DONE]\n\n"]


def tool_call_deltas(calls: list) -> list[dict]:
    """All calls begin, then their arguments arrive in small pieces, turn by turn."""
    begun = [
        {"index": index, **call, "function": {"name": call["function"]["name"], "arguments": ""}}
        for index, call in enumerate(calls)
    ]
    pieces = []
    longest = max(len(call["function"]["arguments"]) for call in calls)
    for start in range(0, longest, 3):
        for index, call in enumerate(calls):
            if piece := call["function"]["arguments"][start : start + 3]:
                pieces.append({"index": index, "function": {"arguments": piece}})
    return [{"tool_calls": [delta]} for delta in begun + pieces]


def completion(request: Request):
    identity = {"id": f"cmpl-{request.fingerprint}", "object": "text_completion", "created": CREATED, "model": request.model}
    text = f"{request.document['prompt']} and so on"

    def choice(text: str, finish_reason: str | None) -> dict:
        return {"index": 0, "text": text, "logprobs": None, "finish_reason": finish_reason}

    if request.streamed:
        pieces = [sse({**identity, "choices": [choice(word, None)]}) for word in re.findall(r"\S+\s*", text)]
        ending = sse({**identity, "choices": [choice("", "stop")]})
        return Answer(200, "text/event-stream", events=[*pieces, ending, b"data: [DONE]\n\n"])
    return {**identity, "choices": [choice(text, "stop")], "usage": {"prompt_tokens": 4, "completion_tokens": 3, "total_tokens": 7}}


def embeddings(request: Request):
    given = request.document["input"]
    inputs = given if isinstance(given, list) else [given]

    def vector(text) -> list[float] | str:
        numbers = array.array("f", [byte / 255 for byte in hashlib.sha256(str(text).encode()).digest()[:8]])
        as_text = request.document.get("encoding_format") == "base64"
        return base64.b64encode(numbers.tobytes()).decode() if as_text else numbers.tolist()

    data = [{"object": "embedding", "index": index, "embedding": vector(text)} for index, text in enumerate(inputs)]
    return {"object": "list", "data": data, "model": request.model, "usage": {"prompt_tokens": 5, "total_tokens": 5}}


def response(request: Request):
    given = request.document.get("input", "")
    text = f"You said: {given if isinstance(given, str) else given[-1]['content']}"
    part = {"type": "output_text", "text": text, "annotations": []}
    message = {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": [part]}
    whole = {
        "id": f"resp_{request.fingerprint}",
        "object": "response",
        "created_at": CREATED,
        "model": request.model,
        "status": "completed",
        "output": [message],
        "usage": {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7},
        **VENDOR_MEMBER,
    }
    if request.streamed:
        return Answer(200, "text/event-stream; charset=utf-8", events=response_events(whole, message, part))
    return whole


def response_events(whole: dict, message: dict, part: dict) -> list[bytes]:
    place = {"item_id": message["id"], "output_index": 0, "content_index": 0}
    steps = [
        ("response.created", {"response": {**whole, "status": "in_progress", "output": []}}),
        ("response.output_item.added", {"output_index": 0, "item": {**message, "status": "in_progress", "content": []}}),
        ("response.content_part.added", {**place, "part": {**part, "text": ""}}),
        *(("response.output_text.delta", {**place, "delta": word}) for word in re.findall(r"\S+\s*", part["text"])),
        ("response.output_text.done", {**place, "text": part["text"]}),
        ("response.output_item.done", {"output_index": 0, "item": message}),
        ("response.completed", {"response": whole}),
    ]
    return [
        f"event: {name}\n".encode() + sse({"type": name, "sequence_number": number, **content})
        for number, (name, content) in enumerate(steps)
    ]


def transcription(request: Request):
    filename, data = request.file()
    text = f"{filename}: {len(data)} bytes, {hashlib.sha256(data).hexdigest()}, by {request.model}"
    if request.document.get("response_format") == "text":
        return Answer(200, "text/plain; charset=utf-8", text.encode())
    return {"text": text}


def speech(_request: Request) -> Answer:
    pieces = [SPEECH[start : start + 10_000] for start in range(0, len(SPEECH), 10_000)]
    return Answer(200, "audio/mpeg", events=pieces)


def image(request: Request):
    said = request.document["prompt"] + hashlib.sha256(request.file()[1]).hexdigest()
    return {"created": CREATED, "data": [{"b64_json": base64.b64encode(said.encode()).decode()}]}


def moderation(request: Request):
    result = {"flagged": False, "categories": {"violence": False}, "category_scores": {"violence": 0.01}}
    return {"id": f"modr-{request.fingerprint}", "model": request.model, "results": [result]}


def model_list(_request: Request):
    return {"object": "list", "data": [model_entry(name) for name in MODELS]}


def model_entry(name: str) -> dict:
    return {"id": name, "object": "model", "created": CREATED, "owned_by": "openai"}


def retrieve_model(request: Request, name: str):
    return model_entry(name) if name in MODELS else error(404, request, echo=False)


STORED_FILES: dict[str, tuple[str, bytes]] = {}


def create_file(request: Request):
    filename, data = request.file()
    file_id = f"file-{hashlib.sha256(data).hexdigest()[:16]}"
    STORED_FILES[file_id] = (filename, data)
    return {**file_entry(file_id), "purpose": request.document["purpose"]}


def file_entry(file_id: str) -> dict:
    filename, data = STORED_FILES[file_id]
    return {
        "id": file_id,
        "object": "file",
        "bytes": len(data),
        "created_at": CREATED,
        "filename": filename,
        "purpose": "batch",
        "status": "processed",
    }


def file_list(_request: Request):
    return {"object": "list", "data": [file_entry(file_id) for file_id in STORED_FILES], "has_more": False}


def retrieve_file(_request: Request, file_id: str):
    return file_entry(file_id)


def file_content(_request: Request, file_id: str):
    filename, data = STORED_FILES[file_id]
    said = Answer(200, "application/octet-stream", data)
    said.headers["content-disposition"] = f'attachment; filename="{filename}"'
    return said


def create(request: Request, family: str, *_rest: str):
    """Any stored object: what was sent, with an identity."""
    kind = family.rstrip("/").split("/")[-1].removesuffix("s")
    given = {name: value for name, value in request.document.items() if isinstance(name, str)}
    filename, data = request.file()
    if request.parts is not None:
        given["received"] = {"filename": filename, "sha256": hashlib.sha256(data).hexdigest()}
    return {"status": "in_progress", **given, "id": f"{kind}_{request.fingerprint}", "object": kind, "created_at": CREATED}


def collection(request: Request, family: str, *_rest: str):
    return {"object": "list", "data": [create(request, family)], "first_id": None, "last_id": None, "has_more": False}


def retrieve(request: Request, family: str, identity: str, *_rest: str):
    return {**create(request, family), "id": identity}


def delete(_request: Request, family: str, identity: str):
    return {"id": identity, "object": f"{family.split('/')[-1].removesuffix('s')}.deleted", "deleted": True}


FAMILY = (
    r"/(files|uploads|batches|vector_stores|fine_tuning/jobs|conversations|evals|containers|responses|chat/completions"
    r"|vector_stores/[^/]+/files|conversations/[^/]+/items|evals/[^/]+/runs|containers/[^/]+/files)"
)
ROUTES = [
    ("POST", r"/chat/completions", chat),
    ("POST", r"/completions", completion),
    ("POST", r"/embeddings", embeddings),
    ("POST", r"/responses", response),
    ("POST", r"/audio/(?:transcriptions|translations)", transcription),
    ("POST", r"/audio/speech", speech),
    ("POST", r"/images/(?:generations|edits|variations)", image),
    ("POST", r"/moderations", moderation),
    ("GET", r"/models", model_list),
    ("GET", r"/models/(.+)", retrieve_model),
    ("POST", r"/files", create_file),
    ("GET", r"/files", file_list),
    ("GET", r"/files/([^/]+)", retrieve_file),
    ("GET", r"/files/([^/]+)/content", file_content),
    ("POST", FAMILY, create),
    ("GET", FAMILY, collection),
    ("GET", FAMILY + r"/([^/]+)", retrieve),
    ("POST", FAMILY + r"/([^/]+)", retrieve),
    ("DELETE", FAMILY + r"/([^/]+)", delete),
    ("POST", FAMILY + r"/([^/]+)/(?:cancel|complete|pause|resume)", retrieve),
    ("POST", FAMILY + r"/([^/]+)/(?:parts|search)", create),
    ("GET", FAMILY + r"/([^/]+)/(?:events|checkpoints|input_items|messages)", collection),
]


def sse(value: dict) -> bytes:
    return b"data: " + json.dumps(value, ensure_ascii=False).encode() + b"\n\n"


def document(body: bytes) -> dict:
    try:
        value = json.loads(body or b"{}")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def multipart(content_type: str, body: bytes) -> list[tuple[str, str | None, bytes]] | None:
    """(name, filename, data) of each part; None when the body is not multipart."""
    boundary = re.search(r'multipart/form-data;.*boundary="?([^";]+)', content_type)
    if not boundary:
        return None
    parts = []
    for part in (b"\r\n" + body).split(b"\r\n--" + boundary[1].encode())[1:-1]:
        head, _, data = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        name = re.search(rb'[; ]name="([^"]*)"', head)
        filename = re.search(rb'filename="([^"]*)"', head)
        parts.append((name[1].decode() if name else "", filename[1].decode() if filename else None, data))
    return parts
