//! The manners of argparse4j, and with reports in our own form those of Klamm's own commands.

use super::{Asked, Value, convert, flags, help_hint, is_needed, nearest, split, unknown_hint};
use crate::output::Failure;
use crate::spec::{Command, Exclusive, Flag, JSON, Kind, Manners, Matches, Tool};

pub(super) fn parse(tool: &'static Tool, words: &[String]) -> Result<Asked, Failure> {
    let reader = Reader {
        tool,
        command: None,
        words,
        at: 0,
        matches: Matches::new(tool),
    };
    reader.read()
}

struct Reader<'a> {
    tool: &'static Tool,
    command: Option<&'static Command>,
    words: &'a [String],
    at: usize,
    matches: Matches,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Option<&'a str> {
        let word = self.words.get(self.at)?;
        self.at += 1;
        Some(word)
    }

    fn read(mut self) -> Result<Asked, Failure> {
        while let Some(word) = self.next() {
            match word {
                "--help" | "-h" => {
                    return Ok(Asked::Help {
                        command: self.command,
                        short: word == "-h",
                        bare: false,
                    });
                }
                "--version" => return Ok(Asked::Version),
                "-V" if self.tool.manners == Manners::Own => return Ok(Asked::Version),
                "--" => {
                    while let Some(word) = self.next() {
                        self.operand(word)?;
                    }
                }
                word if self.is_option(word) => self.option(word)?,
                word => self.operand(word)?,
            }
        }
        self.end()
    }

    /// Negative numbers are values, and for our own commands all that begins with one, such as `-10:end`.
    fn is_option(&self, word: &str) -> bool {
        let number = match self.tool.manners {
            Manners::Own => word.chars().nth(1).is_some_and(|letter| letter.is_ascii_digit()),
            _ => word.parse::<f64>().is_ok(),
        };
        word.len() > 1 && word.starts_with('-') && !number
    }

    fn operand(&mut self, word: &str) -> Result<(), Failure> {
        if !self.tool.commands.is_empty() && self.command.is_none() {
            let command = self.tool.command(word);
            let command = command.ok_or_else(|| self.unknown_command(word))?;
            self.command = Some(command);
            self.matches.enter(command);
            return Ok(());
        }
        let room = self.tool.operands.is_some_and(|operands| operands.many)
            || (self.tool.operands.is_some() && self.matches.rest().is_empty());
        if !room {
            return Err(match self.tool.manners {
                Manners::Own => self.mistake(format!("`{word}` is one argument too many")),
                _ => self.mistake(format!("unrecognized arguments: '{word}'")),
            });
        }
        self.matches.add_operand(word.to_owned());
        Ok(())
    }

    fn unknown_command(&self, word: &str) -> Failure {
        let names = || self.tool.commands.iter().map(|command| command.name);
        let choices: Vec<String> = names().map(|name| format!("'{name}'")).collect();
        let failure = self.mistake(format!("invalid choice: '{word}' (choose from {})", choices.join(", ")));
        match nearest(word, names()) {
            Some(name) => failure.hint(format!("did you mean `{name}`?")),
            None => failure,
        }
    }

    fn option(&mut self, word: &'a str) -> Result<(), Failure> {
        if let Some(typed) = word.strip_prefix("--") {
            let (name, value) = split(typed);
            let flag = self.by_name(name)?;
            if flag.value == Value::No && value.is_some() {
                return Err(self.about(flag, "ignored explicit argument"));
            }
            return self.give(flag, value);
        }
        self.letters(word)
    }

    /// `-g`, `-c FILE`, `-cFILE` and `-gc FILE`.
    fn letters(&mut self, word: &'a str) -> Result<(), Failure> {
        let mut rest = &word[1..];
        while let Some(letter) = rest.chars().next() {
            rest = &rest[letter.len_utf8()..];
            let known = flags(self.tool, self.command).find(|flag| flag.short == Some(letter));
            let known: Option<&'static Flag> = known.and_then(|flag| self.own(flag.name));
            let flag = known.ok_or_else(|| self.unknown_option(word))?;
            if flag.value == Value::No {
                self.give(flag, None)?;
                continue;
            }
            let value = Some(rest.strip_prefix('=').unwrap_or(rest)).filter(|value| !value.is_empty());
            return self.give(flag, value);
        }
        Ok(())
    }

    fn own(&self, name: &str) -> Option<&'static Flag> {
        let flags = match self.command {
            Some(command) => command.flags,
            None => self.tool.flags,
        };
        flags.iter().find(|flag| flag.name == name)
    }

    /// By its whole name, or by the beginning of one.
    fn by_name(&self, name: &str) -> Result<&'static Flag, Failure> {
        if name == JSON.name {
            return Ok(&JSON);
        }
        if let Some(flag) = self.own(name) {
            return Ok(flag);
        }
        let begins = || flags(self.tool, self.command).filter(|flag| !name.is_empty() && flag.name.starts_with(name));
        match begins().count() {
            1 => begins()
                .next()
                .and_then(|flag| self.own(flag.name))
                .ok_or_else(|| self.unknown_option(name)),
            0 => Err(self.unknown_option(&format!("--{name}"))),
            _ => {
                let names: Vec<String> = begins().map(|flag| format!("--{}", flag.name)).collect();
                Err(self.mistake(format!("ambiguous option: --{name} could match {}", names.join(", "))))
            }
        }
    }

    fn unknown_option(&self, word: &str) -> Failure {
        let message = match self.tool.manners {
            Manners::Own => format!("unexpected option `{word}`"),
            _ => format!("unrecognized arguments: '{word}'"),
        };
        let hint = unknown_hint(self.tool, self.command, word.trim_start_matches('-'));
        self.mistake(message).hint(hint)
    }

    fn give(&mut self, flag: &'static Flag, value: Option<&str>) -> Result<(), Failure> {
        if let Value::Many(_) = flag.value {
            return self.give_many(flag, value);
        }
        let value = match flag.value {
            Value::No => None,
            Value::Maybe(..) => match value {
                None if self.peek_value().is_some() => self.next(),
                value => value,
            },
            _ => match value.or_else(|| self.peek_value().and_then(|_| self.next())) {
                Some(value) => Some(value),
                None => return Err(self.about(flag, "expected one argument")),
            },
        };
        if let Some(value) = value {
            self.check_value(flag, value)?;
        }
        let value = value.map(str::to_owned);
        match flag.repeats {
            true => self.matches.give(flag, value),
            // As with argparse, the last one counts.
            false => self.matches.replace(flag, value),
        }
        Ok(())
    }

    fn give_many(&mut self, flag: &'static Flag, value: Option<&str>) -> Result<(), Failure> {
        let mut any = false;
        if let Some(value) = value {
            self.matches.give(flag, Some(value.to_owned()));
            any = true;
        }
        while !any || self.peek_value().is_some() {
            let Some(value) = self.peek_value().and_then(|_| self.next()) else {
                return Err(self.about(flag, "expected at least one argument"));
            };
            self.matches.give(flag, Some(value.to_owned()));
            any = true;
        }
        Ok(())
    }

    fn peek_value(&self) -> Option<&'a str> {
        let next = self.words.get(self.at)?;
        (!self.is_option(next) || next == "-").then_some(next)
    }

    fn check_value(&self, flag: &Flag, value: &str) -> Result<(), Failure> {
        let Err(kind) = convert(flag, value) else { return Ok(()) };
        let (Value::One(wanted, _) | Value::Maybe(wanted, _)) = flag.value else {
            return Ok(());
        };
        let why = match (wanted, self.tool.manners) {
            (Kind::Choice(words), Manners::Own) => format!("`{value}` is none of `{}`", words.join("`, `")),
            (Kind::Choice(words), _) => format!("invalid choice: '{value}' (choose from {{{}}})", words.join(",")),
            (_, Manners::Own) => format!("`{value}` is not a number"),
            _ => format!("could not convert '{value}' to {kind} (For input string: \"{value}\")"),
        };
        Err(self.about(flag, why))
    }

    fn end(self) -> Result<Asked, Failure> {
        if !self.tool.commands.is_empty() && self.command.is_none() {
            let names: Vec<&str> = self.tool.commands.iter().map(|command| command.name).collect();
            let failure = match self.tool.manners {
                Manners::Own => self.mistake("a sub-command is missing".to_owned()),
                _ => self.mistake("too few arguments".to_owned()),
            };
            return Err(failure.hint(format!("one of `{}` has to follow", names.join("`, `"))));
        }
        if let Some(command) = self.command {
            self.required_given(command.flags, command.exclusive)?;
        }
        self.required_given(self.tool.flags, self.tool.exclusive)?;
        if let Some(operands) = self.tool.operands
            && operands.required
            && self.matches.rest().is_empty()
        {
            return Err(match self.tool.manners {
                Manners::Own => self.mistake(format!("`{}` is missing", operands.name)),
                _ => self.mistake("too few arguments".to_owned()),
            });
        }
        Ok(Asked::Run(self.matches))
    }

    fn required_given(&self, flags: &[Flag], exclusive: &[Exclusive]) -> Result<(), Failure> {
        for group in exclusive {
            let mut given = group.flags.iter().filter(|name| self.matches.has(name));
            let first = given.next().and_then(|name| self.any(flags, name));
            let second = given.next().and_then(|name| self.any(flags, name));
            if let (Some(first), Some(second)) = (first, second) {
                let why = format!("not allowed with argument {}", spelled(first));
                return Err(self.about(second, why));
            }
            if first.is_none() && group.required {
                let names = group.flags.iter().filter_map(|name| self.any(flags, name));
                let names: Vec<String> = names.map(spelled).collect();
                return Err(self.mistake(format!("one of the arguments {} is required", names.join(" "))));
            }
        }
        match flags
            .iter()
            .find(|flag| is_needed(flag) && !self.matches.has(flag.name))
        {
            Some(flag) if self.tool.manners == Manners::Own => {
                Err(self.mistake(format!("`--{}` is missing", flag.name)))
            }
            Some(flag) => Err(self.mistake(format!("argument {} is required", spelled(flag)))),
            None => Ok(()),
        }
    }

    fn any<'f>(&self, flags: &'f [Flag], name: &str) -> Option<&'f Flag> {
        flags.iter().find(|flag| flag.name == name)
    }

    fn about(&self, flag: &Flag, why: impl std::fmt::Display) -> Failure {
        match self.tool.manners {
            Manners::Own => self.mistake(format!("`--{}`: {why}", flag.name)),
            _ => self.mistake(format!("argument {}: {why}", spelled(flag))),
        }
    }

    /// Kafka's tools put their name before what they say.
    fn mistake(&self, message: String) -> Failure {
        let failure = match self.tool.manners {
            Manners::Own => Failure::own(message).code(2),
            _ if !self.tool.mistake_prefix.is_empty() => {
                let Tool {
                    mistake_prefix,
                    mistake_suffix,
                    ..
                } = self.tool;
                Failure::kafka(format!("{mistake_prefix}{message}{mistake_suffix}"))
            }
            _ => Failure::kafka(format!(
                "{}: error: {message}",
                self.tool.script.unwrap_or(self.tool.name)
            )),
        };
        failure.hint(help_hint(self.tool, self.command))
    }
}

fn spelled(flag: &Flag) -> String {
    match flag.short {
        Some(letter) => format!("--{}/-{letter}", flag.name),
        None => format!("--{}", flag.name),
    }
}
