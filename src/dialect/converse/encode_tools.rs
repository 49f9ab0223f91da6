//! Tools, and whether they must be called.

use std::{borrow::Cow, collections::HashSet};

use super::{encode_message::Marks, family::Family};
use crate::{
    dialect::{
        Encoded, NameRule, Names, Recipient, TEXT_PARAMETER, anthropic::schema::binding,
        emulation::answer_tool_name, json::Writer, schema,
    },
    ir::{Format, Raw, Request, Text, Tool, ToolChoice, ToolKind},
};

/// What Converse takes as the name of a tool.
const TOOL_NAMES: NameRule = NameRule { may_begin: |byte| byte.is_ascii_alphabetic(), ..NameRule::words(64) };
/// Name of a tool that nobody has: where a conversation has calls, AWS wants tools.
const NO_TOOL: &str = "no_tool";

/// The name of a tool as Converse takes it.
pub(super) fn tool_name<'n>(name: &'n Text<'_>, names: &mut Names) -> Cow<'n, str> {
    names.replace(name, TOOL_NAMES)
}

/// What is told of tools.
#[derive(Debug, Default)]
pub(super) struct Toolbox<'r, 'a> {
    tools: Vec<&'r Tool<'a>>,
    /// Name of the tool that is the answer, with what the answer is.
    answer: Option<(String, &'r Format<'a>)>,
    /// Whether a tool that nobody has stands there.
    has_placeholder: bool,
    choice: Choice<'r, 'a>,
    is_single: bool,
    /// Whether a tool's schema may bind the model.
    takes_strict: bool,
    /// What the model is told in words, since it cannot be told otherwise.
    pub(super) instructions: Vec<Text<'static>>,
}

#[derive(Clone, Debug, Default)]
enum Choice<'r, 'a> {
    #[default]
    Auto,
    Any,
    Named(&'r Text<'a>),
    Answer,
}

/// What of a request decides how tools are told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Situation {
    pub(super) family: Family,
    /// Whether the model is told to think, and cannot be forced then.
    pub(super) thinks: bool,
    /// Whether tools have been called before.
    pub(super) has_calls: bool,
}

impl<'r, 'a> Toolbox<'r, 'a> {
    /// What can be told.
    pub(super) fn of(
        request: &'r Request<'a>,
        recipient: &Recipient<'_>,
        situation: Situation,
        encoded: &mut Encoded,
    ) -> Self {
        let mut toolbox = Self::default();
        let is_known = |tool: &&Tool<'_>| tool.kind.name().is_some();
        toolbox.tools = request.tools.iter().filter(is_known).collect();
        if toolbox.tools.len() < request.tools.len() {
            encoded.drop_param("tools");
        }
        toolbox.choose(request.tool_choice.as_ref(), situation);
        toolbox.takes_strict = situation.family == Family::Claude && recipient.profile.takes_schema;
        toolbox.emulate_schema(request, recipient, situation, encoded);
        if toolbox.is_empty() && situation.has_calls {
            toolbox.has_placeholder = true;
        }
        if situation.thinks || !recipient.profile.takes_forced_tools {
            toolbox.ask_in_words(encoded);
        }
        if request.parallel_tool_calls == Some(false) && !toolbox.tools.is_empty() {
            match situation.family {
                Family::Claude => toolbox.is_single = true,
                _ => encoded.drop_param("parallel_tool_calls"),
            }
        }
        toolbox
    }

    fn is_empty(&self) -> bool {
        self.tools.is_empty() && self.answer.is_none()
    }

    fn choose(&mut self, choice: Option<&'r ToolChoice<'a>>, situation: Situation) {
        self.choice = match choice {
            None | Some(ToolChoice::Auto) => Choice::Auto,
            Some(ToolChoice::Required) => Choice::Any,
            Some(ToolChoice::Named { name, .. }) => Choice::Named(name),
            Some(ToolChoice::Allowed { is_required, names }) => {
                let allowed: HashSet<_> = names.iter().collect();
                self.tools.retain(|tool| tool.kind.name().is_some_and(|name| allowed.contains(name)));
                if *is_required { Choice::Any } else { Choice::Auto }
            }
            // There is no such choice. Where nothing has been called, tools that must not be are not told.
            Some(ToolChoice::None) => {
                if situation.has_calls {
                    self.instructions.push("Do not call any tool.".into());
                } else {
                    self.tools.clear();
                }
                Choice::Auto
            }
        };
        if self.tools.is_empty() {
            self.choice = Choice::Auto;
        }
    }

    /// Lets a tool take the answer, where nothing else can bind it.
    fn emulate_schema(
        &mut self,
        request: &'r Request<'a>,
        recipient: &Recipient<'_>,
        situation: Situation,
        encoded: &mut Encoded,
    ) {
        let Format::JsonSchema { schema, .. } = &request.format else { return };
        if takes_schema(request, recipient) {
            return;
        }
        if !schema::is_object(schema) {
            self.instructions.push(schema::in_words(schema));
            return encoded.drop_param("response_format");
        }
        self.answer = Some((answer_tool_name(&self.tools), &request.format));
        self.is_single = situation.family == Family::Claude;
        let is_alone = self.tools.is_empty() || request.tool_choice == Some(ToolChoice::None);
        self.choice = match &self.choice {
            Choice::Named(name) => Choice::Named(name),
            _ if is_alone => Choice::Answer,
            _ => Choice::Any,
        };
        if is_alone {
            self.instructions.clear();
        }
    }

    /// Asks for a call that cannot be forced.
    fn ask_in_words(&mut self, encoded: &mut Encoded) {
        let words = match (&self.choice, &self.answer) {
            (Choice::Auto, _) => return,
            (Choice::Answer, Some((name, _))) => format!("Give the answer by calling the tool `{name}`."),
            (Choice::Named(name), _) => format!("Call the tool `{}`.", name.to_plain()),
            (_, Some((name, _))) => {
                format!("Call a tool; where none but `{name}` is needed, give the answer by calling it.")
            }
            _ => "Call at least one of the tools.".to_owned(),
        };
        self.instructions.push(Text::plain(words));
        encoded.drop_param(if self.answer.is_some() { "response_format" } else { "tool_choice" });
        self.choice = Choice::Auto;
    }

    /// Marks for the cache.
    pub(super) fn count_marks(&self) -> usize {
        self.tools.iter().filter(|tool| tool.cache.is_some()).count()
    }

    /// Writes the member `toolConfig`, if there are tools.
    pub(super) fn write(&self, marks: &mut Marks, encoded: &mut Encoded, writer: &mut Writer<'_>) {
        if self.is_empty() && !self.has_placeholder {
            return;
        }
        writer.member("toolConfig").object(|writer| {
            writer.member("tools").array(|writer| {
                self.tools.iter().for_each(|tool| {
                    write_tool(tool, self.takes_strict, encoded, writer);
                    marks.write(tool.cache.as_ref(), writer);
                });
                if let Some((name, Format::JsonSchema { description, schema, .. })) = &self.answer {
                    encoded.emulation.answer_tool = Some(name.clone());
                    let default = Text::escaped("Gives the answer.");
                    let description = description.as_ref().unwrap_or(&default);
                    write_specification(name, description, &schema::object(Some(schema)), false, writer);
                }
                if self.has_placeholder {
                    let description = Text::escaped("Stands for tools that are gone. Never call it.");
                    write_specification(NO_TOOL, &description, &schema::object(None), false, writer);
                }
            });
            // Two members that tell it could contradict each other.
            if !self.is_single && !matches!(self.choice, Choice::Auto) {
                writer.member("toolChoice").object(|writer| {
                    let (kind, name) = self.chosen(encoded);
                    writer.member(kind).object(|writer| write_name(name, writer));
                });
            }
        });
    }

    /// Writes the member `tool_choice` in Claude's own words, where Converse has none for it.
    pub(super) fn write_native_choice(&self, encoded: &mut Encoded, writer: &mut Writer<'_>) {
        if self.is_single && !self.is_empty() {
            writer.member("tool_choice").object(|writer| {
                let (kind, name) = self.chosen(encoded);
                writer.member("type").string(kind);
                write_name(name, writer);
                writer.member("disable_parallel_tool_use").boolean(true);
            });
        }
    }

    /// What must be called: the kind of the choice, and a name.
    fn chosen(&self, encoded: &mut Encoded) -> (&'static str, Option<String>) {
        match (&self.choice, &self.answer) {
            (Choice::Named(name), _) => {
                ("tool", Some(tool_name(name, &mut encoded.emulation.names).into_owned()))
            }
            (Choice::Answer, Some((name, _))) => ("tool", Some(name.clone())),
            (Choice::Any, _) => ("any", None),
            _ => ("auto", None),
        }
    }
}

/// Whether the answer is bound by its schema, not by a tool that takes it.
pub(super) fn takes_schema(request: &Request<'_>, recipient: &Recipient<'_>) -> bool {
    let profile = recipient.profile;
    profile.takes_schema && (request.tools.is_empty() || profile.takes_schema_with_tools)
}

fn write_name(name: Option<String>, writer: &mut Writer<'_>) {
    if let Some(name) = name {
        writer.member("name").string(&name);
    }
}

fn write_tool(tool: &Tool<'_>, takes_strict: bool, encoded: &mut Encoded, writer: &mut Writer<'_>) {
    match &tool.kind {
        ToolKind::Function { name, description, parameters, is_strict } => {
            let given = tool_name(name, &mut encoded.emulation.names);
            let description = described(name, description.as_ref());
            let parameters = schema::object(parameters.as_ref());
            let is_strict = *is_strict == Some(true);
            // A schema that cannot bind the model still tells it what is wanted.
            let is_bound = is_strict && takes_strict && binding(&parameters) == parameters;
            if is_strict && !is_bound {
                encoded.drop_param("strict");
            }
            write_specification(&given, &description, &parameters, is_bound, writer);
        }
        ToolKind::Custom { name, description, format } => {
            let given = tool_name(name, &mut encoded.emulation.names);
            let told = schema::describe_text(description.as_ref(), format.as_ref());
            let description = described(name, told.as_ref());
            write_specification(&given, &description, &schema::of_text(TEXT_PARAMETER), false, writer);
            encoded.emulation.custom_tools.push(given.into_owned());
        }
        ToolKind::Native { .. } => {}
    }
}

/// What a tool is for; AWS wants something to be said.
fn described<'t>(name: &'t Text<'_>, description: Option<&'t Text<'_>>) -> Text<'t> {
    description.filter(|description| !description.is_blank()).unwrap_or(name).reborrow()
}

fn write_specification(
    name: &str,
    description: &Text<'_>,
    schema: &Raw<'_>,
    is_strict: bool,
    writer: &mut Writer<'_>,
) {
    writer.object(|writer| {
        writer.member("toolSpec").object(|writer| {
            writer.member("name").string(name);
            writer.member("description").text(description);
            writer.member("inputSchema").object(|writer| writer.member("json").raw(schema));
            if is_strict {
                writer.member("strict").boolean(true);
            }
        });
    });
}
