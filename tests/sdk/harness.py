"""Starts what the suites talk to: the test upstream, the gateway, and whatever else prints its address on stdout."""

import base64
import dataclasses
import json
import os
import pathlib
import re
import selectors
import subprocess
import sys
import time
import urllib.request

HERE = pathlib.Path(__file__).parent
START_SECONDS_MAX = 60
STOP_SECONDS_MAX = 20
CALL_SECONDS_MAX = 15
ENGINES = os.environ.get("BIFROST_TEST_IO", "epoll,io-uring").split(",")


class Server:
    """A process whose first URL on stdout is its address; ended by its id."""

    def __init__(self, command: list[str], log: pathlib.Path, environment: dict[str, str] | None = None):
        self.log = log
        with log.open("wb") as stderr:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                env=environment,
                cwd=log.parent,
            )
        try:
            self.url = self.address()
        except BaseException:
            self.process.kill()
            self.process.wait()
            raise

    def address(self) -> str:
        said = b""
        deadline = time.monotonic() + START_SECONDS_MAX
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            while (left := deadline - time.monotonic()) > 0 and selector.select(left):
                read = os.read(self.process.stdout.fileno(), 1 << 16)
                if not read:
                    break
                said += read
                if found := re.search(rb"http://[^\s\"]+(?=\s)", said):
                    return found[0].decode().rstrip("/")
        raise RuntimeError(f"{self.process.args} printed no address but {said!r}, and on stderr:\n{self.said()}")

    def said(self) -> str:
        return self.log.read_text(errors="replace")[-8000:]

    def stop(self) -> int:
        """The exit code after SIGTERM; a process that does not end is killed and told of."""
        self.process.terminate()
        try:
            return self.process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise RuntimeError(f"{self.process.args} did not end within {STOP_SECONDS_MAX} s:\n{self.said()}") from None


@dataclasses.dataclass
class Seen:
    """One request as the upstream received it."""

    request_id: str
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    def json(self):
        return json.loads(self.body)

    def comparable_body(self) -> bytes:
        """Each client draws a boundary of its own for every multipart body."""
        boundary = re.search(r"boundary=([^;]+)", self.headers.get("content-type", ""))
        return self.body.replace(boundary[1].encode(), b"BOUNDARY") if boundary else self.body


class Upstream:
    """The test upstream and what tests say to it beside the API."""

    def __init__(self, log: pathlib.Path):
        self.server = Server([sys.executable, str(HERE / "upstream.py")], log)
        self.url = self.server.url

    def last(self) -> Seen:
        return self.last_many(1)[0]

    def last_many(self, count: int) -> list[Seen]:
        return [
            Seen(
                request_id=seen["request_id"],
                method=seen["method"],
                path=seen["path"],
                headers=dict(seen["headers"]),
                body=base64.b64decode(seen["body"]),
            )
            for seen in self.ask("GET", f"/__last?n={count}")
        ]

    def go(self, model: str) -> None:
        self.ask("POST", f"/__go/{model}")

    def client_is_gone(self, model: str) -> bool:
        return self.ask("GET", f"/__gone/{model}")["gone"]

    def ask(self, method: str, path: str):
        request = urllib.request.Request(self.url + path, method=method)
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=CALL_SECONDS_MAX) as answer:
            return json.load(answer)

    def stop(self) -> None:
        self.server.stop()


class Gateway:
    """The binary named by BIFROST_BIN, on a free port, with one config and no other environment than what is given."""

    def __init__(self, engine: str, config: str, environment: dict[str, str], folder: pathlib.Path):
        binary = os.environ.get("BIFROST_BIN")
        if not binary:
            raise RuntimeError("BIFROST_BIN does not name the gateway's binary; `cargo test --test sdk` sets it")
        config_path = folder / "config.json"
        config_path.write_text(config)
        self.engine = engine
        command = [binary, "--config", str(config_path), "--app-dir", str(folder)]
        command += ["--host", "127.0.0.1", "--port", "0", "--shards", "2", "--io", engine]
        keep = {name: os.environ[name] for name in ("PATH", "HOME", "RUST_BACKTRACE") if name in os.environ}
        self.server = Server(command, folder / "gateway.log", keep | environment)
        self.url = self.server.url

    def stop(self) -> None:
        code = self.server.stop()
        if code != 0:
            raise RuntimeError(f"the gateway ended with {code}:\n{self.server.said()}")
