//! Messages as bytes.

/// Head of an answer that streams events.
pub(crate) const STREAM_HEAD: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";

/// The end of a chunked body.
pub(crate) const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// One chunk of a chunked body.
pub(crate) fn chunk(bytes: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}

/// A request; it has a length if it has a body or a method that expects one.
pub(crate) fn request(method: &str, target: &str, fields: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("{method} {target} HTTP/1.1\r\nHost: gateway.test\r\n").into_bytes();
    if !body.is_empty() || matches!(method, "POST" | "PUT" | "PATCH") {
        bytes.extend_from_slice(format!("Content-Length: {}\r\n", body.len()).as_bytes());
    }
    finish(bytes, fields, body)
}

/// A POST of JSON.
pub(crate) fn post(target: &str, body: &str) -> Vec<u8> {
    request("POST", target, &[("Content-Type", "application/json")], body.as_bytes())
}

/// A GET without a body.
pub(crate) fn get(target: &str) -> Vec<u8> {
    request("GET", target, &[], b"")
}

/// An answer with a length.
pub(crate) fn reply(status: &str, fields: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let bytes = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n", body.len()).into_bytes();
    finish(bytes, fields, body)
}

/// A good answer in JSON.
pub(crate) fn json_reply(body: &str) -> Vec<u8> {
    reply("200 OK", &[("Content-Type", "application/json")], body.as_bytes())
}

fn finish(mut bytes: Vec<u8>, fields: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    for (name, value) in fields {
        bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(body);
    bytes
}
