//! The one table: what each tool is called, which flags it has and what they mean.
//!
//! Parser, `--help`, completions, man pages, the links of `install-tools` and `docs/reference/tools.md` are all made from
//! the [`Tool`]s that [`crate::tools`] lists. Nothing else knows a flag by name but the tool that reads it.

pub mod check;
mod flags;
mod help;
mod matches;
mod page;
mod parse;

use std::future::Future;
use std::pin::Pin;

pub use flags::{
    BOOTSTRAP_CONTROLLER, BOOTSTRAP_SERVER, COMMAND_CONFIG, Flag, Hint, JSON, Kind, Need, OPTIONAL_BOOTSTRAP_SERVER,
    Value,
};
pub(crate) use help::{help, overview};
pub use matches::Matches;
pub use page::{all as page_of_all, markdown, page};
pub(crate) use parse::nearest;
pub use parse::{Asked, parse};

use crate::call::{Call, Outcome};
use crate::output::Failure;

/// One tool: a row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Tool {
    /// As in `klamm topics`.
    pub name: &'static str,
    /// As in `kafka-topics.sh`, without the ending. None when Kafka has no such tool.
    pub script: Option<&'static str>,
    /// Where it stands in `klamm --help`.
    pub group: Group,
    /// One sentence without a full stop.
    pub about: &'static str,
    /// What one has to know to use it, in paragraphs. May be empty.
    pub long: &'static str,
    /// How its command line is read.
    pub manners: Manners,
    /// The exit code of `--help`.
    pub help_exit: u8,
    /// The exit code of the help that comes when nothing at all was typed, if it does: on stderr, unless it is 0.
    pub bare_help: Option<u8>,
    /// What stands before the parser's complaints; with argparse's manners the name of the script unless it is given.
    pub mistake_prefix: &'static str,
    /// What stands behind them.
    pub mistake_suffix: &'static str,
    /// How it tells that a value is none of its kind or one too many, which joptsimple finds out when the tool asks for it;
    /// none if as all else.
    pub value_mistake: Option<fn(String) -> Failure>,
    /// Its own flags; `--help`, `--version` and `--json` come by themselves.
    pub flags: &'static [Flag],
    /// Flags of which only one may be given.
    pub exclusive: &'static [Exclusive],
    /// Sub-commands, if it has any; one has to be given then.
    pub commands: &'static [Command],
    /// What may stand beside the flags.
    pub operands: Option<Operands>,
    /// The flags and sub-commands by which it changes something.
    pub changes: &'static [&'static str],
    /// Whether it hears of signals itself; else one ends it at once.
    pub hears_signals: bool,
    /// At least two.
    pub examples: &'static [Example],
    /// What it does.
    pub run: Run,
}

/// A sub-command of a [`Tool`].
#[derive(Clone, Copy, Debug)]
pub struct Command {
    /// As in `klamm storage format`.
    pub name: &'static str,
    /// One sentence without a full stop.
    pub about: &'static str,
    /// Its own flags.
    pub flags: &'static [Flag],
    /// Flags of which only one may be given.
    pub exclusive: &'static [Exclusive],
}

/// Flags that exclude each other.
#[derive(Clone, Copy, Debug)]
pub struct Exclusive {
    /// Their names.
    pub flags: &'static [&'static str],
    /// Whether one of them has to be given.
    pub required: bool,
}

/// Arguments that are no flags.
#[derive(Clone, Copy, Debug)]
pub struct Operands {
    /// What stands for one in `--help`.
    pub name: &'static str,
    /// What they are.
    pub about: &'static str,
    /// Whether one has to be given.
    pub required: bool,
    /// Whether there may be more than one.
    pub many: bool,
    /// What completes one.
    pub hint: Hint,
}

/// A command that works, and what it does.
#[derive(Clone, Copy, Debug)]
pub struct Example {
    /// What it does, in a few words.
    pub does: &'static str,
    /// The command line after `klamm `.
    pub line: &'static str,
}

/// The headings of `klamm --help`, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// Nodes and their directories.
    Node,
    /// Topics, their settings and their records.
    Topics,
    /// Reading and writing records.
    Records,
    /// Consumer groups.
    Groups,
    /// The cluster itself.
    Cluster,
    /// Load and tests.
    Load,
    /// Klamm's own command line.
    Own,
}

impl Group {
    /// The heading.
    pub fn title(self) -> &'static str {
        match self {
            Group::Node => "Nodes",
            Group::Topics => "Topics and settings",
            Group::Records => "Records",
            Group::Groups => "Groups",
            Group::Cluster => "Cluster",
            Group::Load => "Load and tests",
            Group::Own => "This program",
        }
    }
}

/// How a command line is read, and how mistakes in it are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manners {
    /// As Kafka's tools that use joptsimple: long options anywhere, `--name value` or `--name=value`; what is no option is
    /// left to the tool. Mistakes end with 1.
    Joptsimple,
    /// As Kafka's tools that use argparse: short and long options, sub-commands with options of their own. Mistakes end
    /// with 1.
    Argparse,
    /// Klamm's own commands, read as `Argparse` but with reports in our form. Mistakes end with 2.
    Own,
}

/// What a tool does when its command line is in order.
#[derive(Clone, Copy, Debug)]
pub enum Run {
    /// On a runtime of one thread: `Run::Async(|call| Box::pin(run(call)))`.
    Async(for<'a> fn(&'a mut Call) -> Pin<Box<dyn Future<Output = Outcome> + 'a>>),
    /// Without a runtime.
    Blocking(fn(&mut Call) -> Outcome),
}

impl Tool {
    const EMPTY: Tool = Tool {
        name: "",
        script: None,
        group: Group::Own,
        about: "",
        long: "",
        manners: Manners::Own,
        help_exit: 0,
        bare_help: None,
        mistake_prefix: "",
        mistake_suffix: "",
        value_mistake: None,
        flags: &[],
        exclusive: &[],
        commands: &[],
        operands: None,
        changes: &[],
        hears_signals: false,
        examples: &[],
        run: Run::Blocking(|_| Ok(())),
    };

    /// What most of Kafka's tools have in common: `..Tool::joptsimple()`.
    pub const fn joptsimple() -> Tool {
        Tool {
            manners: Manners::Joptsimple,
            help_exit: 1,
            bare_help: Some(1),
            ..Tool::EMPTY
        }
    }

    /// What Kafka's tools with argparse have in common: `..Tool::argparse()`.
    pub const fn argparse() -> Tool {
        Tool {
            manners: Manners::Argparse,
            ..Tool::EMPTY
        }
    }

    /// What Klamm's own commands have in common: `..Tool::own()`.
    pub const fn own() -> Tool {
        Tool::EMPTY
    }

    /// Whether it or one of its sub-commands has the flag.
    pub fn has_flag(&self, name: &str) -> bool {
        let own = self.commands.iter().flat_map(|command| command.flags);
        self.flags.iter().chain(own).any(|flag| flag.name == name)
    }

    /// The sub-command of this name.
    pub fn command(&self, name: &str) -> Option<&'static Command> {
        self.commands.iter().find(|command| command.name == name)
    }
}
