//! Which function is called, and with what.

use crate::{dialect::json::document::Value, ir::ApiError};

use super::{invalid, reply::new_id, sample::sample_object};

/// Longest piece of arguments in one event, bytes.
const FRAGMENT_BYTES_MAX: usize = 12;

/// One call of a function.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) id: String,
    pub(super) name: String,
    /// JSON, as text.
    pub(super) arguments: String,
}

impl Call {
    /// The call of the function that the request asks for, else of the first one that it offers; none
    /// where it offers none or forbids calls. Tools are those of chat or of responses.
    pub(super) fn choose(document: &Value, text: &str) -> Result<Option<Self>, ApiError> {
        let choice = &document["tool_choice"];
        if choice == "none" {
            return Ok(None);
        }
        let tools = document["tools"].as_array().into_iter().flatten();
        let mut functions = tools.filter(|tool| tool["type"] == "function").map(function);
        let function = match named(choice) {
            None => functions.next(),
            Some(name) => Some(functions.find(|function| function["name"] == name).ok_or_else(|| {
                let message =
                    format!("`tool_choice` names the function `{name}`, which is not among `tools`");
                invalid("tool_choice", message)
            })?),
        };
        let Some(function) = function else { return Ok(None) };
        let name = function["name"].as_str().ok_or_else(|| invalid("tools", "a function needs a `name`"))?;
        let arguments = sample_object(&function["parameters"], text).to_string();
        Ok(Some(Self { id: new_id("call_"), name: name.to_owned(), arguments }))
    }

    /// The arguments in pieces, as a stream tells them.
    pub(super) fn fragments(&self) -> Vec<String> {
        let mut fragments = vec![String::new()];
        for letter in self.arguments.chars() {
            match fragments.last_mut() {
                Some(last) if last.len() + letter.len_utf8() <= FRAGMENT_BYTES_MAX => last.push(letter),
                _ => fragments.push(letter.into()),
            }
        }
        fragments
    }
}

/// Chat wraps a function once more than responses do.
fn function(tool: &Value) -> &Value {
    tool.get("function").unwrap_or(tool)
}

fn named(choice: &Value) -> Option<&str> {
    let allowed = choice.get("allowed_tools").unwrap_or(choice)["tools"].get(0);
    function(allowed.unwrap_or(choice))["name"].as_str()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::json::document::json;

    fn name(tool_choice: &Value) -> Option<String> {
        let tools = json!([
            {"type": "custom", "custom": {"name": "sql"}},
            {"type": "function", "function": {"name": "first"}},
            {"type": "function", "name": "second"},
        ]);
        let document = json!({"tools": tools, "tool_choice": tool_choice});
        Call::choose(&document, "").unwrap().map(|call| call.name)
    }

    #[test]
    fn the_choice_of_the_request_is_kept() {
        assert_eq!(name(&json!("none")), None);
        for first in
            [json!(null), json!("auto"), json!("required"), json!({"type": "function", "name": "first"})]
        {
            assert_eq!(name(&first).as_deref(), Some("first"), "{first}");
        }
        for second in [
            json!({"type": "function", "function": {"name": "second"}}),
            json!({"type": "allowed_tools", "allowed_tools": {"mode": "auto",
                "tools": [{"type": "function", "function": {"name": "second"}}]}}),
            json!({"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "second"}]}),
        ] {
            assert_eq!(name(&second).as_deref(), Some("second"), "{second}");
        }
    }

    #[test]
    fn a_choice_that_is_not_offered_is_refused() {
        let document =
            json!({"tools": [], "tool_choice": {"type": "function", "function": {"name": "third"}}});
        assert_eq!(Call::choose(&document, "").unwrap_err().param.as_deref(), Some("tool_choice"));
    }

    #[test]
    fn the_fragments_of_arguments_are_the_arguments() {
        let arguments = json!({"city": "Zürich, on the lake"}).to_string();
        let call = Call { id: String::new(), name: String::new(), arguments };
        assert!(call.fragments().len() > 2);
        assert_eq!(call.fragments().concat(), call.arguments);
    }
}
