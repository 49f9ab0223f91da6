"""What the tests of this folder share."""

import pytest

KEY = "sk-of-the-gateway-0123456789abcdef"
AWS_SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
CLIENT_KEY = "sk-of-the-client"
ANSWER = "Hello there, friend \U0001f600."
MODELS = {
    "openai": "openai/gpt-4o",
    "anthropic": "anthropic/claude-sonnet-4-5",
    "gemini": "gemini/gemini-2.5-flash",
    "bedrock": "bedrock/anthropic.claude-3-7-sonnet-20250219-v1:0",
    "cohere": "cohere/command-a-03-2025",
}
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="


def model_of(*vendors):
    """Runs a test with the model of each of these vendors."""
    return pytest.mark.parametrize("model", [MODELS[vendor] for vendor in vendors], ids=vendors)
