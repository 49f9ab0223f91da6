"""Vendors of several dialects by a mock that others wrote, and the gateway before them."""

import dataclasses
import json
import os
import urllib.request

import harness
import pytest
import suite


@dataclasses.dataclass
class World:
    """The gateway on one engine, and the vendors behind it."""

    gateway: harness.Gateway
    vendors_url: str

    @property
    def url(self) -> str:
        return self.gateway.url

    def seen(self) -> dict:
        """The body of the last request as its vendor got it."""
        return json.loads(self.last()["body"])

    def last(self) -> dict:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(self.vendors_url + "/__last", timeout=harness.CALL_SECONDS_MAX) as answer:
            return json.load(answer)


@pytest.fixture(scope="session")
def vendors(tmp_path_factory):
    command = [os.environ["BIFROST_SDK_NODE"], os.environ["BIFROST_SDK_VENDORS"]]
    running = harness.Server(command, tmp_path_factory.mktemp("vendors") / "vendors.log")
    yield running.url
    running.process.terminate()
    running.process.wait(harness.STOP_SECONDS_MAX)


@pytest.fixture(scope="session", params=harness.ENGINES)
def world(request, start_gateway, vendors):
    provider = {
        "keys": [{"name": "only", "value": "env.SUITE_KEY", "models": ["*"], "weight": 1}],
        "network_config": {"base_url": vendors},
    }
    providers = {name: json.loads(json.dumps(provider)) for name in suite.MODELS}
    providers["bedrock"]["keys"][0]["bedrock_key_config"] = {"region": "us-east-1"}
    keys = {"access_key": "AKIDEXAMPLE", "secret_key": "env.AWS_SECRET", "region": "eu-central-1"}
    signed = {"name": "only", "models": ["*"], "weight": 1, "bedrock_key_config": keys}
    providers["signed"] = provider | {"keys": [signed], "custom_provider_config": {"base_provider_type": "bedrock"}}
    environment = {"SUITE_KEY": suite.KEY, "AWS_SECRET": suite.AWS_SECRET}
    gateway = start_gateway(request.param, json.dumps({"providers": providers}), environment)
    return World(gateway, vendors)
