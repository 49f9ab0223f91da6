//! Reads the tree of a file by name and type. A value of the wrong type is a mistake at its path, a
//! field that nobody asked for is a warning, and reading goes on, so that all is told at once.

use std::{cell::RefCell, collections::BTreeSet, fmt::Write, ops::RangeInclusive};

use super::finding::{Finding, Rejected};
use crate::dialect::json::document::{Map, Value};

/// One reading of a file: the environment that its secrets come from, and what was found so far.
pub(super) struct Reading<'a> {
    variables: &'a dyn Fn(&str) -> Option<String>,
    mistakes: RefCell<Vec<Finding>>,
    warnings: RefCell<Vec<Finding>>,
    idle: RefCell<Vec<String>>,
}

/// A value of the file, or the place where one is missing. `null` is missing.
pub(super) struct Field<'a> {
    pub(super) reading: &'a Reading<'a>,
    path: String,
    value: Option<&'a Value>,
}

/// An object of the file; a missing one is empty.
pub(super) struct Section<'a> {
    field: Field<'a>,
    fields: Option<&'a Map<String, Value>>,
    asked: RefCell<BTreeSet<String>>,
}

/// What a value has to be.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Boolean,
    Number,
    Text,
    List,
    Object,
    Any,
}

impl<'a> Reading<'a> {
    pub(super) fn new(variables: &'a dyn Fn(&str) -> Option<String>) -> Self {
        let (mistakes, warnings, idle) = Default::default();
        Self { variables, mistakes, warnings, idle }
    }

    /// The whole file.
    pub(super) fn file(&'a self, tree: &'a Value) -> Field<'a> {
        Field { reading: self, path: String::new(), value: Some(tree) }
    }

    /// A variable of the environment that is set to more than white space.
    pub(super) fn variable(&self, name: &str) -> Option<String> {
        let value = (self.variables)(name)?.trim().to_owned();
        (!value.is_empty()).then_some(value)
    }

    /// `product` with the warnings, unless there was a mistake.
    pub(super) fn end<T>(self, product: T) -> Result<(T, Vec<Finding>), Rejected> {
        let (mistakes, mut warnings) = (self.mistakes.into_inner(), self.warnings.into_inner());
        let idle = self.idle.into_inner().join(", ");
        if !idle.is_empty() {
            warnings.push(Finding {
                path: String::new(),
                message: format!("Read, but not acted on by this version: {idle}"),
                remedy: "Remove them, or expect nothing of them".to_owned(),
            });
        }
        if mistakes.is_empty() { Ok((product, warnings)) } else { Err(Rejected { mistakes, warnings }) }
    }
}

impl<'a> Field<'a> {
    pub(super) fn is_present(&self) -> bool {
        self.value.is_some()
    }

    /// Whether it is missing, or a text with nothing in it.
    pub(super) fn is_blank(&self) -> bool {
        self.value.is_none_or(|value| value.as_str().is_some_and(|text| text.trim().is_empty()))
    }

    /// Whether it is `true`, without a word about what else it may be.
    pub(super) fn is_true(&self) -> bool {
        self.value == Some(&Value::Bool(true))
    }

    /// Whether it is anything but an empty list.
    pub(super) fn has_items(&self) -> bool {
        self.value.is_some_and(|value| value.as_array().is_none_or(|items| !items.is_empty()))
    }

    pub(super) fn is_object(&self) -> bool {
        self.value.is_some_and(Value::is_object)
    }

    pub(super) fn mistake(&self, message: impl Into<String>, remedy: impl Into<String>) {
        self.tell(&self.reading.mistakes, message.into(), remedy.into());
    }

    pub(super) fn warning(&self, message: impl Into<String>, remedy: impl Into<String>) {
        self.tell(&self.reading.warnings, message.into(), remedy.into());
    }

    pub(super) fn boolean(&self) -> Option<bool> {
        self.read("true or false", Value::as_bool)
    }

    pub(super) fn whole_number(&self, bounds: RangeInclusive<u64>) -> Option<u64> {
        let expected = format!("a whole number from {} to {}", bounds.start(), bounds.end());
        self.read(&expected, |value| value.as_u64().filter(|number| bounds.contains(number)))
    }

    /// A whole number within bounds; 0 leaves the default, as absence does.
    pub(super) fn limit(&self, bounds: RangeInclusive<u64>) -> Option<u64> {
        if self.value.and_then(Value::as_f64) == Some(0.0) { None } else { self.whole_number(bounds) }
    }

    pub(super) fn number_from_zero(&self) -> Option<f64> {
        self.read("a number, 0 or more", |value| {
            value.as_f64().filter(|number| number.is_finite() && *number >= 0.0)
        })
    }

    /// A text, white space around it removed.
    pub(super) fn text(&self) -> Option<&'a str> {
        self.read("a text", Value::as_str).map(str::trim)
    }

    /// A text that may stand in the environment: `"env.NAME"`, or an object
    /// `{"value", "env_var", "from_env"}`.
    pub(super) fn secret(&self) -> Option<String> {
        match self.value? {
            Value::String(text) => self.resolve(text.trim()),
            Value::Object(_) => self.inside(|reference| {
                let [value, variable] = ["value", "env_var"].map(|name| reference.field(name));
                let [text, name] = [&value, &variable].map(|field| field.text().unwrap_or_default());
                let is_from_environment = reference.field("from_env").boolean();
                if is_from_environment.unwrap_or(text.is_empty() && !name.is_empty()) {
                    variable.resolve_variable(name.strip_prefix("env.").unwrap_or(name))
                } else {
                    value.resolve(text)
                }
            }),
            _ => self.read("a text", |_| None),
        }
    }

    pub(super) fn list(&self) -> Option<Vec<Self>> {
        let items = self.read("a list", Value::as_array)?.iter().enumerate();
        let item = |(index, value)| self.at(format!("{}[{index}]", self.path), Some(value));
        Some(items.map(item).collect())
    }

    pub(super) fn texts(&self) -> Option<Vec<&'a str>> {
        Some(self.list()?.iter().filter_map(Self::text).collect())
    }

    /// Reads an object, then warns of the fields that were not asked for.
    pub(super) fn inside<T>(&self, read: impl FnOnce(&Section<'a>) -> T) -> T {
        let section = self.section();
        let product = read(&section);
        section.end();
        product
    }

    /// An object of which only some fields are of interest.
    pub(super) fn section(&self) -> Section<'a> {
        let fields = self.read("an object", Value::as_object);
        let field = self.at(self.path.clone(), self.value);
        Section { field, fields, asked: RefCell::default() }
    }

    /// Says that what is written here protects something and does not yet work.
    pub(super) fn refuse(&self) {
        self.mistake(
            "this protects the gateway or its users and is not built yet, so the gateway does not start with it",
            "Remove it, and protect what it protected by other means until then",
        );
    }

    /// Tells with the other fields of its sort that nothing is done with it, unless it asks for nothing.
    pub(super) fn leave_idle(&self, kind: Kind) {
        let read = self.read(kind.expected(), |value| kind.fits(value).then_some(value));
        if read.is_some_and(|value| !asks_for_nothing(value)) {
            self.reading.idle.borrow_mut().push(self.path.clone());
        }
    }

    /// Reads a value that is there; says what was expected if it is something else.
    fn read<T>(&self, expected: &str, read: impl FnOnce(&'a Value) -> Option<T>) -> Option<T> {
        let value = self.value?;
        let found = read(value);
        if found.is_none() {
            self.mistake(format!("expected {expected}, found {}", name_of(value)), "Correct or remove it");
        }
        found
    }

    fn resolve(&self, text: &str) -> Option<String> {
        if text.starts_with("vault.") {
            self.mistake("this version reads no vault", "Write env.NAME and set that variable");
            return None;
        }
        match text.strip_prefix("env.") {
            Some(name) => self.resolve_variable(name),
            None => Some(text.to_owned()),
        }
    }

    fn resolve_variable(&self, name: &str) -> Option<String> {
        let name = name.trim();
        let is_name =
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !is_name {
            self.mistake("this does not name a variable", "Write env.NAME with letters, digits and _");
            return None;
        }
        let value = self.reading.variable(name);
        if value.is_none() {
            self.mistake(
                format!("the variable {name} is not set, or is empty"),
                "Set it in the environment of the gateway, or write the value itself here",
            );
        }
        value
    }

    /// Once, however often a field is read.
    fn tell(&self, findings: &RefCell<Vec<Finding>>, message: String, remedy: String) {
        let finding = Finding { path: self.path.clone(), message, remedy };
        let mut findings = findings.borrow_mut();
        if !findings.contains(&finding) {
            findings.push(finding);
        }
    }

    fn at(&self, path: String, value: Option<&'a Value>) -> Self {
        Self { reading: self.reading, path, value: value.filter(|value| !value.is_null()) }
    }
}

impl<'a> Section<'a> {
    /// The object itself, to say something of it.
    pub(super) fn whole(&self) -> &Field<'a> {
        &self.field
    }

    pub(super) fn is_empty(&self) -> bool {
        self.fields.is_none_or(Map::is_empty)
    }

    pub(super) fn field(&self, name: &str) -> Field<'a> {
        self.asked.borrow_mut().insert(name.to_owned());
        self.inner(name, self.fields.and_then(|fields| fields.get(name)))
    }

    /// Reads an object in the object, then warns of the fields that were not asked for.
    pub(super) fn inside<T>(&self, name: &str, read: impl FnOnce(&Self) -> T) -> T {
        self.field(name).inside(read)
    }

    /// An object in the object of which only some fields are of interest.
    pub(super) fn section(&self, name: &str) -> Self {
        self.field(name).section()
    }

    /// Every field with its name, asked for or not, for objects whose names the operator chooses.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&'a str, Field<'a>)> {
        let entries = self.fields.into_iter().flatten();
        entries.map(|(name, value)| (name.as_str(), self.inner(name, Some(value))))
    }

    /// Fields that are known and do nothing yet, except those that were asked for.
    pub(super) fn leave_idle(&self, names: &[(&str, Kind)]) {
        for (name, kind) in names {
            if !self.asked.borrow().contains(*name) {
                self.field(name).leave_idle(*kind);
            }
        }
    }

    /// Fields that protect and do not work yet: refused unless they ask for nothing.
    pub(super) fn refuse(&self, names: &[&str]) {
        for name in names {
            let field = self.field(name);
            let protects = match field.value {
                Some(Value::Array(items)) => !items.is_empty(),
                Some(value) => !asks_for_nothing(value),
                None => false,
            };
            if protects {
                field.refuse();
            }
        }
    }

    fn end(&self) {
        let asked = self.asked.borrow();
        for (_, field) in self.entries().filter(|(name, _)| !asked.contains(*name)) {
            field.warning("this is not known", "Check the spelling, or remove it");
        }
    }

    fn inner(&self, name: &str, value: Option<&'a Value>) -> Field<'a> {
        let mut path = self.field.path.clone();
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-$".contains(&byte);
        let _infallible = match (name.bytes().all(is_plain) && !name.is_empty(), path.is_empty()) {
            (true, true) => write!(path, "{name}"),
            (true, false) => write!(path, ".{name}"),
            (false, _) => write!(path, "[{name:?}]"),
        };
        self.field.at(path, value)
    }
}

impl Kind {
    fn expected(self) -> &'static str {
        match self {
            Self::Boolean => "true or false",
            Self::Number => "a number",
            Self::Text => "a text",
            Self::List => "a list",
            Self::Object => "an object",
            Self::Any => "anything",
        }
    }

    fn fits(self, value: &Value) -> bool {
        match self {
            Self::Boolean => value.is_boolean(),
            Self::Number => value.is_number(),
            Self::Text => value.is_string(),
            Self::List => value.is_array(),
            Self::Object => value.is_object(),
            Self::Any => true,
        }
    }
}

/// Whether a value is what its field would be if it were not there, as far as can be told.
fn asks_for_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) => false,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.iter().all(asks_for_nothing),
        Value::Object(fields) => {
            fields.get("enabled") == Some(&Value::Bool(false)) || fields.values().all(asks_for_nothing)
        }
    }
}

fn name_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::json::document;

    fn read<T>(text: &str, read: impl Fn(&Section<'_>) -> T) -> (Option<T>, Vec<String>) {
        let tree = document::parse(text).unwrap_or(Value::Null);
        let reading = Reading::new(&|_| None);
        let product = reading.file(&tree).inside(read);
        match reading.end(product) {
            Ok((product, warnings)) => (Some(product), warnings.iter().map(ToString::to_string).collect()),
            Err(rejected) => (None, rejected.mistakes.into_iter().map(|mistake| mistake.path).collect()),
        }
    }

    #[test]
    fn null_is_as_good_as_missing() {
        let (found, told) = read(r#"{"a": null, "b": null}"#, |file| {
            (file.field("a").list().is_none(), file.section("b").is_empty())
        });
        assert_eq!((found, told), (Some((true, true)), vec![]));
    }

    #[test]
    fn a_field_that_is_read_twice_is_told_of_once() {
        let (_, told) = read(r#"{"a": 1}"#, |file| [(); 2].map(|()| file.field("a").boolean()));
        assert_eq!(told, ["a"]);
    }

    #[test]
    fn paths_quote_what_is_not_plain() {
        let (_, told) = read(r#"{"a-b": {"c.d": [{"": 1}]}}"#, |file| {
            let inner = file.section("a-b").field("c.d").list().unwrap_or_default();
            inner.iter().for_each(|field| _ = field.section().field("").text());
        });
        assert_eq!(told, [r#"a-b["c.d"][0][""]"#]);
    }

    #[test]
    fn what_asks_for_nothing_is_not_said_to_be_idle() {
        for (value, is_idle) in [
            ("false", false),
            ("0", false),
            ("[]", false),
            ("{}", false),
            (r#"{"enabled": false, "url": "u"}"#, false),
            (r#"[{"enabled": false, "name": "n"}]"#, false),
            ("true", true),
            ("1", true),
            (r#"{"enabled": true}"#, true),
            (r#"[""]"#, false),
            (r#"["a"]"#, true),
        ] {
            let (_, told) =
                read(&format!(r#"{{"a": {value}}}"#), |file| file.leave_idle(&[("a", Kind::Any)]));
            assert_eq!(!told.is_empty(), is_idle, "{value}");
        }
    }
}
