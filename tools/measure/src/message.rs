//! The bytes that go around: requests as OpenAI's Python SDK sends them, answers as OpenAI and Anthropic send them.

/// Serves what passes as it is.
pub const VERBATIM: &str = "openai/gpt-4o-mini";
/// Is asked in another dialect.
pub const TRANSLATED: &str = "anthropic/claude-sonnet-4-5";

/// A chat request with a body of about `bytes`, `messages` before `model`.
pub fn request(path: &str, model: &str, bytes: usize, is_streamed: bool) -> Vec<u8> {
    let filler = "The quick brown fox jumps over the lazy dog, and says \\\"hello\\\" to it.\\n";
    let content = filler.repeat(bytes.saturating_sub(120) / filler.len() + 1);
    let stream = if is_streamed { ",\"stream\":true" } else { "" };
    let body = format!(
        "{{\"messages\":[{{\"role\":\"system\",\"content\":\"You are a helpful assistant.\"}},\
         {{\"role\":\"user\",\"content\":\"{content}\"}}],\"model\":\"{model}\",\"temperature\":0.7{stream}}}"
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

/// A whole answer of Anthropic's.
pub fn anthropic_answer() -> Vec<u8> {
    let body = "{\"id\":\"msg_01AbCdEfGhIjKlMnOpQrStUv\",\"type\":\"message\",\"role\":\"assistant\",\
        \"model\":\"claude-sonnet-4-5-20250929\",\"content\":[{\"type\":\"text\",\"text\":\
        \"The capital of France is Paris.\"}],\"stop_reason\":\"end_turn\",\"stop_sequence\":null,\
        \"usage\":{\"input_tokens\":13,\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":0,\
        \"output_tokens\":7}}";
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nrequest-id: req_0123456789abcdefghijklmn\r\n\
         anthropic-ratelimit-requests-limit: 4000\r\nanthropic-ratelimit-requests-remaining: 3999\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// What Anthropic's stream says before its texts.
pub fn anthropic_begin() -> Vec<u8> {
    chunk(
        "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\
         \"msg_01AbCdEfGhIjKlMnOpQrStUv\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\
         \"claude-sonnet-4-5-20250929\",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\
         \"usage\":{\"input_tokens\":13,\"output_tokens\":1}}}\n\nevent: content_block_start\ndata: {\"type\":\
         \"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n",
    )
}

/// One text of Anthropic's stream in a chunk of its own.
pub fn anthropic_event() -> Vec<u8> {
    chunk(
        "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":\
         {\"type\":\"text_delta\",\"text\":\" word\"}}\n\n",
    )
}

/// What Anthropic's stream says behind its texts, and its end.
pub fn anthropic_end() -> Vec<u8> {
    let mut end = chunk(
        "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\nevent: message_delta\n\
         data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\",\"stop_sequence\":null},\
         \"usage\":{\"output_tokens\":100}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
    );
    end.extend_from_slice(b"0\r\n\r\n");
    end
}

fn chunk(events: &str) -> Vec<u8> {
    format!("{:x}\r\n{events}\r\n", events.len()).into_bytes()
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
    chunk(event)
}
