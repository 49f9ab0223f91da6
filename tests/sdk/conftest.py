"""What both Python suites share."""

import os

import harness
import pytest

OWNERS = ("OPENAI_", "ANTHROPIC_", "GEMINI_", "GOOGLE_", "LANGCHAIN_", "LANGSMITH_")

for name in list(os.environ):
    # The client libraries read these; a developer's own settings must not steer a test.
    if name.startswith(OWNERS) or name.lower().endswith("_proxy"):
        del os.environ[name]


@pytest.fixture(scope="session")
def upstream(tmp_path_factory):
    running = harness.Upstream(tmp_path_factory.mktemp("upstream") / "upstream.log")
    yield running
    running.stop()


@pytest.fixture(scope="session")
def start_gateway(tmp_path_factory):
    """(engine, config, environment) to a running gateway; the same three give the same one."""
    running: dict[tuple, harness.Gateway] = {}

    def start(engine: str, config: str, environment: dict[str, str]) -> harness.Gateway:
        identity = (engine, config, *sorted(environment.items()))
        if identity not in running:
            running[identity] = harness.Gateway(engine, config, environment, tmp_path_factory.mktemp(engine))
        return running[identity]

    yield start
    for gateway in running.values():
        gateway.stop()
