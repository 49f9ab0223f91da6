//! How likely each token was, as Google says it and as OpenAI does.

use crate::{
    dialect::json::{ReadError, Reader, Writer},
    ir::{Raw, Text},
};

struct Token<'a> {
    token: Text<'a>,
    logprob: Raw<'a>,
}

/// Reads `logprobsResult`: OpenAI's list `content`; none where it is empty.
pub(super) fn read_logprobs(reader: &mut Reader<'_>) -> Result<Option<Raw<'static>>, ReadError> {
    let (mut chosen, mut others) = (Vec::new(), Vec::new());
    reader.object_if_any(|name, reader| {
        match name {
            "chosenCandidates" => chosen = read_tokens(reader)?,
            "topCandidates" => reader.array_if_any(|reader| {
                let mut tokens = Vec::new();
                reader.object_if_any(|name, reader| {
                    if name == "candidates" {
                        tokens = read_tokens(reader)?;
                    }
                    Ok(())
                })?;
                others.push(tokens);
                Ok(())
            })?,
            _ => {}
        }
        Ok(())
    })?;
    if chosen.is_empty() {
        return Ok(None);
    }
    let mut others = others.into_iter();
    let mut out = Vec::new();
    Writer::new(&mut out).array(|writer| {
        for token in &chosen {
            writer.object(|writer| {
                write_openai(token, writer);
                let others = others.next().unwrap_or_default();
                writer.member("top_logprobs").array(|writer| {
                    others.iter().for_each(|other| writer.object(|writer| write_openai(other, writer)));
                });
            });
        }
    });
    Ok(String::from_utf8(out).ok().map(Raw::owned))
}

fn read_tokens<'a>(reader: &mut Reader<'a>) -> Result<Vec<Token<'a>>, ReadError> {
    read_list(reader, "logProbability")
}

/// Tokens of a list whose items tell their likelihood in the member `name`.
fn read_list<'a>(reader: &mut Reader<'a>, name: &str) -> Result<Vec<Token<'a>>, ReadError> {
    let mut tokens = Vec::new();
    reader.array_if_any(|reader| {
        let (mut token, mut logprob) = (None, None);
        reader.object_if_any(|member, reader| {
            match member {
                "token" => token = reader.text_if_any()?,
                _ if member == name => logprob = Some(reader.raw()?).filter(|raw| raw.as_number().is_some()),
                _ => {}
            }
            Ok(())
        })?;
        if let Some(token) = token {
            // A likelihood of one is not told.
            tokens.push(Token { token, logprob: logprob.unwrap_or(Raw::new("0")) });
        }
        Ok(())
    })?;
    Ok(tokens)
}

fn write_openai(token: &Token<'_>, writer: &mut Writer<'_>) {
    writer.member("token").text(&token.token);
    writer.member("logprob").raw(&token.logprob);
    writer.member("bytes").array(|writer| {
        token.token.to_plain().bytes().for_each(|byte| writer.count(u64::from(byte)));
    });
}

/// Writes the member `logprobsResult` for lists of OpenAI's, where there are any.
pub(super) fn write_logprobs<'l>(lists: impl Iterator<Item = &'l Raw<'l>> + Clone, writer: &mut Writer<'_>) {
    let all = |others: bool, writer: &mut Writer<'_>| {
        for list in lists.clone() {
            // What cannot be read has no place here, and is no reason to fail.
            let _ = Reader::new(list.as_str()).array_if_any(|reader| write_google(reader, others, writer));
        }
    };
    if lists.clone().next().is_none() {
        return;
    }
    writer.member("logprobsResult").object(|writer| {
        writer.member("topCandidates").array(|writer| all(true, writer));
        writer.member("chosenCandidates").array(|writer| all(false, writer));
    });
}

/// One token of OpenAI's, or the others in its place.
fn write_google(reader: &mut Reader<'_>, others: bool, writer: &mut Writer<'_>) -> Result<(), ReadError> {
    let (mut token, mut logprob, mut top) = (Text::default(), Raw::new("0"), Vec::new());
    reader.object_if_any(|name, reader| {
        match name {
            "token" => token = reader.text_if_any()?.unwrap_or_default(),
            "logprob" => logprob = reader.raw()?,
            "top_logprobs" => top = read_list(reader, "logprob")?,
            _ => {}
        }
        Ok(())
    })?;
    let one = |token: &Token<'_>, writer: &mut Writer<'_>| {
        writer.object(|writer| {
            writer.member("token").text(&token.token);
            writer.member("logProbability").raw(&token.logprob);
        });
    };
    if others {
        writer.object(|writer| {
            writer.member("candidates").array(|writer| top.iter().for_each(|other| one(other, writer)));
        });
    } else {
        one(&Token { token, logprob }, writer);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOGLES: &str = r#"{"topCandidates":[{"candidates":[{"token":"é","logProbability":-0.5},{"token":"b","logProbability":-2}]}],"chosenCandidates":[{"token":"é","logProbability":-0.5}]}"#;
    const OPENAIS: &str = r#"[{"token":"é","logprob":-0.5,"bytes":[195,169],"top_logprobs":[{"token":"é","logprob":-0.5,"bytes":[195,169]},{"token":"b","logprob":-2,"bytes":[98]}]}]"#;

    #[test]
    fn likelihoods_are_the_same_in_both_shapes() {
        let read = read_logprobs(&mut Reader::new(GOOGLES)).unwrap().unwrap();
        assert_eq!(read.as_str(), OPENAIS);
        let mut out = Vec::new();
        Writer::new(&mut out).object(|writer| write_logprobs([&read].into_iter(), writer));
        assert_eq!(String::from_utf8(out).unwrap(), format!(r#"{{"logprobsResult":{GOOGLES}}}"#));
        assert_eq!(read_logprobs(&mut Reader::new("{}")), Ok(None));
    }
}
