"""The upstream's side of a WebSocket: a session that repeats what it is told, word by word."""

import json
import socket
import urllib.parse

from websockets import frames, http11, server

READ_BYTES_MAX = 1 << 16


def serve(connection: socket.socket, head: bytes) -> None:
    """Speaks on a connection whose request head has been read, until the client leaves."""
    protocol = server.ServerProtocol(subprotocols=["realtime"], select_subprotocol=lambda _, offered: offered[0] if offered else None)
    protocol.receive_data(head)
    session = Session()
    while True:
        for event in protocol.events_received():
            if isinstance(event, http11.Request):
                accept(protocol, event, session)
            elif event.opcode is frames.Opcode.TEXT:
                for answer in session.hear(json.loads(event.data)):
                    protocol.send_text(json.dumps(answer).encode())
        for data in protocol.data_to_send():
            if data:
                connection.sendall(data)
            else:
                connection.shutdown(socket.SHUT_WR)
        received = connection.recv(READ_BYTES_MAX)
        if not received:
            return
        protocol.receive_data(received)


def accept(protocol: server.ServerProtocol, request: http11.Request, session: "Session") -> None:
    query = urllib.parse.parse_qs(urllib.parse.urlsplit(request.path).query)
    model = query.get("model", [""])[0]
    if model.startswith("fail-"):
        return protocol.send_response(protocol.reject(int(model.removeprefix("fail-")), json.dumps({"error": {"message": model}})))
    protocol.send_response(protocol.accept(request))
    created = {"type": "session.created", "event_id": "event_0", "session": {"type": "realtime", "model": model}}
    protocol.send_text(json.dumps(created).encode())


class Session:
    def __init__(self):
        self.words = []

    def hear(self, event: dict) -> list[dict]:
        if event["type"] == "conversation.item.create":
            self.words += event["item"]["content"][0]["text"].split()
        elif event["type"] == "response.create":
            words, self.words = self.words, []
            answers = [{"type": "response.output_text.delta", "delta": word} for word in words]
            return [*answers, {"type": "response.done", "response": {"id": "resp_1", "object": "realtime.response"}}]
        return []
