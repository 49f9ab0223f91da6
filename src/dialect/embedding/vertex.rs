//! Vectors as Google's Vertex AI makes them.

use super::{EmbeddingDialect, check_single, dropped};
use crate::{
    dialect::{
        ProviderDialect,
        gemini::Gemini,
        json::{ReadError, Reader, Writer},
    },
    http::Fields,
    ir::{ApiError, EmbeddingRequest, EmbeddingResponse, Raw, Usage},
};

/// `:predict`, which older models are asked by.
#[derive(Debug)]
pub struct Predict;

/// `:embedContent`, which newer models are asked by.
#[derive(Debug)]
pub struct EmbedContent;

/// Names of what the vectors are for.
const TASK_TYPE: [&str; 2] = ["task_type", "taskType"];

/// What the vectors are for, where the client says so in Google's words.
fn task_type<'r>(request: &'r EmbeddingRequest<'_>) -> Option<&'r Raw<'r>> {
    let named = request.extra.iter().find(|(name, _)| TASK_TYPE.contains(&name.as_ref()));
    named.map(|(_, raw)| raw)
}

impl EmbeddingDialect for Predict {
    fn encode_request(
        &self,
        request: &EmbeddingRequest<'_>,
        _: &str,
        out: &mut Vec<u8>,
    ) -> Result<Vec<String>, ApiError> {
        Writer::new(out).object(|writer| {
            writer.member("instances").array(|writer| {
                for input in &request.inputs {
                    writer.object(|writer| {
                        writer.member("content").text(input);
                        if let Some(task) = task_type(request) {
                            writer.member("task_type").raw(task);
                        }
                    });
                }
            });
            if let Some(dimensions) = request.dimensions {
                let write = |writer: &mut Writer<'_>| writer.member("outputDimensionality").count(dimensions);
                writer.member("parameters").object(write);
            }
        });
        Ok(dropped(request, &TASK_TYPE))
    }

    fn decode_response<'a>(&self, _: &Fields, body: &'a str) -> Result<EmbeddingResponse<'a>, ReadError> {
        let mut response = EmbeddingResponse::default();
        let mut tokens = 0_u64;
        Reader::new(body).object(|name, reader| {
            if name != "predictions" {
                return Ok(());
            }
            reader.array(|reader| {
                reader.object(|name, reader| {
                    if name != "embeddings" {
                        return Ok(());
                    }
                    reader.object(|name, reader| {
                        match name {
                            "values" => response.vectors.push(reader.raw()?),
                            "statistics" => reader.object_if_any(|name, reader| {
                                if name == "token_count" {
                                    tokens =
                                        tokens.saturating_add(reader.count_if_any()?.unwrap_or_default());
                                }
                                Ok(())
                            })?,
                            _ => {}
                        }
                        Ok(())
                    })
                })
            })
        })?;
        response.usage = Some(Usage { input_tokens: tokens, ..Usage::default() });
        Ok(response)
    }

    fn decode_error(&self, status: u16, fields: &Fields, body: &str) -> ApiError {
        Gemini.decode_error(status, fields, body)
    }
}

impl EmbeddingDialect for EmbedContent {
    fn encode_request(
        &self,
        request: &EmbeddingRequest<'_>,
        _: &str,
        out: &mut Vec<u8>,
    ) -> Result<Vec<String>, ApiError> {
        check_single(request)?;
        Writer::new(out).object(|writer| {
            writer.member("content").object(|writer| {
                writer.member("parts").array(|writer| {
                    for input in &request.inputs {
                        writer.object(|writer| writer.member("text").text(input));
                    }
                });
            });
            if let Some(task) = task_type(request) {
                writer.member("taskType").raw(task);
            }
            if let Some(dimensions) = request.dimensions {
                writer.member("outputDimensionality").count(dimensions);
            }
        });
        Ok(dropped(request, &TASK_TYPE))
    }

    fn decode_response<'a>(&self, _: &Fields, body: &'a str) -> Result<EmbeddingResponse<'a>, ReadError> {
        let mut response = EmbeddingResponse::default();
        Reader::new(body).object(|name, reader| match name {
            "embedding" => reader.object(|name, reader| {
                if name == "values" {
                    response.vectors.push(reader.raw()?);
                }
                Ok(())
            }),
            "usageMetadata" => reader.object_if_any(|name, reader| {
                if name == "promptTokenCount" {
                    let input_tokens = reader.count_if_any()?.unwrap_or_default();
                    response.usage = Some(Usage { input_tokens, ..Usage::default() });
                }
                Ok(())
            }),
            _ => Ok(()),
        })?;
        Ok(response)
    }

    fn decode_error(&self, status: u16, fields: &Fields, body: &str) -> ApiError {
        Gemini.decode_error(status, fields, body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::embedding::decode_request;

    fn encoded(dialect: &dyn EmbeddingDialect, body: &str) -> Result<(String, Vec<String>), ApiError> {
        let mut out = Vec::new();
        let dropped = dialect.encode_request(&decode_request(body).unwrap(), "m", &mut out)?;
        Ok((String::from_utf8(out).unwrap(), dropped))
    }

    #[test]
    fn older_models_are_asked_for_predictions() {
        let body = r#"{"input":["a","\"b\""],"dimensions":2,"user":"u","task_type":"CLUSTERING"}"#;
        let expected = r#"{"instances":[{"content":"a","task_type":"CLUSTERING"},{"content":"\"b\"","task_type":"CLUSTERING"}],"parameters":{"outputDimensionality":2}}"#;
        assert_eq!(encoded(&Predict, body), Ok((expected.to_owned(), vec!["user".to_owned()])));
        let answer = r#"{"predictions":[{"embeddings":{"values":[0.1,2],"statistics":{"truncated":false,"token_count":3}}},{"embeddings":{"statistics":{"token_count":4.0},"values":[3]}}],"metadata":{}}"#;
        let response = Predict.decode_response(&Fields::default(), answer).unwrap();
        assert_eq!(response.vectors, [Raw::new("[0.1,2]"), Raw::new("[3]")]);
        assert_eq!(response.usage.unwrap().input_tokens, 7);
    }

    #[test]
    fn newer_models_are_asked_for_one_text() {
        let expected = r#"{"content":{"parts":[{"text":"a"}]},"outputDimensionality":2}"#;
        let asked = encoded(&EmbedContent, r#"{"input":"a","dimensions":2}"#);
        assert_eq!(asked, Ok((expected.to_owned(), Vec::new())));
        let refused = encoded(&EmbedContent, r#"{"input":["a","b"]}"#).unwrap_err();
        assert_eq!((refused.status, refused.param.as_deref()), (400, Some("input")));
        let answer =
            r#"{"embedding":{"values":[1]},"usageMetadata":{"promptTokenCount":2},"truncated":false}"#;
        let response = EmbedContent.decode_response(&Fields::default(), answer).unwrap();
        assert_eq!((response.vectors, response.usage.unwrap().input_tokens), (vec![Raw::new("[1]")], 2));
    }
}
