//! Tools for a provider of Claude, whether they must be called, and the shape of the answer, which a tool may
//! stand for.

use std::{borrow::Cow, collections::HashSet};

use super::{
    encode_message::{has_calls, kept_mark, write_mark},
    schema::binding,
};
use crate::{
    dialect::{
        Encoded, NameRule, Recipient, TEXT_PARAMETER,
        emulation::answer_tool_name,
        json::{Reader, Writer},
        schema,
    },
    ir::{Format, Raw, Request, Text, Tool, ToolChoice, ToolKind},
};

/// What Claude takes as the name of a tool.
pub(super) const NAME_RULE: NameRule = NameRule::words(128);
/// Claude refuses calls in a conversation where no tool is declared.
const ABSENT: &str = "unavailable_tool";
/// Searches of the web before an answer, by OpenAI's names of how much is to be found.
const SEARCHES: [(&str, u64); 3] = [("low", 1), ("medium", 5), ("high", 10)];
const AS_JSON: &str = "Answer with one JSON object and nothing else: no words around it and no code fence.";

/// Tools as they are given.
#[derive(Debug)]
pub(super) struct Tools<'r, 'a> {
    given: Vec<Given<'r, 'a>>,
    choice: Option<Choice>,
    is_single: bool,
    /// The schema that binds the answer.
    pub(super) bound: Option<Raw<'a>>,
    /// What is told in words, since it cannot be told otherwise.
    pub(super) instructions: Vec<Text<'static>>,
}

#[derive(Debug)]
enum Given<'r, 'a> {
    Named { tool: &'r Tool<'a>, name: Cow<'r, str> },
    Native { tool: &'r Tool<'a>, raw: &'r Raw<'a> },
    Search(&'r Raw<'a>),
    Answer { name: String, schema: &'r Raw<'a> },
    Absent,
}

#[derive(Debug)]
enum Choice {
    Auto,
    None,
    Any,
    Tool(String),
}

impl<'r, 'a> Given<'r, 'a> {
    /// The client's, if it is one.
    fn tool(&self) -> Option<&'r Tool<'a>> {
        match self {
            Self::Named { tool, .. } | Self::Native { tool, .. } => Some(tool),
            Self::Search(_) | Self::Answer { .. } | Self::Absent => None,
        }
    }
}

impl<'r, 'a> Tools<'r, 'a> {
    /// What a request wants; `thinks` tells whether Claude is asked to think, when no call can be forced.
    pub(super) fn of(
        request: &'r Request<'a>,
        recipient: &Recipient<'_>,
        thinks: bool,
        encoded: &mut Encoded,
    ) -> Self {
        let given = given(request, encoded);
        let mut tools = Self { given, choice: None, is_single: false, bound: None, instructions: Vec::new() };
        tools.is_single = request.parallel_tool_calls == Some(false) && !tools.given.is_empty();
        let can_force = !thinks && recipient.profile.takes_forced_tools;
        tools.choose(request.tool_choice.as_ref(), can_force, encoded);
        tools.shape(&request.format, recipient, can_force, encoded);
        if tools.given.is_empty() && has_calls(&request.messages) {
            tools.given.push(Given::Absent);
            tools.choice = Some(Choice::None);
        }
        tools
    }

    fn choose(&mut self, choice: Option<&ToolChoice<'_>>, can_force: bool, encoded: &mut Encoded) {
        if self.given.is_empty() {
            return;
        }
        let wanted = match choice {
            None => return,
            Some(ToolChoice::None) => Choice::None,
            Some(ToolChoice::Required | ToolChoice::Allowed { is_required: true, .. }) => Choice::Any,
            Some(ToolChoice::Named { name, .. }) => {
                Choice::Tool(encoded.emulation.names.replace(name, NAME_RULE).into_owned())
            }
            Some(ToolChoice::Auto | ToolChoice::Allowed { .. }) => Choice::Auto,
        };
        self.choice = Some(match wanted {
            Choice::Any | Choice::Tool(_) if !can_force => {
                encoded.drop_param("tool_choice");
                self.instructions.push(match wanted {
                    Choice::Tool(name) => Text::plain(format!("Call the tool `{name}`.")),
                    _ => "Call at least one of the tools.".into(),
                });
                Choice::Auto
            }
            wanted => wanted,
        });
    }

    /// Sees to the shape of the answer, in the strictest way that the model takes.
    fn shape(
        &mut self,
        format: &'r Format<'a>,
        recipient: &Recipient<'_>,
        can_force: bool,
        encoded: &mut Encoded,
    ) {
        let schema = match format {
            Format::Unsaid | Format::Text => return,
            Format::JsonObject => return self.instructions.push(AS_JSON.into()),
            Format::JsonSchema { schema, .. } => schema,
        };
        let profile = recipient.profile;
        if profile.takes_schema && (self.given.is_empty() || profile.takes_schema_with_tools) {
            self.bound = Some(binding(schema));
        } else if can_force && schema::is_object(schema) && !matches!(self.choice, Some(Choice::Tool(_))) {
            let others: Vec<_> = self.given.iter().filter_map(Given::tool).collect();
            let name = answer_tool_name(&others);
            let is_only = self.given.is_empty() || matches!(self.choice, Some(Choice::None));
            self.is_single |= is_only;
            self.choice = Some(if is_only { Choice::Tool(name.clone()) } else { Choice::Any });
            encoded.emulation.answer_tool = Some(name.clone());
            self.given.push(Given::Answer { name, schema });
        } else {
            encoded.drop_param("response_format");
            let schema = Text::plain(schema.as_str());
            let told = format!("{AS_JSON} It has to be valid by this JSON schema: {}", schema.as_escaped());
            self.instructions.push(Text::escaped(&told).into_owned());
        }
    }

    /// Writes the members `tools` and `tool_choice`; `skipped` of the marks are left out.
    pub(super) fn write(
        &self,
        mut skipped: usize,
        takes_schema: bool,
        encoded: &mut Encoded,
        writer: &mut Writer<'_>,
    ) {
        if self.given.is_empty() {
            return;
        }
        writer.member("tools").array(|writer| {
            for given in &self.given {
                write_tool(given, &mut skipped, takes_schema, encoded, writer);
            }
        });
        let kind = match &self.choice {
            None if self.is_single => "auto",
            None => return,
            Some(Choice::Auto) => "auto",
            Some(Choice::None) => "none",
            Some(Choice::Any) => "any",
            Some(Choice::Tool(_)) => "tool",
        };
        writer.member("tool_choice").object(|writer| {
            writer.member("type").string(kind);
            if let Some(Choice::Tool(name)) = &self.choice {
                writer.member("name").string(name);
            }
            if self.is_single && kind != "none" {
                writer.member("disable_parallel_tool_use").boolean(true);
            }
        });
    }
}

fn given<'r, 'a>(request: &'r Request<'a>, encoded: &mut Encoded) -> Vec<Given<'r, 'a>> {
    let allowed = match &request.tool_choice {
        Some(ToolChoice::Allowed { names, .. }) => {
            Some(names.iter().map(Text::to_plain).collect::<HashSet<_>>())
        }
        _ => None,
    };
    let mut given = Vec::with_capacity(request.tools.len() + 1);
    for tool in &request.tools {
        match &tool.kind {
            ToolKind::Native { dialect, raw } if *dialect == super::NAME => {
                given.push(Given::Native { tool, raw })
            }
            ToolKind::Native { .. } => encoded.drop_param("tools"),
            ToolKind::Function { name, .. } | ToolKind::Custom { name, .. } => {
                if allowed.as_ref().is_some_and(|allowed| !allowed.contains(&name.to_plain())) {
                    continue;
                }
                let is_custom = matches!(tool.kind, ToolKind::Custom { .. });
                let name = encoded.emulation.names.replace(name, NAME_RULE);
                if is_custom {
                    encoded.emulation.custom_tools.push(name.clone().into_owned());
                }
                given.push(Given::Named { tool, name });
            }
        }
    }
    given.extend(request.web_search.as_ref().map(Given::Search));
    given
}

fn write_tool(
    given: &Given<'_, '_>,
    skipped: &mut usize,
    takes_schema: bool,
    encoded: &mut Encoded,
    writer: &mut Writer<'_>,
) {
    match given {
        Given::Named { tool, name } => {
            let cache = kept_mark(tool.cache.as_ref(), skipped);
            if let Some(native) = &tool.native
                && native.dialect == super::NAME
                && tool.kind.name().is_some_and(|told| told.is(name))
                && cache == tool.cache.as_ref()
            {
                return writer.raw(&native.raw);
            }
            writer.object(|writer| {
                writer.member("name").string(name);
                write_kind(&tool.kind, takes_schema, encoded, writer);
                write_mark(cache, writer);
            });
        }
        Given::Native { tool, raw } => {
            kept_mark(tool.cache.as_ref(), skipped);
            writer.raw(raw);
        }
        Given::Search(options) => writer.object(|writer| write_search(options, writer)),
        Given::Answer { name, schema } => writer.object(|writer| {
            writer.member("name").string(name);
            writer.member("description").string("Gives the answer. Call it once, with the whole of it.");
            writer.member("input_schema").raw(&schema::object(Some(schema)));
        }),
        Given::Absent => writer.object(|writer| {
            writer.member("name").string(ABSENT);
            writer.member("description").string("Cannot be called any more.");
            writer.member("input_schema").raw(&schema::object(None));
        }),
    }
}

fn write_kind(kind: &ToolKind<'_>, takes_schema: bool, encoded: &mut Encoded, writer: &mut Writer<'_>) {
    match kind {
        ToolKind::Function { description, parameters, is_strict, .. } => {
            if let Some(description) = description {
                writer.member("description").text(description);
            }
            let parameters = schema::object(parameters.as_ref());
            writer.member("input_schema").raw(&parameters);
            if *is_strict == Some(true) {
                // A schema that Claude cannot be bound by still tells it what is wanted.
                if takes_schema && binding(&parameters) == parameters {
                    writer.member("strict").boolean(true);
                } else {
                    encoded.drop_param("strict");
                }
            }
        }
        ToolKind::Custom { description, format, .. } => {
            if let Some(description) = schema::describe_text(description.as_ref(), format.as_ref()) {
                writer.member("description").text(&description);
            }
            writer.member("input_schema").raw(&schema::of_text(TEXT_PARAMETER));
        }
        ToolKind::Native { .. } => {}
    }
}

/// Claude's own tool, with what OpenAI's clients say of a search.
fn write_search(options: &Raw<'_>, writer: &mut Writer<'_>) {
    writer.member("type").string("web_search_20250305");
    writer.member("name").string("web_search");
    let (mut size, mut place) = (None, Vec::new());
    let _ = Reader::new(options.as_str()).object_if_any(|name, reader| {
        match name {
            "search_context_size" => size = reader.text_if_any()?,
            "user_location" => reader.object_if_any(|name, reader| match name {
                "approximate" => reader.object_if_any(|name, reader| {
                    place.push((name.to_owned(), reader.raw()?));
                    Ok(())
                }),
                _ => Ok(()),
            })?,
            _ => {}
        }
        Ok(())
    });
    let searches = SEARCHES.iter().find(|(name, _)| size.as_ref().is_some_and(|size| size.is(name)));
    if let Some((_, searches)) = searches {
        writer.member("max_uses").count(*searches);
    }
    place.retain(|(name, value)| {
        matches!(name.as_str(), "city" | "country" | "region" | "timezone") && !value.is_null()
    });
    if !place.is_empty() {
        writer.member("user_location").object(|writer| {
            writer.member("type").string("approximate");
            place.iter().for_each(|(name, value)| writer.member(name).raw(value));
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::asked;
    use crate::{dialect::Encoded, ir::Profile};

    const F: &str = r#"{"type":"function","function":{"name":"f"}}"#;
    const SCHEMA: &str = r#""response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"type":"object","properties":{"a":{"minimum":1}}}}}"#;

    /// What is written of tools, without the messages before.
    fn tools(members: &str, profile: &Profile) -> (String, Encoded) {
        let messages = r#""messages":[{"role":"user","content":"q"}]"#;
        let (asked, encoded) = asked(&format!("{messages},{members}"), profile).unwrap();
        let told = r#""messages":[{"role":"user","content":[{"type":"text","text":"q"}]}]"#;
        (asked.replace(told, "").trim_matches(',').to_owned(), encoded)
    }

    #[test]
    fn whether_tools_must_be_called_is_said_in_claudes_words() {
        let taken = |members: &str| {
            let (asked, encoded) = tools(&format!(r#""tools":[{F}],{members}"#), &Profile::default());
            assert!(encoded.dropped.is_empty());
            let choice = asked.split_once(r#","tool_choice":"#);
            choice.map_or_else(String::new, |(_, choice)| choice.to_owned())
        };
        for (members, expected) in [
            (r#""tool_choice":"auto""#, r#"{"type":"auto"}"#),
            (r#""tool_choice":"required""#, r#"{"type":"any"}"#),
            (r#""tool_choice":"none","parallel_tool_calls":false"#, r#"{"type":"none"}"#),
            (
                r#""tool_choice":{"type":"function","function":{"name":"f"}},"parallel_tool_calls":false"#,
                r#"{"type":"tool","name":"f","disable_parallel_tool_use":true}"#,
            ),
            (r#""parallel_tool_calls":true"#, ""),
        ] {
            assert_eq!(taken(members), expected, "{members}");
        }
        let allowed = r#""tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"required","tools":[{"type":"function","function":{"name":"f"}}]}}"#;
        let (asked, _) =
            tools(&format!(r#""tools":[{F},{}],{allowed}"#, F.replace('f', "g")), &Profile::default());
        assert!(
            asked.matches("input_schema").count() == 1 && asked.ends_with(r#"{"type":"any"}"#),
            "{asked}"
        );
    }

    #[test]
    fn a_call_is_not_forced_where_the_model_takes_no_force() {
        let unforced = Profile { takes_forced_tools: false, ..Profile::default() };
        for (profile, reasoning) in [(&unforced, ""), (&Profile::default(), r#","reasoning_effort":"low""#)] {
            let members = format!(r#""tools":[{F}],"tool_choice":"required"{reasoning}"#);
            let (asked, encoded) = tools(&members, profile);
            assert!(asked.contains(r#""tool_choice":{"type":"auto"}"#), "{asked}");
            assert_eq!(encoded.dropped, ["tool_choice"]);
        }
    }

    #[test]
    fn nothing_is_said_of_tools_where_there_are_none_but_what_history_needs() {
        let (asked, _) =
            tools(r#""tools":[],"tool_choice":"required","parallel_tool_calls":false"#, &Profile::default());
        assert_eq!(asked, "");
        let history = r#""messages":[{"role":"user","content":"q"},{"role":"assistant","tool_calls":[{"id":"a","function":{"name":"f"}}]}]"#;
        let (asked, _) = super::super::tests::asked(history, &Profile::default()).unwrap();
        assert!(
            asked.contains(r#""tools":[{"name":"unavailable_tool","#)
                && asked.ends_with(r#""tool_choice":{"type":"none"}"#)
        );
    }

    #[test]
    fn tools_that_claude_does_not_have_are_told_in_those_that_it_has() {
        let members = r#""tools":[{"type":"custom","custom":{"name":"a b","description":"d","format":{"type":"text"}}},
            {"type":"function","function":{"name":"s","strict":true,"parameters":{"type":"object","properties":{},"additionalProperties":false}}},
            {"type":"function","function":{"name":"l","strict":true,"parameters":{"type":"object","properties":{}}}}],
            "web_search_options":{"search_context_size":"low","user_location":{"type":"approximate","approximate":{"city":"B","x":1}}}"#;
        let (asked, encoded) = tools(members, &Profile::default());
        let name = &encoded.emulation.custom_tools[0];
        let expected = format!(
            concat!(
                r#""tools":[{{"name":"{name}","description":"d\n\nFormat of the input: {{\"type\":\"text\"}}","input_schema":{{"type":"object","properties":{{"input":{{"type":"string"}}}},"required":["input"],"additionalProperties":false}}}},"#,
                r#"{{"name":"s","input_schema":{{"type":"object","properties":{{}},"additionalProperties":false}},"strict":true}},"#,
                r#"{{"name":"l","input_schema":{{"type":"object","properties":{{}}}}}},"#,
                r#"{{"type":"web_search_20250305","name":"web_search","max_uses":1,"user_location":{{"type":"approximate","city":"B"}}}}]"#,
            ),
            name = name
        );
        assert_eq!(asked, expected);
        assert!(name.starts_with("a_b_"));
        assert_eq!(encoded.dropped, ["strict"]);
        assert!(encoded.emulation.names.original(crate::ir::Text::plain(name.as_str())).is("a b"));
    }

    #[test]
    fn the_shape_of_an_answer_is_bound_in_the_strictest_way_there_is() {
        let (asked, encoded) = tools(SCHEMA, &Profile::default());
        let schema = r#"{"type":"object","properties":{"a":{"description":"minimum: 1"}},"additionalProperties":false}"#;
        assert_eq!(
            asked,
            format!(r#""output_config":{{"format":{{"type":"json_schema","schema":{schema}}}}}"#)
        );
        assert!(encoded.dropped.is_empty());

        let old = Profile { takes_schema: false, ..Profile::default() };
        let (asked, encoded) = tools(SCHEMA, &old);
        assert!(
            asked.contains(r#""input_schema":{"type":"object","properties":{"a":{"minimum":1}}}"#),
            "{asked}"
        );
        assert!(asked.ends_with(
            r#""tool_choice":{"type":"tool","name":"json_answer","disable_parallel_tool_use":true}"#
        ));
        assert_eq!(encoded.emulation.answer_tool.as_deref(), Some("json_answer"));
        let (asked, _) = tools(&format!(r#""tools":[{F}],{SCHEMA}"#), &old);
        assert!(asked.ends_with(r#""tool_choice":{"type":"any"}"#), "{asked}");

        let (asked, encoded) = tools(SCHEMA, &Profile { takes_forced_tools: false, ..old });
        assert!(
            asked.starts_with(r#""system":[{"type":"text","text":"Answer with one JSON object"#),
            "{asked}"
        );
        assert_eq!(encoded.dropped, ["response_format"]);
        let (asked, encoded) = tools(r#""response_format":{"type":"json_object"}"#, &Profile::default());
        assert!(asked.starts_with(r#""system":["#) && encoded.dropped.is_empty());
    }
}
