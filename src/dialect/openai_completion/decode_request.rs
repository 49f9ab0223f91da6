//! What a client of the completions of old asks for.

use crate::{
    dialect::{
        json::{Kind, ReadError, Reader},
        openai_chat::parameter,
    },
    ir::{Message, Part, Request, Role, Text},
};

/// Reads a request.
pub(super) fn decode_request(body: &str) -> Result<Request<'_>, ReadError> {
    let mut request = Request::default();
    let mut asked = None;
    let mut reader = Reader::new(body);
    reader.object(|name, reader| {
        match name {
            "prompt" => asked = Some(prompt(reader)?),
            "max_tokens" => request.max_tokens = reader.count_unless_null()?,
            // Without these the answer would be another one than the client reads it for.
            "suffix" => {
                if reader.text_unless_null()?.is_some_and(|suffix| !suffix.is_empty()) {
                    return Err(unsupported("is not known to models that chat; say it in `prompt`"));
                }
            }
            "echo" => {
                if reader.boolean_unless_null()? == Some(true) {
                    return Err(unsupported("is not known to models that chat; leave it out"));
                }
            }
            // What is no more than the default.
            "best_of" if reader.clone().raw()?.as_str() == "1" => reader.skip()?,
            other => parameter(other, reader, &mut request)?,
        }
        Ok(())
    })?;
    reader.end()?;
    let text = asked.ok_or_else(|| ReadError::missing("prompt"))?;
    request.messages.push(Message { role: Role::User, name: None, parts: vec![Part::text(text)] });
    Ok(request)
}

fn prompt<'a>(reader: &mut Reader<'a>) -> Result<Text<'a>, ReadError> {
    let mut texts = Vec::new();
    match reader.kind() {
        Some(Kind::Text) => texts.push(reader.text()?),
        Some(Kind::Array) => reader.array(|reader| {
            let text = reader.text_if_any()?;
            texts
                .push(text.ok_or_else(|| unsupported("is no text, and a model that chats takes no tokens"))?);
            Ok(())
        })?,
        _ => {}
    }
    match (texts.pop(), texts.is_empty()) {
        (Some(text), true) => Ok(text),
        (None, _) => Err(ReadError::invalid("must be a string")),
        (Some(_), false) => Err(unsupported("must be one text here; ask for each of several by itself")),
    }
}

fn unsupported(what: &str) -> ReadError {
    ReadError::Refused { path: String::new(), code: "unsupported_parameter", what: what.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::Raw;

    #[test]
    fn a_prompt_is_what_the_user_says() {
        for prompt in [r#""say \"hi\"""#, r#"["say \"hi\""]"#] {
            let body = format!(
                r#"{{"model":"m","prompt":{prompt},"max_tokens":5,"stop":"x","temperature":0.50,"best_of":1,
                    "suffix":null,"echo":false,"logprobs":2,"stream":true,"stream_options":{{"include_usage":true}}}}"#
            );
            let request = decode_request(&body).unwrap();
            let [message] = &request.messages[..] else { panic!() };
            assert_eq!(
                (message.role, &message.parts[..]),
                (Role::User, &[Part::text(Text::escaped(r#"say \"hi\""#))][..])
            );
            assert_eq!((request.max_tokens, request.stop.len()), (Some(5), 1));
            assert_eq!(request.sampling.temperature, Some(Raw::new("0.50")));
            assert!(request.is_streamed && request.includes_usage);
            assert_eq!(request.extra, [("logprobs".into(), Raw::new("2"))]);
        }
    }

    #[test]
    fn what_a_chat_cannot_do_is_refused_by_its_name() {
        for (body, param) in [
            (r#"{"prompt":["a","b"]}"#, "prompt"),
            (r#"{"prompt":[1,2]}"#, "prompt[0]"),
            (r#"{"prompt":[[1]]}"#, "prompt[0]"),
            (r#"{"prompt":[]}"#, "prompt"),
            (r#"{"prompt":1}"#, "prompt"),
            (r#"{"prompt":null}"#, "prompt"),
            (r#"{}"#, "prompt"),
            (r#"{"prompt":"a","suffix":"b"}"#, "suffix"),
            (r#"{"prompt":"a","echo":true}"#, "echo"),
            (r#"{"prompt":"a","stop":1}"#, "stop"),
        ] {
            let error = decode_request(body).map(|_| ()).unwrap_err().into_refusal();
            assert_eq!((error.status, error.param.as_deref()), (400, Some(param)), "{body}");
        }
    }
}
