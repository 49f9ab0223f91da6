"""Amazon's signature (SigV4), made again from what the vendor got."""

import hashlib
import hmac
import re
import urllib.parse

import openai
import pytest
import suite


def digest(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def signature(seen: dict, region: str, names: str) -> str:
    headers, body = seen["headers"], seen["body"]
    date = headers["x-amz-date"]
    path, _, query = seen["path"].partition("?")
    assert not query
    fields = "".join(f"{name}:{' '.join(headers[name].split())}\n" for name in names.split(";"))
    # All services but S3 want what is encoded in the path to be encoded once more.
    path = urllib.parse.quote(path, safe="/-._~")
    hashed = hashlib.sha256(body.encode()).hexdigest()
    request = "\n".join([seen["method"], path, query, fields, names, hashed])
    scope = f"{date[:8]}/{region}/bedrock/aws4_request"
    text = "\n".join(["AWS4-HMAC-SHA256", date, scope, hashlib.sha256(request.encode()).hexdigest()])
    key = f"AWS4{suite.AWS_SECRET}".encode()
    for part in scope.split("/"):
        key = digest(key, part)
    return digest(key, text).hex()


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_a_request_to_bedrock_is_signed(world, streamed):
    with openai.OpenAI(base_url=f"{world.url}/openai", api_key=suite.CLIENT_KEY, max_retries=0) as client:
        model = "signed/anthropic.claude-3-7-sonnet-20250219-v1:0"
        answer = client.chat.completions.create(model=model, messages=[{"role": "user", "content": "hello é"}], stream=streamed)
        if streamed:
            assert "".join(chunk.choices[0].delta.content or "" for chunk in answer if chunk.choices) == suite.ANSWER
    seen = world.last()
    proof = re.fullmatch(
        r"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/\d{8}/eu-central-1/bedrock/aws4_request, "
        r"SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]{64})",
        seen["headers"]["authorization"],
    )
    assert {"host", "x-amz-date"} <= set(proof[1].split(";"))
    assert proof[2] == signature(seen, "eu-central-1", proof[1])
