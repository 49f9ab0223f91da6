//! The bytes that go around: requests as OpenAI's Python SDK sends them, answers as OpenAI sends them.

/// A chat request with a body of about `bytes`, `messages` before `model`.
pub fn request(path: &str, bytes: usize, is_streamed: bool) -> Vec<u8> {
    let filler = "The quick brown fox jumps over the lazy dog, and says \\\"hello\\\" to it.\\n";
    let content = filler.repeat(bytes.saturating_sub(120) / filler.len() + 1);
    let stream = if is_streamed { ",\"stream\":true" } else { "" };
    let body = format!(
        "{{\"messages\":[{{\"role\":\"system\",\"content\":\"You are a helpful assistant.\"}},\
         {{\"role\":\"user\",\"content\":\"{content}\"}}],\"model\":\"openai/gpt-4o-mini\",\"temperature\":0.7{stream}}}"
    );
    format!(
        "POST {path} HTTP/1.1\r\nHost: localhost:8080\r\nAccept-Encoding: gzip, deflate\r\nConnection: keep-alive\r\n\
         Accept: application/json\r\nContent-Type: application/json\r\nUser-Agent: OpenAI/Python 3.54.0\r\n\
         X-Stainless-Lang: python\r\nX-Stainless-Package-Version: 3.54.0\r\nX-Stainless-OS: Linux\r\n\
         X-Stainless-Arch: x64\r\nX-Stainless-Runtime: CPython\r\nX-Stainless-Runtime-Version: 3.11.7\r\n\
         Authorization: Bearer sk-client-0123456789abcdef\r\nX-Stainless-Async: false\r\n\
         x-stainless-retry-count: 0\r\nx-stainless-read-timeout: 600\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// A whole answer, head and body.
pub fn answer() -> Vec<u8> {
    let body = "{\"id\":\"chatcmpl-AbCdEfGhIjKlMnOpQrStUvWx\",\"object\":\"chat.completion\",\"created\":1790000000,\
        \"model\":\"gpt-4o-mini-2024-07-18\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\
        \"The capital of France is Paris.\",\"refusal\":null,\"annotations\":[]},\"logprobs\":null,\
        \"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":13,\"completion_tokens\":7,\"total_tokens\":20}}";
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nopenai-processing-ms: 212\r\nopenai-version: 2020-10-01\r\n\
         x-ratelimit-limit-requests: 10000\r\nx-ratelimit-remaining-requests: 9999\r\n\
         x-request-id: req_0123456789abcdef0123456789abcdef\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// The head of a streamed answer.
pub const STREAM_HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n\
    x-request-id: req_0123456789abcdef0123456789abcdef\r\nTransfer-Encoding: chunked\r\n\r\n";

/// The end of a streamed answer.
pub const STREAM_END: &[u8] = b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n";

/// One event in a chunk of its own.
pub fn event() -> Vec<u8> {
    let event = "data: {\"id\":\"chatcmpl-AbCdEfGhIjKlMnOpQrStUvWx\",\"object\":\"chat.completion.chunk\",\
        \"created\":1790000000,\"model\":\"gpt-4o-mini-2024-07-18\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\
        \" word\"},\"logprobs\":null,\"finish_reason\":null}]}\n\n";
    format!("{:x}\r\n{event}\r\n", event.len()).into_bytes()
}
