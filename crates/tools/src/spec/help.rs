//! `--help`.

use clap::builder::StyledStr;

use super::page::{examples, page};
use super::{Command, Group, Tool};

/// What `--help` of a tool prints, or `-h` when `short`. `called` is how it was called: `klamm topics` or `kafka-topics.sh`.
pub(crate) fn help(tool: &'static Tool, command: Option<&Command>, called: &str, short: bool, colour: bool) -> String {
    let mut page = page(tool, tool.name).bin_name(called);
    let mut page = match command.and_then(|command| page.find_subcommand_mut(command.name)) {
        Some(sub) => sub.clone().bin_name(format!("{called} {}", sub.get_name())),
        None => page.clone(),
    };
    page = page.after_long_help(examples(tool, called)).term_width(100);
    let text = if short {
        page.render_help()
    } else {
        page.render_long_help()
    };
    styled(&text, colour)
}

fn styled(text: &StyledStr, colour: bool) -> String {
    match colour {
        true => text.ansi().to_string(),
        false => text.to_string(),
    }
}

/// `klamm --help`: all commands by what they are for.
pub(crate) fn overview() -> String {
    let tools = crate::tools();
    let width = tools.iter().map(|tool| tool.name.len()).max().unwrap_or(0);
    let mut groups: Vec<Group> = tools.iter().map(|tool| tool.group).collect();
    groups.sort();
    groups.dedup();
    let mut text = "Apache Kafka's platform in one binary\n\nUsage: klamm COMMAND [OPTIONS]\n".to_owned();
    for group in groups {
        text.push_str(&format!("\n{}:\n", group.title()));
        for tool in tools.iter().filter(|tool| tool.group == group) {
            text.push_str(&format!("  {:width$}  {}\n", tool.name, tool.about));
        }
    }
    text.push_str(
        "\n`klamm COMMAND --help` teaches a command. Every command takes `--json`, `--help` and `--version`.\n\nExamples:\n  \
         klamm start\n  klamm topics --bootstrap-server localhost:9092 --create --topic orders --partitions 3\n  \
         klamm install-tools ~/bin\n",
    );
    text
}
