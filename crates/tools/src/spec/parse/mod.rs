//! From what was typed to [`Matches`], in the manners of the tool.

mod argparse;
mod joptsimple;

use super::{Command, Flag, Kind, Manners, Matches, Need, Tool, Value};
use crate::output::Failure;

/// What a command line asks for.
#[derive(Debug)]
pub enum Asked {
    /// To run.
    Run(Matches),
    /// To be taught; `short` for `-h`. Nobody asked when `bare`: a tool that can't run without options was called without.
    Help {
        /// Of this sub-command.
        command: Option<&'static Command>,
        /// A screen of it.
        short: bool,
        /// The command line was empty.
        bare: bool,
    },
    /// For the version.
    Version,
}

/// Reads the words after the tool's name.
pub fn parse(tool: &'static Tool, words: &[String]) -> Result<Asked, Failure> {
    if words.is_empty() && tool.bare_help.is_some() {
        return Ok(Asked::Help {
            command: None,
            short: false,
            bare: true,
        });
    }
    match tool.manners {
        Manners::Joptsimple => joptsimple::parse(tool, words),
        Manners::Argparse | Manners::Own => argparse::parse(tool, words),
    }
}

/// Splits `name=value`.
fn split(word: &str) -> (&str, Option<&str>) {
    match word.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (word, None),
    }
}

/// Why a value is none of its kind, in Java's words where it has some.
fn convert(flag: &Flag, value: &str) -> Result<(), &'static str> {
    let kind = match flag.value {
        Value::One(kind, _) | Value::Maybe(kind, _) => kind,
        Value::No | Value::Many(_) => return Ok(()),
    };
    match kind {
        Kind::Text(_) => Ok(()),
        Kind::Int => value.parse::<i32>().map(drop).map_err(|_| "Integer"),
        Kind::Long => value.parse::<i64>().map(drop).map_err(|_| "Long"),
        Kind::Double => value.parse::<f64>().map(drop).map_err(|_| "Double"),
        Kind::Choice(words) if words.contains(&value) => Ok(()),
        Kind::Choice(_) => Err("choice"),
    }
}

/// The flags that may be given to a tool or to its sub-command.
fn flags<'a>(tool: &'a Tool, command: Option<&'a Command>) -> impl Iterator<Item = &'a Flag> {
    let own = match command {
        Some(command) => command.flags,
        None => tool.flags,
    };
    own.iter()
}

/// The known name that is nearest to what was typed, if any is near.
pub(crate) fn nearest<'a>(typed: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let scored = known.map(|name| (distance(typed, name), name));
    let (score, name) = scored.min_by_key(|(score, _)| *score)?;
    let near = score <= 1 + typed.len() / 4;
    let begins = !typed.is_empty() && name.starts_with(typed);
    (near || begins).then_some(name)
}

/// How many letters have to be changed, added or left out.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in other.iter().enumerate() {
            let substituted = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[other.len()]
}

/// Where to read on when no name is near.
fn unknown_hint(tool: &Tool, command: Option<&Command>, typed: &str) -> String {
    let known = flags(tool, command).map(|flag| flag.name);
    match nearest(typed, known.chain(["help", "version", "json"])) {
        Some(name) => format!("did you mean `--{name}`?"),
        None => help_hint(tool, command),
    }
}

fn help_hint(tool: &Tool, command: Option<&Command>) -> String {
    match command {
        Some(command) => format!("`klamm {} {} --help` shows the options", tool.name, command.name),
        None => format!("`klamm {} --help` shows the options", tool.name),
    }
}

fn is_needed(flag: &Flag) -> bool {
    flag.need == Need::Parser
}
