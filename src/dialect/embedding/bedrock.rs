//! Vectors as models in Amazon's cloud make them, each maker's by its own words.

use super::{EmbeddingDialect, check_length, check_single, dropped};
use crate::{
    dialect::{
        ProviderDialect,
        converse::Converse,
        json::{Kind, ReadError, Reader, Writer},
    },
    http::Fields,
    ir::{ApiError, EmbeddingRequest, EmbeddingResponse, Raw, Usage},
};

/// Amazon's Titan.
#[derive(Debug)]
pub struct Titan;

/// Cohere's models.
#[derive(Debug)]
pub struct CohereInvoke;

/// The field that tells what a request has used up, where the answer does not.
const INPUT_TOKENS: &str = "x-amzn-bedrock-input-token-count";

impl EmbeddingDialect for Titan {
    fn encode_request(
        &self,
        request: &EmbeddingRequest<'_>,
        model: &str,
        out: &mut Vec<u8>,
    ) -> Result<Vec<String>, ApiError> {
        check_single(request)?;
        let is_multimodal = model.contains("titan-embed-image");
        if !is_multimodal && !model.contains("titan-embed-text-v2") {
            check_length(request)?;
        }
        Writer::new(out).object(|writer| {
            for input in &request.inputs {
                writer.member("inputText").text(input);
            }
            match request.dimensions {
                Some(dimensions) if is_multimodal => writer.member("embeddingConfig").object(|writer| {
                    writer.member("outputEmbeddingLength").count(dimensions);
                }),
                Some(dimensions) => writer.member("dimensions").count(dimensions),
                None => {}
            }
        });
        Ok(dropped(request, &[]))
    }

    fn decode_response<'a>(
        &self,
        fields: &Fields,
        body: &'a str,
    ) -> Result<EmbeddingResponse<'a>, ReadError> {
        let mut response = EmbeddingResponse { usage: usage(fields), ..EmbeddingResponse::default() };
        Reader::new(body).object(|name, reader| {
            match name {
                "embedding" => response.vectors.push(reader.raw()?),
                "inputTextTokenCount" => {
                    let tokens = reader.count_if_any()?;
                    let told = tokens.map(|input_tokens| Usage { input_tokens, ..Usage::default() });
                    response.usage = told.or(response.usage);
                }
                _ => {}
            }
            Ok(())
        })?;
        Ok(response)
    }

    fn decode_error(&self, status: u16, fields: &Fields, body: &str) -> ApiError {
        Converse.decode_error(status, fields, body)
    }
}

impl EmbeddingDialect for CohereInvoke {
    fn encode_request(
        &self,
        request: &EmbeddingRequest<'_>,
        model: &str,
        out: &mut Vec<u8>,
    ) -> Result<Vec<String>, ApiError> {
        // Versions before the fourth know no other length.
        if model.contains("embed-english-v3") || model.contains("embed-multilingual-v3") {
            check_length(request)?;
        }
        let extra = |wanted: &str| request.extra.iter().find(|(name, _)| name == wanted).map(|(_, raw)| raw);
        Writer::new(out).object(|writer| {
            writer.member("texts").array(|writer| request.inputs.iter().for_each(|input| writer.text(input)));
            // It has to be told; what is stored to be found is what most clients ask vectors for.
            writer.member("input_type").raw(extra("input_type").unwrap_or(&Raw::new("\"search_document\"")));
            if let Some(truncate) = extra("truncate") {
                writer.member("truncate").raw(truncate);
            }
            writer.member("embedding_types").array(|writer| writer.string("float"));
            if let Some(dimensions) = request.dimensions {
                writer.member("output_dimension").count(dimensions);
            }
        });
        Ok(dropped(request, &["input_type", "truncate"]))
    }

    fn decode_response<'a>(
        &self,
        fields: &Fields,
        body: &'a str,
    ) -> Result<EmbeddingResponse<'a>, ReadError> {
        let mut response = EmbeddingResponse { usage: usage(fields), ..EmbeddingResponse::default() };
        let vectors = &mut response.vectors;
        Reader::new(body).object(|name, reader| {
            if name != "embeddings" {
                return Ok(());
            }
            // A list where no kind of number was asked for.
            if reader.kind() == Some(Kind::Array) {
                return read_vectors(reader, vectors);
            }
            reader.object(|name, reader| if name == "float" { read_vectors(reader, vectors) } else { Ok(()) })
        })?;
        Ok(response)
    }

    fn decode_error(&self, status: u16, fields: &Fields, body: &str) -> ApiError {
        Converse.decode_error(status, fields, body)
    }
}

fn read_vectors<'a>(reader: &mut Reader<'a>, vectors: &mut Vec<Raw<'a>>) -> Result<(), ReadError> {
    reader.array(|reader| {
        vectors.push(reader.raw()?);
        Ok(())
    })
}

fn usage(fields: &Fields) -> Option<Usage> {
    let input_tokens = fields.text(INPUT_TOKENS)?.trim().parse().ok()?;
    Some(Usage { input_tokens, ..Usage::default() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::embedding::decode_request;

    fn encoded(dialect: &dyn EmbeddingDialect, model: &str, body: &str) -> Result<String, ApiError> {
        let mut out = Vec::new();
        dialect.encode_request(&decode_request(body).unwrap(), model, &mut out)?;
        Ok(String::from_utf8(out).unwrap())
    }

    fn refused(dialect: &dyn EmbeddingDialect, model: &str, body: &str) -> Option<String> {
        encoded(dialect, model, body).unwrap_err().param.map(String::from)
    }

    #[test]
    fn titan_takes_one_text_and_tells_its_tokens() {
        let (one, sized) = (r#"{"input":"a"}"#, r#"{"input":["a"],"dimensions":256}"#);
        let (v1, v2) = ("amazon.titan-embed-text-v1", "amazon.titan-embed-text-v2:0");
        assert_eq!(encoded(&Titan, v1, one).unwrap(), r#"{"inputText":"a"}"#);
        assert_eq!(encoded(&Titan, v2, sized).unwrap(), r#"{"inputText":"a","dimensions":256}"#);
        let sized_image = r#"{"inputText":"a","embeddingConfig":{"outputEmbeddingLength":256}}"#;
        assert_eq!(encoded(&Titan, "amazon.titan-embed-image-v1", sized).unwrap(), sized_image);
        assert_eq!(refused(&Titan, v1, sized).as_deref(), Some("dimensions"));
        assert_eq!(refused(&Titan, v2, r#"{"input":["a","b"]}"#).as_deref(), Some("input"));
        let answer = r#"{"embedding":[0.5,1],"embeddingsByType":{"float":[0.5,1]},"inputTextTokenCount":3}"#;
        let response = Titan.decode_response(&Fields::default(), answer).unwrap();
        assert_eq!((response.vectors, response.usage.unwrap().input_tokens), (vec![Raw::new("[0.5,1]")], 3));
    }

    #[test]
    fn cohere_takes_many_texts_for_a_purpose() {
        let (v3, v4) = ("cohere.embed-english-v3", "us.cohere.embed-v4:0");
        let many = r#"{"input":["a","b"],"input_type":"clustering","dimensions":512}"#;
        let expected = r#"{"texts":["a","b"],"input_type":"clustering","embedding_types":["float"],"output_dimension":512}"#;
        assert_eq!(encoded(&CohereInvoke, v4, many).unwrap(), expected);
        assert!(encoded(&CohereInvoke, v3, r#"{"input":"a"}"#).unwrap().contains(r#""search_document""#));
        assert_eq!(refused(&CohereInvoke, v3, many).as_deref(), Some("dimensions"));
        for answer in [
            r#"{"id":"x","embeddings":[[1],[2]],"response_type":"embeddings_floats"}"#,
            r#"{"embeddings":{"int8":[[9]],"float":[[1],[2]]},"texts":["a","b"]}"#,
        ] {
            let response = CohereInvoke.decode_response(&Fields::default(), answer).unwrap();
            assert_eq!(response.vectors, [Raw::new("[1]"), Raw::new("[2]")]);
        }
    }
}
