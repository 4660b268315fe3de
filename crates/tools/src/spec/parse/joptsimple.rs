//! The manners of joptsimple 5, as Kafka's tools set it up: no abbreviations, options and other words in any order.

use super::{Asked, Value, convert, help_hint, is_needed, split, unknown_hint};
use crate::output::Failure;
use crate::spec::{Flag, JSON, Kind, Matches, Tool};

pub(super) fn parse(tool: &'static Tool, words: &[String]) -> Result<Asked, Failure> {
    let mut reader = Reader {
        tool,
        words,
        at: 0,
        matches: Matches::new(tool),
        help: false,
        version: false,
    };
    while let Some(word) = reader.next() {
        reader.take(word)?;
    }
    reader.end()
}

struct Reader<'a> {
    tool: &'static Tool,
    words: &'a [String],
    at: usize,
    matches: Matches,
    help: bool,
    version: bool,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Option<&'a str> {
        let word = self.words.get(self.at)?;
        self.at += 1;
        Some(word)
    }

    fn take(&mut self, word: &str) -> Result<(), Failure> {
        if word == "--" {
            while let Some(word) = self.next() {
                self.matches.add_operand(word.to_owned());
            }
            return Ok(());
        }
        if !looks_like_an_option(word) {
            self.matches.add_operand(word.to_owned());
            return Ok(());
        }
        // One dash is as good as two, for whole names.
        let typed = word.strip_prefix("--").or_else(|| word.strip_prefix('-'));
        let (name, value) = split(typed.unwrap_or(word));
        match name {
            "help" => self.help = true,
            "version" => self.version = true,
            _ => {
                let known = self.tool.flags.iter().chain([&JSON]).find(|flag| flag.name == name);
                let flag = known.ok_or_else(|| self.unknown(word, name))?;
                self.give(flag, value.filter(|value| !value.is_empty()))?;
            }
        }
        Ok(())
    }

    fn unknown(&self, word: &str, name: &str) -> Failure {
        // Behind one dash the library looks for letters.
        let told = match word.starts_with("--") {
            true => name,
            false => name.char_indices().nth(1).map_or(name, |(end, _)| &name[..end]),
        };
        let prefix = self.tool.mistake_prefix;
        Failure::kafka(format!("{prefix}{told} is not a recognized option")).hint(unknown_hint(self.tool, None, name))
    }

    fn give(&mut self, flag: &'static Flag, value: Option<&str>) -> Result<(), Failure> {
        let value = match flag.value {
            Value::No => None,
            Value::One(..) | Value::Many(_) => match value.or_else(|| self.next()) {
                Some(value) => Some(value),
                None => return Err(self.mistake(format!("Option {} requires an argument", flag.name))),
            },
            Value::Maybe(..) => match value {
                Some(value) => Some(value),
                None => self.optional_value(flag),
            },
        };
        if let Some(value) = value
            && convert(flag, value).is_err()
        {
            let message = format!("Cannot parse argument '{value}' of option {}", flag.name);
            return Err(self.value_mistake(message));
        }
        if flag.value != Value::No && !flag.repeats && self.matches.has(flag.name) {
            let message = format!(
                "Found multiple arguments for option {}, but you asked for only one",
                flag.name
            );
            return Err(self.value_mistake(message));
        }
        self.matches.give(flag, value.map(str::to_owned));
        Ok(())
    }

    fn optional_value(&mut self, flag: &Flag) -> Option<&'a str> {
        let next = self.words.get(self.at)?;
        let number = matches!(flag.value, Value::Maybe(Kind::Int | Kind::Long | Kind::Double, _));
        let is_value = (number || !looks_like_an_option(next)) && convert(flag, next).is_ok();
        is_value.then(|| self.next()).flatten()
    }

    fn value_mistake(&self, message: String) -> Failure {
        match self.tool.value_mistake {
            Some(told) => told(message).hint(help_hint(self.tool, None)),
            None => self.mistake(message),
        }
    }

    fn mistake(&self, message: String) -> Failure {
        Failure::kafka(format!("{}{message}", self.tool.mistake_prefix)).hint(help_hint(self.tool, None))
    }

    fn end(self) -> Result<Asked, Failure> {
        if self.help {
            return Ok(Asked::Help {
                command: None,
                short: false,
                bare: false,
            });
        }
        if self.version {
            return Ok(Asked::Version);
        }
        let missing = self.tool.flags.iter().filter(|flag| is_needed(flag));
        let missing: Vec<&str> = missing
            .map(|flag| flag.name)
            .filter(|name| !self.matches.has(name))
            .collect();
        match missing.is_empty() {
            true => Ok(Asked::Run(self.matches)),
            false => Err(self.mistake(format!("Missing required option(s) [{}]", missing.join(", ")))),
        }
    }
}

fn looks_like_an_option(word: &str) -> bool {
    word.starts_with('-') && word != "-" && word != "--"
}
