//! The table as clap sees it, from which help, completions and man pages are drawn; and as a page of the reference.

use std::fmt::Write as _;

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, ValueHint};

use super::{Flag, Hint, JSON, Kind, Need, Tool, Value};

/// One tool, called by `name`: `klamm topics` or `kafka-topics.sh`.
pub fn page(tool: &'static Tool, name: &'static str) -> clap::Command {
    let mut page = clap::Command::new(name)
        .about(tool.about)
        .disable_help_flag(true)
        .disable_version_flag(true)
        .disable_help_subcommand(true)
        .arg_required_else_help(false)
        .args(tool.flags.iter().map(argument))
        .args(universal(tool));
    if !tool.long.is_empty() {
        page = page.long_about(format!("{}\n\n{}", tool.about, tool.long));
    }
    if let Some(operands) = tool.operands {
        let action = if operands.many {
            ArgAction::Append
        } else {
            ArgAction::Set
        };
        let argument = Arg::new(operands.name)
            .help(operands.about)
            .required(operands.required)
            .action(action)
            .value_hint(hint(operands.hint));
        page = page.arg(argument);
    }
    for command in tool.commands {
        let sub = clap::Command::new(command.name)
            .about(command.about)
            .disable_help_flag(true)
            .disable_version_flag(true)
            .args(command.flags.iter().map(argument))
            .args(universal(tool));
        page = page.subcommand(sub).subcommand_required(true);
    }
    page
}

/// The whole program: `klamm` and all its tools.
pub fn all() -> clap::Command {
    let page = clap::Command::new("klamm")
        .about("Apache Kafka's platform in one binary")
        .disable_help_subcommand(true)
        .subcommand_required(true);
    crate::tools().iter().fold(page, |page, tool| {
        let examples = examples(tool, &format!("klamm {}", tool.name));
        page.subcommand(self::page(tool, tool.name).after_long_help(examples))
    })
}

/// What `--help` ends with. `called` stands for `klamm topics`.
pub(super) fn examples(tool: &Tool, called: &str) -> String {
    let mut text = "Examples:".to_owned();
    for example in tool.examples {
        // Only the tool's own name goes by another; a line that begins otherwise is a pipe.
        let line = format!("klamm {}", example.line).replace(&format!("klamm {}", tool.name), called);
        let _infallible = write!(text, "\n  # {}\n  {line}", example.does);
    }
    text
}

fn universal(tool: &Tool) -> [Arg; 3] {
    let help = Arg::new("help")
        .long("help")
        .help("Print this")
        .action(ArgAction::SetTrue);
    let letter = tool.manners != super::Manners::Joptsimple;
    let help = if letter { help.short('h') } else { help };
    let version = Arg::new("version")
        .long("version")
        .help("Print the version")
        .action(ArgAction::SetTrue);
    [argument(&JSON), help, version]
}

fn argument(flag: &Flag) -> Arg {
    let mut argument = Arg::new(flag.name).long(flag.name).help(about(flag));
    if let Some(letter) = flag.short {
        argument = argument.short(letter);
    }
    let (kind, what) = match flag.value {
        Value::No => return argument.action(ArgAction::SetTrue),
        Value::One(kind, what) => (kind, what),
        Value::Maybe(kind, what) => {
            argument = argument.num_args(0..=1);
            (kind, what)
        }
        Value::Many(what) => {
            argument = argument.num_args(1..);
            (Kind::Text(Hint::Nothing), what)
        }
    };
    argument = argument.value_name(what).allow_hyphen_values(true);
    match kind {
        Kind::Choice(words) => argument = argument.value_parser(PossibleValuesParser::new(words)),
        Kind::Text(what) => argument = argument.value_hint(hint(what)),
        Kind::Int | Kind::Long | Kind::Double => {}
    }
    match flag.repeats {
        true => argument.action(ArgAction::Append),
        false => argument.action(ArgAction::Set),
    }
}

/// What it means, with what a reader has to know besides.
fn about(flag: &Flag) -> String {
    let mut text = match flag.deprecated {
        Some(instead) => format!("Deprecated: {instead}. {}", flag.about),
        None => flag.about.to_owned(),
    };
    if flag.repeats && flag.separator.is_none() {
        text.push_str(" (may be repeated)");
    }
    if flag.need != Need::Optional {
        text.push_str(" [required]");
    }
    if let Some(default) = flag.default {
        let _infallible = write!(text, " [default: {}]", default.escape_debug());
    }
    text
}

fn hint(hint: Hint) -> ValueHint {
    match hint {
        Hint::Nothing => ValueHint::Other,
        Hint::File => ValueHint::FilePath,
        Hint::Directory => ValueHint::DirPath,
        Hint::Host => ValueHint::Hostname,
    }
}

/// `docs/reference/tools.md`.
pub fn markdown() -> String {
    let mut page = "# The tools\n\n<!-- Written by `cargo xtask docs` from the table of the tools: don't edit. -->\n\n\
        Each tool is a command of `klamm`; `klamm install-tools DIR` links those that Kafka has too by Kafka's names. All take\n\
        `--help`, `--version` and `--json`.\n"
        .to_owned();
    let mut tools: Vec<&Tool> = crate::tools().iter().collect();
    tools.sort_by_key(|tool| tool.group);
    let mut group = None;
    for tool in tools {
        if group != Some(tool.group) {
            group = Some(tool.group);
            let _infallible = write!(page, "\n## {}\n", tool.group.title());
        }
        section(&mut page, tool);
    }
    page
}

fn section(page: &mut String, tool: &Tool) {
    let _infallible = write!(page, "\n### klamm {}\n\n", tool.name);
    if let Some(script) = tool.script {
        let _infallible = write!(page, "`{script}.sh`: ");
    }
    let _infallible = writeln!(page, "{}.", tool.about);
    if !tool.long.is_empty() {
        let _infallible = writeln!(page, "\n{}", tool.long);
    }
    table(page, tool.flags);
    if let Some(operands) = tool.operands {
        let _infallible = writeln!(page, "\n`{}`: {}.", operands.name, operands.about);
    }
    for command in tool.commands {
        let _infallible = writeln!(
            page,
            "\n#### klamm {} {}\n\n{}.",
            tool.name, command.name, command.about
        );
        table(page, command.flags);
    }
    let examples = examples(tool, &format!("klamm {}", tool.name));
    let lines = examples.lines().skip(1).map(str::trim_start);
    let _infallible = writeln!(page, "\n```sh\n{}\n```", lines.collect::<Vec<_>>().join("\n"));
}

fn table(page: &mut String, flags: &[Flag]) {
    if flags.is_empty() {
        return;
    }
    page.push_str("\n| option | value | meaning |\n|---|---|---|\n");
    for flag in flags {
        let letter = flag.short.map_or(String::new(), |letter| format!("`-{letter}`, "));
        let value = flag.placeholder().map_or(String::new(), |what| format!("`{what}`"));
        let cells = [format!("{letter}`--{}`", flag.name), value, about(flag)];
        let cells = cells.map(|cell| cell.replace('|', "\\|"));
        let _infallible = writeln!(page, "| {} |", cells.join(" | "));
    }
}
