"""The gateway as this suite configures it, and clients of it and of the upstream itself."""

import dataclasses
import json
import socket

import harness
import openai
import pytest



@dataclasses.dataclass(frozen=True)
class Keys:
    client: str = "sk-of-the-client"
    upstream: str = "sk-of-the-gateway-0123456789abcdef"


@dataclasses.dataclass
class Target:
    """One way to the upstream: `direct`, or through the gateway on one engine."""

    name: str
    base_url: str
    gateway_url: str | None
    client: openai.OpenAI = None

    def __post_init__(self):
        self.client = self.make()

    def make(self, **settings) -> openai.OpenAI:
        return openai.OpenAI(**(self.settings() | settings))

    def make_async(self, **settings) -> openai.AsyncOpenAI:
        return openai.AsyncOpenAI(**(self.settings() | settings))

    def settings(self) -> dict:
        return {"base_url": self.base_url, "api_key": Keys.client, "max_retries": 0, "timeout": 30}


@pytest.fixture(scope="session")
def suite_keys() -> Keys:
    return Keys()


@pytest.fixture(scope="session")
def refused_url():
    """An address that nobody listens on and nobody else can take."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


@pytest.fixture(scope="session")
def suite_gateway(start_gateway, upstream, refused_url):
    def speaks_openai(base_url: str, **network) -> dict:
        return {
            "keys": [{"name": "only", "value": "env.SUITE_KEY", "models": ["*"], "weight": 1}],
            "network_config": {"base_url": base_url, **network},
            "custom_provider_config": {"base_provider_type": "openai"},
        }

    keyless = speaks_openai(upstream.url)
    keyless["keys"] = []
    keyless["custom_provider_config"]["is_key_less"] = True
    impatient = speaks_openai(upstream.url, default_request_timeout_in_seconds=1, stream_idle_timeout_in_seconds=5)
    builtin = speaks_openai(upstream.url)
    del builtin["custom_provider_config"]
    providers = {
        "openai": builtin,
        "impatient": impatient,
        "keyless": keyless,
        "refused": speaks_openai(refused_url),
        "unresolvable": speaks_openai("http://nobody.invalid"),
        "picky": speaks_openai(upstream.url) | {
            "keys": [{"name": "only", "value": "env.SUITE_KEY", "models": ["gpt-4o"], "weight": 1}]
        },
    }
    config = json.dumps({"providers": providers}, indent=2)
    return lambda engine: start_gateway(engine, config, {"SUITE_KEY": Keys.upstream})


@pytest.fixture(scope="session")
def direct(upstream):
    return Target("direct", f"{upstream.url}/v1", None)


@pytest.fixture(scope="session")
def through_engine(suite_gateway):
    targets = {}

    def through(engine: str) -> Target:
        if engine not in targets:
            gateway = suite_gateway(engine)
            targets[engine] = Target(engine, f"{gateway.url}/openai", gateway.url)
        return targets[engine]

    return through


@pytest.fixture(scope="session", params=harness.ENGINES)
def through(request, through_engine) -> Target:
    """Through the gateway, on each engine."""
    return through_engine(request.param)


@pytest.fixture(scope="session", params=["direct", *harness.ENGINES])
def target(request, direct, through_engine) -> Target:
    """Straight to the upstream, then through the gateway on each engine: the same test must pass."""
    return direct if request.param == "direct" else through_engine(request.param)


@pytest.fixture
def both(upstream, direct, through):
    """Makes one raw call both ways: the upstream must see the same, and the client must get the same."""

    def compare(call, direct_client=None, through_client=None):
        answers, seen = [], []
        for client in (direct_client or direct.client, through_client or through.client):
            answers.append(call(client))
            seen.append(upstream.last())
        assert seen[1].request_id != seen[0].request_id
        assert (seen[1].method, seen[1].path) == (seen[0].method, seen[0].path)
        assert seen[1].comparable_body() == seen[0].comparable_body()
        assert answers[1].status_code == answers[0].status_code
        assert answers[1].headers.get("content-type") == answers[0].headers.get("content-type")
        assert answers[1].content == answers[0].content
        return answers[1]

    return compare
