"""An upstream that speaks the OpenAI API on a free port of 127.0.0.1, prints its address, and ends when stdin ends.

What it answers is in answers.py and depends only on what it was asked, so two equal requests get equal bytes.
Tests talk to it beside the API:

    GET  /__last?n=3          the last n requests, newest last: method, path, headers, body (base64), request_id
    POST /__go/MODEL          lets the stream asked of MODEL (`gated-…`) send its next event
    GET  /__gone/MODEL        waits until the client of MODEL (`gated-…`, `slow-…`, `hang-midstream-…`) has hung up

Model names that misbehave: `fail-STATUS` answers that error, `fail-midstream` cuts the connection in the middle of its
answer, `slow…` never answers, `hang-midstream…` falls silent after two events.
"""

import base64
import collections
import http.server
import itertools
import json
import select
import socket
import sys
import threading
import urllib.parse

import answers
import realtime

REMEMBERED_REQUESTS_MAX = 2000
SILENCE_SECONDS_MAX = 20
GONE_SECONDS_MAX = 5
READ_BYTES_MAX = 1 << 16


class Conversation:
    """What a test and the handler of one peculiar model name tell each other."""

    def __init__(self):
        self.wake, self.waker = socket.socketpair()
        self.gone = threading.Event()

    def wait_for_go(self, client: socket.socket) -> bool:
        """False when the client hung up, or when nobody said go for too long."""
        readable, _, _ = select.select([self.wake, client], [], [], SILENCE_SECONDS_MAX)
        if client in readable:
            self.gone.set()
            return False
        return bool(readable) and bool(self.wake.recv(1))


class Upstream(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests = collections.deque(maxlen=REMEMBERED_REQUESTS_MAX)
        self.request_numbers = itertools.count(1)
        self.conversations = {}
        self.conversations_lock = threading.Lock()

    def conversation(self, model: str) -> Conversation:
        with self.conversations_lock:
            return self.conversations.setdefault(model, Conversation())

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "upstream"
    disable_nagle_algorithm = True
    wbufsize = -1

    def answer(self):
        path, _, query = self.path.partition("?")
        body = self.read_body()
        if path.startswith("/__"):
            return self.answer_test(path, urllib.parse.parse_qs(query))
        request_id = f"req_{next(self.server.request_numbers):06}"
        self.remember(request_id, body)
        if self.headers.get("upgrade", "").lower() == "websocket":
            return self.speak_websocket()
        request = answers.Request(self.command, path, query, dict(self.headers.items()), body)
        model = request.model
        if model.startswith("slow"):
            self.fall_silent(model)
        elif model.startswith("fail-midstream") and not request.streamed:
            self.send_half(request_id, answers.answer(request))
        elif model.startswith("gated-"):
            self.send_gated(request_id, model, answers.answer(request))
        elif model.startswith(("fail-midstream", "hang-midstream")):
            self.send_broken_stream(request_id, model, answers.answer(request))
        else:
            self.send(request_id, answers.answer(request))

    do_GET = do_POST = do_DELETE = do_PUT = do_PATCH = answer

    def speak_websocket(self):
        self.close_connection = True
        fields = "".join(f"{name}: {value}\r\n" for name, value in self.headers.items())
        realtime.serve(self.connection, self.raw_requestline + fields.encode() + b"\r\n")

    def answer_test(self, path: str, query: dict):
        _, verb, *rest = path.split("/", 2)
        if verb == "__last":
            count = int(query.get("n", ["1"])[0])
            document = list(self.server.requests)[-count:]
        elif verb == "__go":
            self.server.conversation(rest[0]).waker.send(b"g")
            document = {}
        elif verb == "__gone":
            document = {"gone": self.server.conversation(rest[0]).gone.wait(GONE_SECONDS_MAX)}
        else:
            document = {"error": f"{path} is not known"}
        self.send("req_test", answers.Answer(200, "application/json", json.dumps(document).encode()))

    def remember(self, request_id: str, body: bytes):
        self.server.requests.append(
            {
                "request_id": request_id,
                "method": self.command,
                "path": self.path,
                "headers": [[name.lower(), value] for name, value in self.headers.items()],
                "body": base64.b64encode(body).decode(),
            }
        )

    def read_body(self) -> bytes:
        if "chunked" not in self.headers.get("transfer-encoding", ""):
            return self.rfile.read(int(self.headers.get("content-length", 0)))
        body = bytearray()
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return bytes(body)

    def send(self, request_id: str, answer: answers.Answer):
        self.send_head(request_id, answer)
        if answer.events is None:
            self.wfile.write(answer.body)
        else:
            for event in answer.events:
                self.send_chunk(event)
            self.send_chunk(b"")
        self.wfile.flush()

    def send_head(self, request_id: str, answer: answers.Answer):
        self.send_response(answer.status)
        self.send_header("content-type", answer.content_type)
        self.send_header("x-request-id", request_id)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.events is None:
            self.send_header("content-length", str(len(answer.body)))
        else:
            self.send_header("transfer-encoding", "chunked")
        self.end_headers()

    def send_chunk(self, data: bytes):
        self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))
        self.wfile.flush()

    def send_gated(self, request_id: str, model: str, answer: answers.Answer):
        """The role and the first word go at once, each further chunk waits for its go."""
        conversation = self.server.conversation(model)
        self.send_head(request_id, answer)
        for number, event in enumerate(answer.events):
            if number >= 2 and event.startswith(b"data: {") and not conversation.wait_for_go(self.connection):
                return self.cut()
            self.send_chunk(event)
        self.send_chunk(b"")

    def send_broken_stream(self, request_id: str, model: str, answer: answers.Answer):
        self.send_head(request_id, answer)
        for event in itertools.islice(answer.events, 2):
            self.send_chunk(event)
        if model.startswith("hang-midstream"):
            self.fall_silent(model)
        else:
            self.cut()

    def send_half(self, request_id: str, answer: answers.Answer):
        self.send_head(request_id, answer)
        self.wfile.write(answer.body[: len(answer.body) // 2])
        self.cut()

    def fall_silent(self, model: str):
        self.server.conversation(model).wait_for_go(self.connection)
        self.cut()

    def cut(self):
        self.close_connection = True
        try:
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def log_message(self, *_):
        pass


def main():
    upstream = Upstream()
    threading.Thread(target=upstream.serve_forever, daemon=True).start()
    print(f"http://127.0.0.1:{upstream.server_port}", flush=True)
    while sys.stdin.buffer.read(READ_BYTES_MAX):
        pass


if __name__ == "__main__":
    main()
