//! `POST /v1/embeddings`: the same text has the same vector, everywhere and always.

use data_encoding::BASE64;
use fastrand::Rng;

use crate::{
    config::limits::{DEMO_DIMENSIONS_MAX, DEMO_EMBEDDING_NUMBERS_MAX, DEMO_EMBEDDINGS_MAX},
    dialect::json::document::{Value, json},
    ir::ApiError,
};

use super::{MODEL, answer::count_words, invalid, reply::Reply};

const DIMENSIONS: usize = 64;

pub(super) fn answer(document: &Value) -> Result<Reply, ApiError> {
    let inputs = inputs(&document["input"])?;
    let dimensions = dimensions(&document["dimensions"])?;
    if inputs.len() * dimensions > DEMO_EMBEDDING_NUMBERS_MAX {
        let message = format!("inputs times `dimensions` may be at most {DEMO_EMBEDDING_NUMBERS_MAX} here");
        return Err(invalid("input", message));
    }
    let encode = encoding(&document["encoding_format"])?;
    let data = inputs.iter().enumerate().map(|(index, input)| {
        json!({"object": "embedding", "index": index, "embedding": encode(&vector(input, dimensions))})
    });
    let data: Vec<Value> = data.collect();
    let words: usize = inputs.iter().map(|input| count_words(input)).sum();
    let usage = json!({"prompt_tokens": words, "total_tokens": words});
    Ok(Reply::Document(json!({"object": "list", "data": data, "model": MODEL, "usage": usage})))
}

/// An input of tokens is the text of its numbers.
fn inputs(input: &Value) -> Result<Vec<String>, ApiError> {
    let text = |input: &Value| input.as_str().map_or_else(|| input.to_string(), str::to_owned);
    let inputs: Vec<String> = match input {
        Value::Array(inputs) if inputs.first().is_some_and(Value::is_number) => vec![text(input)],
        Value::Array(inputs) => inputs.iter().take(DEMO_EMBEDDINGS_MAX + 1).map(text).collect(),
        Value::String(input) => vec![input.clone()],
        _ => Vec::new(),
    };
    if inputs.is_empty() || inputs.len() > DEMO_EMBEDDINGS_MAX || inputs.iter().any(String::is_empty) {
        let message =
            format!("`input` must be a text that is not empty, or 1 to {DEMO_EMBEDDINGS_MAX} of them");
        return Err(invalid("input", message));
    }
    Ok(inputs)
}

fn dimensions(dimensions: &Value) -> Result<usize, ApiError> {
    if dimensions.is_null() {
        return Ok(DIMENSIONS);
    }
    let count = dimensions.as_u64().and_then(|count| usize::try_from(count).ok());
    count.filter(|count| (1..=DEMO_DIMENSIONS_MAX).contains(count)).ok_or_else(|| {
        invalid("dimensions", format!("`dimensions` must be a whole number from 1 to {DEMO_DIMENSIONS_MAX}"))
    })
}

fn encoding(format: &Value) -> Result<fn(&[f32]) -> Value, ApiError> {
    match format.as_str() {
        None if format.is_null() => Ok(as_numbers),
        Some("float") => Ok(as_numbers),
        Some("base64") => Ok(as_base64),
        _ => Err(invalid("encoding_format", "`encoding_format` must be `float` or `base64`")),
    }
}

fn as_numbers(vector: &[f32]) -> Value {
    vector.iter().map(|&number| Value::from(number)).collect()
}

fn as_base64(vector: &[f32]) -> Value {
    let bytes: Vec<u8> = vector.iter().flat_map(|number| number.to_le_bytes()).collect();
    BASE64.encode(&bytes).into()
}

/// Of length one, in a direction that the text's FNV-1a hash decides.
fn vector(text: &str, dimensions: usize) -> Vec<f32> {
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mut rng = Rng::with_seed(hash);
    let direction: Vec<f32> =
        std::iter::repeat_with(|| rng.f32().mul_add(2.0, -1.0)).take(dimensions).collect();
    let length = direction.iter().map(|number| number * number).sum::<f32>().sqrt();
    direction.iter().map(|number| number / length.max(f32::MIN_POSITIVE)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::client::{Answered, post};
    use super::*;

    fn embed(more: &str) -> Answered {
        post("/v1/embeddings", &format!(r#"{{"model": "echo", {more}}}"#))
    }

    fn numbers(embedding: &Value) -> Vec<f64> {
        embedding.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
    }

    #[test]
    fn the_same_text_has_the_same_vector_of_length_one() {
        let list = embed(r#""input": ["one", "two words", "one"]"#).document();
        assert_eq!((&list["object"], &list["model"]), (&json!("list"), &json!("echo")));
        assert_eq!(list["usage"], json!({"prompt_tokens": 4, "total_tokens": 4}));
        let vectors: Vec<Vec<f64>> =
            list["data"].as_array().unwrap().iter().map(|one| numbers(&one["embedding"])).collect();
        assert_eq!(list["data"][1]["index"], 1);
        assert_eq!(vectors[0], vectors[2]);
        assert_ne!(vectors[0], vectors[1]);
        assert_eq!(vectors[0].len(), 64);
        let length: f64 = vectors[0].iter().map(|number| number * number).sum();
        assert!((length - 1.0).abs() < 1e-5, "{length}");
    }

    #[test]
    fn base64_holds_the_same_numbers() {
        let whole = embed(r#""input": "one", "dimensions": 7, "encoding_format": "float""#).document();
        let packed = embed(r#""input": "one", "dimensions": 7, "encoding_format": "base64""#).document();
        let bytes = BASE64.decode(packed["data"][0]["embedding"].as_str().unwrap().as_bytes()).unwrap();
        let unpacked: Vec<f32> =
            bytes.chunks_exact(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect();
        let plain: Vec<f32> =
            numbers(&whole["data"][0]["embedding"]).iter().map(|&number| number as f32).collect();
        assert_eq!(unpacked.len(), 7);
        assert_eq!(unpacked, plain);
    }

    #[test]
    fn inputs_of_tokens_are_taken() {
        assert_eq!(embed(r#""input": [1, 2, 3]"#).document()["data"].as_array().unwrap().len(), 1);
        assert_eq!(embed(r#""input": [[1, 2], [3]]"#).document()["data"].as_array().unwrap().len(), 2);
    }

    #[test]
    fn what_makes_no_vector_is_refused_by_name() {
        let many = format!(r#""input": [{}"x"], "dimensions": 4096"#, r#""x","#.repeat(64));
        for (more, param) in [
            (r#""input": """#, "input"),
            (r#""input": []"#, "input"),
            (r#""input": ["x", ""]"#, "input"),
            (r#""input": null"#, "input"),
            (&many, "input"),
            (r#""input": "x", "dimensions": 0"#, "dimensions"),
            (r#""input": "x", "dimensions": 4097"#, "dimensions"),
            (r#""input": "x", "encoding_format": "hex""#, "encoding_format"),
        ] {
            let answered = embed(more);
            assert_eq!(
                (answered.status, &answered.document()["error"]["param"]),
                (400, &json!(param)),
                "{more}"
            );
        }
    }
}
