//! Vectors as OpenAI's clients ask for them and read them.

use data_encoding::BASE64;

use crate::{
    dialect::json::{Kind, ReadError, Reader, Writer},
    ir::{EmbeddingRequest, EmbeddingResponse, Raw, Text, VectorEncoding},
};

/// Texts of one request, as OpenAI bounds them.
const INPUTS_MAX: usize = 2048;

/// Reads a request.
pub fn decode_request(body: &str) -> Result<EmbeddingRequest<'_>, ReadError> {
    let mut request = EmbeddingRequest::default();
    let mut reader = Reader::new(body);
    reader.object(|name, reader| {
        match name {
            "model" => reader.skip()?,
            "input" => request.inputs = inputs(reader)?,
            "dimensions" => request.dimensions = reader.count_unless_null()?,
            "encoding_format" => {
                request.encoding = match reader.text_unless_null()? {
                    Some(format) if format.is("base64") => VectorEncoding::Base64,
                    Some(format) if !format.is("float") => {
                        return Err(ReadError::invalid("must be float or base64"));
                    }
                    _ => VectorEncoding::Float,
                }
            }
            "user" => request.user = reader.text_unless_null()?,
            other => {
                if let Some(raw) = reader.raw_unless_null()? {
                    request.extra.push((other.to_owned().into(), raw));
                }
            }
        }
        Ok(())
    })?;
    reader.end()?;
    if request.inputs.is_empty() {
        return Err(ReadError::missing("input"));
    }
    Ok(request)
}

fn inputs<'a>(reader: &mut Reader<'a>) -> Result<Vec<Text<'a>>, ReadError> {
    let mut inputs = Vec::new();
    match reader.kind() {
        Some(Kind::Array) => reader.array(|reader| {
            if reader.kind() != Some(Kind::Text) {
                let what = "must hold texts: the provider does not take tokens, which are OpenAI's own";
                return Err(ReadError::invalid(what));
            }
            if inputs.len() == INPUTS_MAX {
                return Err(ReadError::invalid(format!("is beyond the {INPUTS_MAX} texts of one request")));
            }
            inputs.push(reader.text()?);
            Ok(())
        })?,
        _ => inputs.push(reader.text()?),
    }
    if inputs.iter().any(Text::is_empty) || inputs.is_empty() {
        return Err(ReadError::invalid("must not be empty"));
    }
    Ok(inputs)
}

/// Writes an answer of a model; false where a vector is not one.
pub fn encode_response(
    response: &EmbeddingResponse<'_>,
    encoding: VectorEncoding,
    model: &str,
    out: &mut Vec<u8>,
) -> bool {
    let vectors: Option<Vec<_>> = response.vectors.iter().map(|vector| told(vector, encoding)).collect();
    let Some(vectors) = vectors else { return false };
    Writer::new(out).object(|writer| {
        writer.member("object").string("list");
        writer.member("data").array(|writer| {
            for (index, vector) in vectors.iter().enumerate() {
                writer.object(|writer| {
                    writer.member("object").string("embedding");
                    writer.member("index").count(index as u64);
                    writer.member("embedding").raw(vector);
                });
            }
        });
        writer.member("model").text(&Text::plain(model));
        let tokens = response.usage.unwrap_or_default().input_tokens;
        writer.member("usage").object(|writer| {
            writer.member("prompt_tokens").count(tokens);
            writer.member("total_tokens").count(tokens);
        });
    });
    true
}

/// A vector as the client wants it; none where it is no list of numbers.
fn told<'r>(vector: &'r Raw<'_>, encoding: VectorEncoding) -> Option<Raw<'r>> {
    let mut bytes = Vec::new();
    let mut reader = Reader::new(vector.as_str());
    let read = reader.array(|reader| {
        let number = reader.number()?;
        if encoding == VectorEncoding::Base64 {
            let number: f32 = number.as_str().parse().map_err(|_| ReadError::invalid("is no number"))?;
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        Ok(())
    });
    read.ok()?;
    Some(match encoding {
        VectorEncoding::Float => vector.reborrow(),
        VectorEncoding::Base64 => Raw::owned(format!("\"{}\"", BASE64.encode(&bytes))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::Usage;

    #[test]
    fn texts_come_alone_or_in_a_list() {
        let request =
            decode_request(r#"{"input":"a\n","model":"m","dimensions":3,"task_type":"X"}"#).unwrap();
        assert_eq!(request.inputs, [Text::escaped("a\\n")]);
        assert_eq!((request.dimensions, request.encoding), (Some(3), VectorEncoding::Float));
        assert_eq!(request.extra, [("task_type".into(), Raw::new("\"X\""))]);
        let request = decode_request(r#"{"input":["a","b"],"encoding_format":"base64","user":"u"}"#).unwrap();
        assert_eq!((request.inputs.len(), request.encoding), (2, VectorEncoding::Base64));
    }

    #[test]
    fn what_cannot_be_asked_for_is_refused_by_its_name() {
        for (body, param) in [
            ("{}", "input"),
            (r#"{"input":[]}"#, "input"),
            (r#"{"input":""}"#, "input"),
            (r#"{"input":["a",""]}"#, "input"),
            (r#"{"input":[1,2]}"#, "input[0]"),
            (r#"{"input":[[1,2]]}"#, "input[0]"),
            (r#"{"input":7}"#, "input"),
            (r#"{"input":"a","encoding_format":"hex"}"#, "encoding_format"),
            (r#"{"input":"a","dimensions":"x"}"#, "dimensions"),
        ] {
            let error = decode_request(body).unwrap_err().into_refusal();
            assert_eq!((error.status, error.param.as_deref()), (400, Some(param)), "{body}");
        }
    }

    #[test]
    fn numbers_are_told_as_they_stand_or_as_their_bytes() {
        let usage = Usage { input_tokens: 5, ..Usage::default() };
        let vectors = vec![Raw::new("[1.0, -0.5]"), Raw::new("[1e-3]")];
        let response = EmbeddingResponse { vectors, usage: Some(usage) };
        let written = |encoding| {
            let mut out = Vec::new();
            assert!(encode_response(&response, encoding, "m", &mut out));
            String::from_utf8(out).unwrap()
        };
        assert_eq!(
            written(VectorEncoding::Float),
            r#"{"object":"list","data":[{"object":"embedding","index":0,"embedding":[1.0, -0.5]},{"object":"embedding","index":1,"embedding":[1e-3]}],"model":"m","usage":{"prompt_tokens":5,"total_tokens":5}}"#
        );
        assert!(written(VectorEncoding::Base64).contains(r#""embedding":"AACAPwAAAL8=""#));
        let broken = EmbeddingResponse { vectors: vec![Raw::new("[null]")], usage: None };
        assert!(!encode_response(&broken, VectorEncoding::Float, "m", &mut Vec::new()));
    }
}
