//! What was typed, read by a tool.

use super::{Flag, Tool, Value};

/// A command line that the parser has accepted. Asking for a flag that the tool does not have is a bug and panics.
#[derive(Clone, Debug)]
pub struct Matches {
    tool: &'static Tool,
    command: Option<&'static super::Command>,
    given: Vec<(&'static str, Option<String>)>,
    rest: Vec<String>,
}

impl Matches {
    pub(super) fn new(tool: &'static Tool) -> Matches {
        Matches {
            tool,
            command: None,
            given: Vec::new(),
            rest: Vec::new(),
        }
    }

    pub(super) fn enter(&mut self, command: &'static super::Command) {
        self.command = Some(command);
    }

    pub(super) fn give(&mut self, flag: &Flag, value: Option<String>) {
        match (flag.separator, value) {
            (Some(separator), Some(value)) => {
                for part in value.split(separator) {
                    self.given.push((flag.name, Some(part.to_owned())));
                }
            }
            (_, value) => self.given.push((flag.name, value)),
        }
    }

    pub(super) fn replace(&mut self, flag: &Flag, value: Option<String>) {
        self.given.retain(|(name, _)| *name != flag.name);
        self.give(flag, value);
    }

    pub(super) fn add_operand(&mut self, operand: String) {
        self.rest.push(operand);
    }

    /// The tool that was called.
    pub fn tool(&self) -> &'static Tool {
        self.tool
    }

    /// The sub-command that was called.
    pub fn command(&self) -> Option<&'static str> {
        self.command.map(|command| command.name)
    }

    /// What is no flag.
    pub fn rest(&self) -> &[String] {
        &self.rest
    }

    /// Whether the flag was typed.
    pub fn has(&self, name: &str) -> bool {
        self.flag(name);
        self.given.iter().any(|(given, _)| *given == name)
    }

    /// Whether any flag was typed.
    pub fn is_empty(&self) -> bool {
        self.given.is_empty() && self.rest.is_empty() && self.command.is_none()
    }

    /// The flag's value: as typed (the last one), else its default.
    pub fn get(&self, name: &str) -> Option<&str> {
        let flag = self.flag(name);
        self.typed(name).next_back().or(flag.default)
    }

    /// The values of the flag as typed, split if it has a separator; without its default.
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.flag(name);
        self.typed(name).collect()
    }

    /// All flags as typed, in their order, with the value that each was given.
    pub fn in_order(&self) -> impl Iterator<Item = (&'static str, Option<&str>)> {
        self.given.iter().map(|(name, value)| (*name, value.as_deref()))
    }

    /// The value of a flag of [`super::Kind::Int`].
    pub fn int(&self, name: &str) -> Option<i32> {
        self.number(name)
    }

    /// The value of a flag of [`super::Kind::Long`].
    pub fn long(&self, name: &str) -> Option<i64> {
        self.number(name)
    }

    /// The value of a flag of [`super::Kind::Double`].
    pub fn double(&self, name: &str) -> Option<f64> {
        self.number(name)
    }

    fn number<T: std::str::FromStr>(&self, name: &str) -> Option<T> {
        let text = self.get(name)?;
        match text.parse() {
            Ok(number) => Some(number),
            Err(_) => panic!("the parser let `{text}` pass for the number of --{name}"),
        }
    }

    /// Deprecated flags that were typed, in the table's order.
    pub fn deprecated(&self) -> impl Iterator<Item = &'static Flag> {
        self.flags()
            .filter(|flag| flag.deprecated.is_some() && self.has(flag.name))
    }

    fn typed(&self, name: &str) -> impl DoubleEndedIterator<Item = &str> {
        self.given
            .iter()
            .filter(move |(given, _)| *given == name)
            .filter_map(|(_, value)| value.as_deref())
    }

    fn flags(&self) -> impl Iterator<Item = &'static Flag> + use<> {
        let own = self.command.map_or(&[][..], |command| command.flags);
        self.tool.flags.iter().chain(own)
    }

    fn flag(&self, name: &str) -> &'static Flag {
        if name == super::JSON.name {
            return &super::JSON;
        }
        // Tools with sub-commands ask for flags of the one that was called; those of the others count as not given.
        let anywhere = self.tool.commands.iter().flat_map(|command| command.flags);
        let found = self.flags().chain(anywhere).find(|flag| flag.name == name);
        found.unwrap_or_else(|| panic!("{} has no flag --{name}", self.tool.name))
    }

    /// Whether the flag takes a value that was left out.
    pub fn is_bare(&self, name: &str) -> bool {
        let maybe = matches!(self.flag(name).value, Value::Maybe(..));
        maybe && self.has(name) && self.typed(name).next().is_none()
    }
}
