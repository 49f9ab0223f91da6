//! Tools, whether they must be called, and the shape of the answer, which stand in each other's way.

use std::{borrow::Cow, collections::HashSet};

use crate::{
    dialect::{
        Encoded, NameRule, Names, Recipient, TEXT_PARAMETER, emulation::answer_tool_name, json::Writer,
        schema,
    },
    ir::{Format, Raw, Request, Text, Tool, ToolChoice, ToolKind},
};

/// Names of tools that are sure to be taken.
const TOOL_NAMES: NameRule = NameRule::words(64);

/// The name of a tool as Cohere takes it.
pub(super) fn tool_name<'n>(name: &'n Text<'_>, names: &mut Names) -> Cow<'n, str> {
    names.replace(name, TOOL_NAMES)
}

/// What is told of tools and of the answer's shape.
#[derive(Debug)]
pub(super) struct Shape<'r, 'a> {
    tools: Vec<&'r Tool<'a>>,
    choice: Option<&'static str>,
    /// What binds the answer.
    format: &'r Format<'a>,
    /// Name of the tool whose input is the answer.
    answer: Option<String>,
}

impl<'r, 'a> Shape<'r, 'a> {
    /// What can be told.
    pub(super) fn of(request: &'r Request<'a>, recipient: &Recipient<'_>, encoded: &mut Encoded) -> Self {
        let mut tools: Vec<_> = request.tools.iter().filter(|tool| tool.kind.name().is_some()).collect();
        if tools.len() < request.tools.len() {
            encoded.drop_param("tools");
        }
        let mut choice = match &request.tool_choice {
            None | Some(ToolChoice::Auto) => None,
            Some(ToolChoice::Required) => Some("REQUIRED"),
            Some(ToolChoice::None) => Some("NONE"),
            Some(ToolChoice::Named { name, .. }) => {
                tools.retain(|tool| tool.kind.name() == Some(name));
                Some("REQUIRED")
            }
            Some(ToolChoice::Allowed { is_required, names }) => {
                let allowed: HashSet<_> = names.iter().collect();
                tools.retain(|tool| tool.kind.name().is_some_and(|name| allowed.contains(name)));
                is_required.then_some("REQUIRED")
            }
        };
        if tools.is_empty() {
            choice = None;
        }
        if request.parallel_tool_calls == Some(false) && !tools.is_empty() {
            encoded.drop_param("parallel_tool_calls");
        }
        let mut shape = Self { tools, choice, format: &request.format, answer: None };
        shape.settle(request, recipient, encoded);
        shape
    }

    /// A format is refused beside tools.
    fn settle(&mut self, request: &Request<'_>, recipient: &Recipient<'_>, encoded: &mut Encoded) {
        let has_schema = matches!(self.format, Format::JsonSchema { .. });
        if has_schema && self.choice == Some("NONE") && recipient.profile.takes_schema {
            self.tools.clear();
            self.choice = None;
        }
        let is_alone = self.tools.is_empty();
        let is_named = matches!(request.tool_choice, Some(ToolChoice::Named { .. })) && !is_alone;
        let is_of_tool =
            matches!(self.format, Format::JsonSchema { schema, .. } if schema::is_object(schema));
        // What has to be called is not the answer.
        if has_schema && !is_alone && (is_named || !is_of_tool) {
            encoded.drop_param("response_format");
        } else if is_of_tool && (!is_alone || !recipient.profile.takes_schema) {
            self.answer = Some(answer_tool_name(&self.tools));
            self.choice = Some("REQUIRED");
        }
        if self.choice == Some("REQUIRED") && !recipient.profile.takes_forced_tools {
            encoded.drop_param(if self.answer.is_some() { "response_format" } else { "tool_choice" });
            self.choice = None;
        }
    }

    /// Whether a JSON object has to be asked for in words.
    pub(super) fn asks_in_words(&self) -> bool {
        !self.tools.is_empty() && *self.format == Format::JsonObject
    }

    /// Writes the members that tell it.
    pub(super) fn write(&self, encoded: &mut Encoded, writer: &mut Writer<'_>) {
        if self.tools.is_empty() && self.answer.is_none() {
            return self.write_format(writer);
        }
        writer.member("tools").array(|writer| {
            self.tools.iter().for_each(|tool| write_tool(tool, encoded, writer));
            if let (Some(name), Format::JsonSchema { description, schema, .. }) = (&self.answer, self.format)
            {
                write_function(name, description.as_ref(), &schema::object(Some(schema)), writer);
                encoded.emulation.answer_tool = Some(name.clone());
            }
        });
        let is_strict =
            |tool: &&Tool<'_>| matches!(tool.kind, ToolKind::Function { is_strict: Some(true), .. });
        if self.answer.is_none() && self.tools.iter().all(is_strict) {
            writer.member("strict_tools").boolean(true);
        }
        if let Some(choice) = self.choice {
            writer.member("tool_choice").string(choice);
        }
    }

    fn write_format(&self, writer: &mut Writer<'_>) {
        let schema = match self.format {
            Format::Unsaid | Format::Text => return,
            Format::JsonObject => None,
            Format::JsonSchema { schema, .. } => Some(schema),
        };
        writer.member("response_format").object(|writer| {
            writer.member("type").string("json_object");
            if let Some(schema) = schema {
                writer.member("json_schema").raw(schema);
            }
        });
    }
}

fn write_tool(tool: &Tool<'_>, encoded: &mut Encoded, writer: &mut Writer<'_>) {
    match &tool.kind {
        ToolKind::Function { name, description, parameters, .. } => {
            let given = tool_name(name, &mut encoded.emulation.names);
            write_function(&given, description.as_ref(), &schema::object(parameters.as_ref()), writer);
        }
        ToolKind::Custom { name, description, format } => {
            let given = tool_name(name, &mut encoded.emulation.names);
            let description = schema::describe_text(description.as_ref(), format.as_ref());
            write_function(&given, description.as_ref(), &schema::of_text(TEXT_PARAMETER), writer);
            encoded.emulation.custom_tools.push(given.into_owned());
        }
        ToolKind::Native { .. } => {}
    }
}

fn write_function(name: &str, description: Option<&Text<'_>>, schema: &Raw<'_>, writer: &mut Writer<'_>) {
    writer.object(|writer| {
        writer.member("type").string("function");
        writer.member("function").object(|writer| {
            writer.member("name").string(name);
            if let Some(description) = description {
                writer.member("description").text(description);
            }
            writer.member("parameters").raw(schema);
        });
    });
}
