//! What calls came with, put back into a request.

use std::{collections::HashMap, ops::Range, sync::Arc};

use super::{Sealed, Thought};
use crate::ir::{Content, Message, Origin, Part, Request, Role, Signature, Text};

/// Names of the calls that a request tells of without what came with them, as far as it can be of this family; the
/// newest first.
pub fn missing(request: &Request<'_>, origin: Origin) -> Vec<String> {
    let mut ids = Vec::new();
    for run in bare_runs(&request.messages, origin).into_iter().rev() {
        let parts = request.messages[run].iter().rev().flat_map(|message| message.parts.iter().rev());
        ids.extend(parts.filter_map(call_id));
    }
    ids
}

/// Puts back what is known of calls, each once, where the request tells nothing of it.
pub fn restore(request: &mut Request<'_>, origin: Origin, mut known: HashMap<String, Arc<Sealed>>) {
    known.retain(|_, sealed| sealed.origin == origin);
    if known.is_empty() {
        return;
    }
    for run in bare_runs(&request.messages, origin) {
        for message in &mut request.messages[run] {
            let mut first = Vec::new();
            let mut parts = Vec::with_capacity(message.parts.len() + 1);
            for mut part in std::mem::take(&mut message.parts) {
                if let Some(sealed) = call_id(&part).and_then(|id| known.remove(&id)) {
                    for thought in &sealed.thoughts {
                        let place = if thought.is_first { &mut first } else { &mut parts };
                        place.push(thought.part(origin));
                    }
                    let seal = sealed.seal.clone();
                    let signature = seal.map(|data| Signature { origin, data: as_it_was(data) });
                    part.signature = part.signature.take().or(signature);
                }
                parts.push(part);
            }
            first.append(&mut parts);
            message.parts = first;
        }
    }
}

impl Thought {
    fn part<'a>(&self, origin: Origin) -> Part<'a> {
        let data = as_it_was(self.data.clone());
        match &self.text {
            Some(text) => {
                let signature = Some(Signature { origin, data });
                Part { signature, ..Part::new(Content::Reasoning(as_it_was(text.clone()))) }
            }
            None => Part::new(Content::RedactedReasoning { origin, data }),
        }
    }
}

fn as_it_was<'a>(escaped: String) -> Text<'a> {
    Text::escaped(&escaped).into_owned()
}

/// Messages of the assistant that follow each other, and of which none has a seal of this family: what a client tells
/// counts more than what is kept.
fn bare_runs(messages: &[Message<'_>], origin: Origin) -> Vec<Range<usize>> {
    let mut runs = Vec::new();
    let mut start = 0;
    for run in messages.chunk_by(|one, next| one.role == next.role) {
        let range = start..start + run.len();
        start = range.end;
        let mut parts = run.iter().flat_map(|message| &message.parts);
        if run.first().is_some_and(|message| message.role == Role::Assistant)
            && !parts.any(|part| is_sealed(part, origin))
        {
            runs.push(range);
        }
    }
    runs
}

fn is_sealed(part: &Part<'_>, by: Origin) -> bool {
    part.signature.as_ref().is_some_and(|seal| seal.origin == by)
        || matches!(part.content, Content::RedactedReasoning { origin, .. } if origin == by)
}

fn call_id(part: &Part<'_>) -> Option<String> {
    match &part.content {
        Content::ToolCall(call) => Some(call.id.to_plain().into_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::{Input, ToolCall};

    const ORIGIN: Origin = Origin::Anthropic;

    fn call(id: &'static str) -> Part<'static> {
        let input = Input::Text("{}".into());
        Part::new(Content::ToolCall(ToolCall { id: id.into(), name: "f".into(), input, is_custom: false }))
    }

    fn said(role: Role, parts: Vec<Part<'static>>) -> Message<'static> {
        Message { role, name: None, parts }
    }

    fn known(id: &str, is_first: bool) -> HashMap<String, Arc<Sealed>> {
        let thought = Thought { text: Some("a\\nb".to_owned()), data: "S==".to_owned(), is_first };
        let sealed = Sealed { origin: ORIGIN, thoughts: vec![thought], seal: None };
        HashMap::from([(id.to_owned(), Arc::new(sealed))])
    }

    fn request(messages: Vec<Message<'static>>) -> Request<'static> {
        Request { messages, ..Request::default() }
    }

    fn shape(message: &Message<'_>) -> String {
        let kinds = message.parts.iter().map(|part| match &part.content {
            Content::Text(_) => "says",
            Content::Reasoning(text) if text.as_escaped() == "a\\nb" && is_sealed(part, ORIGIN) => "thinks",
            Content::ToolCall(_) => "calls",
            _ => "?",
        });
        kinds.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn thoughts_come_back_where_they_were() {
        let parts = || vec![Part::text("Well.".into()), call("one"), call("two")];
        for (id, is_first, expected) in [
            ("one", true, "thinks says calls calls"),
            ("one", false, "says thinks calls calls"),
            ("two", false, "says calls thinks calls"),
            ("three", true, "says calls calls"),
        ] {
            let mut request = request(vec![said(Role::Assistant, parts())]);
            assert_eq!(missing(&request, ORIGIN), ["two", "one"]);
            restore(&mut request, ORIGIN, known(id, is_first));
            assert_eq!(shape(&request.messages[0]), expected);
        }
    }

    #[test]
    fn what_the_client_tells_counts_more() {
        let signature = Some(Signature { origin: ORIGIN, data: "T".into() });
        let told = Part { signature, ..Part::new(Content::Reasoning("c".into())) };
        let messages = vec![said(Role::Assistant, vec![told]), said(Role::Assistant, vec![call("one")])];
        let mut request = request(messages);
        assert!(missing(&request, ORIGIN).is_empty());
        assert_eq!(missing(&request, Origin::Google), ["one"]);
        let before = request.clone();
        restore(&mut request, ORIGIN, known("one", true));
        assert_eq!(request, before);
    }

    #[test]
    fn a_seal_comes_back_once_and_to_its_own_family_only() {
        let sealed = Sealed { origin: ORIGIN, thoughts: Vec::new(), seal: Some("S".to_owned()) };
        let known = HashMap::from([("one".to_owned(), Arc::new(sealed))]);
        let turn = || said(Role::Assistant, vec![call("one")]);
        let mut request = request(vec![turn(), said(Role::User, Vec::new()), turn()]);
        restore(&mut request, Origin::Google, known.clone());
        assert!(
            request.messages.iter().flat_map(|message| &message.parts).all(|part| part.signature.is_none())
        );
        restore(&mut request, ORIGIN, known);
        let seals = request.messages.iter().flat_map(|message| &message.parts);
        let seals: Vec<_> =
            seals.map(|part| part.signature.as_ref().map(|seal| seal.data.as_escaped())).collect();
        assert_eq!(seals, [Some("S"), None]);
    }
}
