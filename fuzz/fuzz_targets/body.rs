//! Bodies: the same content however they are cut, and nothing that comes behind their end.
#![no_main]

use bifrost::http::{BodyDecoder, BodyError, Framing, chunk_head};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let [kind, length, input @ ..] = data else { return };
    let framing = match kind % 4 {
        0 => Framing::Empty,
        1 => Framing::Length(u64::from(*length)),
        2 => Framing::UntilClose,
        _ => Framing::Chunked,
    };
    let whole = decode(framing, input, input.len().max(1));
    for step in [1, 2, 3, usize::from(*length).max(1)] {
        assert_eq!(decode(framing, input, step), whole, "in pieces of {step} bytes");
    }
    let Decoded { content, used, is_done, error } = &whole;
    assert!(content.len() <= *used && *used <= input.len());
    match framing {
        Framing::Empty => assert_eq!((*used, *is_done), (0, true)),
        Framing::Length(length) => {
            assert_eq!(content, &input[..input.len().min(length as usize)]);
            assert_eq!(*is_done, content.len() as u64 == length);
        }
        Framing::UntilClose => assert_eq!((&content[..], *is_done), (input, false)),
        Framing::Chunked if *is_done => {
            assert_eq!((content, *used), (&plain_chunks(&input[..*used]), *used));
            let framed = [chunk_head(content.len()).as_bytes(), content, b"\r\n0\r\n\r\n"].concat();
            let framed = if content.is_empty() { b"0\r\n\r\n".to_vec() } else { framed };
            assert_eq!(decode(framing, &framed, 7).content, *content);
        }
        Framing::Chunked => {}
    }
    assert!(error.is_none() || framing == Framing::Chunked);
});

#[derive(Debug, PartialEq)]
struct Decoded {
    content: Vec<u8>,
    used: usize,
    is_done: bool,
    error: Option<BodyError>,
}

fn decode(framing: Framing, input: &[u8], step: usize) -> Decoded {
    let mut decoder = BodyDecoder::new(framing);
    let (mut content, mut used, mut error) = (Vec::new(), 0, None);
    for piece in input.chunks(step) {
        match decoder.push(piece, &mut content) {
            Ok(taken) => used += taken,
            Err(refused) => {
                // Where in a piece it was refused is nobody's concern.
                used = content.len();
                error = Some(refused);
                break;
            }
        }
    }
    Decoded { content, used, is_done: decoder.is_done(), error }
}

/// The content of a chunked body that was accepted.
fn plain_chunks(mut body: &[u8]) -> Vec<u8> {
    let mut content = Vec::new();
    loop {
        let end = body.windows(2).position(|pair| pair == b"\r\n").unwrap();
        let line = std::str::from_utf8(&body[..end]).unwrap_or_default();
        let digits: String =
            body[..end].iter().map(|byte| char::from(*byte)).take_while(char::is_ascii_hexdigit).collect();
        assert!(line.is_empty() || line.starts_with(&digits));
        let size = usize::from_str_radix(&digits, 16).unwrap();
        body = &body[end + 2..];
        if size == 0 {
            assert!(body.ends_with(b"\r\n"));
            return content;
        }
        content.extend_from_slice(&body[..size]);
        assert_eq!(body[size..size + 2], *b"\r\n");
        body = &body[size + 2..];
    }
}
