//! The table holds what Kafka's tools have, and what `--help` promises.

use klamm_tools::spec::{Flag, Need, Tool, Value, page, page_of_all};
use klamm_tools::tools;

use crate::bed::run_words;

fn flags(tool: &Tool, command: Option<&str>) -> Vec<&'static str> {
    let own: &[Flag] = match command {
        Some(name) => {
            tool.command(name)
                .unwrap_or_else(|| panic!("{} {name}", tool.name))
                .flags
        }
        None => tool.flags,
    };
    own.iter()
        .map(|flag| flag.name)
        .chain(["help", "version", "json"])
        .collect()
}

#[test]
fn every_option_of_kafkas_tools_is_in_the_table() {
    let mut checked = 0;
    for line in include_str!("flags.txt").lines().filter(|line| !line.starts_with('#')) {
        let (name, options) = line.split_once(':').unwrap();
        let (name, command) = name
            .split_once(' ')
            .map_or((name, None), |(name, command)| (name, Some(command)));
        let Some(tool) = klamm_tools::tool(name) else { continue };
        assert_eq!(tool.script.unwrap(), format!("kafka-{name}"));
        let known = flags(tool, command);
        for option in options.split_whitespace() {
            assert!(
                known.contains(&option),
                "{name} {}: no --{option}",
                command.unwrap_or_default()
            );
        }
        checked += 1;
    }
    assert!(checked > 5);
}

#[test]
fn every_tool_teaches() {
    for tool in tools() {
        let name = tool.name;
        assert!(tool.examples.len() >= 2, "{name}: examples");
        assert!(
            !tool.about.ends_with('.') && !tool.about.is_empty(),
            "{name}: {}",
            tool.about
        );
        let commands = tool.commands.iter().flat_map(|command| command.flags);
        for flag in tool.flags.iter().chain(commands) {
            assert!(!flag.about.is_empty(), "{name} --{}", flag.name);
            let needs_a_default = flag.need != Need::Optional && flag.default.is_some();
            assert!(!needs_a_default, "{name} --{} is required and has a default", flag.name);
            assert!(
                flag.value != Value::No || flag.default.is_none(),
                "{name} --{}",
                flag.name
            );
        }
        let help = run_words(&[name, "--help"]);
        assert_eq!((help.code, &*help.err), (tool.help_exit, ""), "{name}");
        assert!(
            help.out.contains(tool.about) && help.out.contains("Examples:"),
            "{name}: {}",
            help.out
        );
        assert!(help.out.contains(&format!("klamm {name}")), "{name}: {}", help.out);
        for command in tool.commands {
            let help = run_words(&[name, command.name, "--help"]);
            assert!(help.out.contains(command.about), "{name} {}", command.name);
        }
    }
}

#[test]
fn clap_finds_nothing_wrong_with_the_table() {
    page_of_all().debug_assert();
    for tool in tools() {
        page(tool, tool.name).debug_assert();
    }
}

#[test]
fn names_are_unique() {
    let mut names: Vec<&str> = tools().iter().map(|tool| tool.name).collect();
    names.extend(tools().iter().filter_map(|tool| tool.script));
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all);
}

#[test]
fn the_reference_is_what_the_table_says() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/tools.md");
    let written = std::fs::read_to_string(path).unwrap();
    assert!(
        written == klamm_tools::spec::markdown(),
        "docs/reference/tools.md is stale: run `cargo xtask docs`"
    );
}
