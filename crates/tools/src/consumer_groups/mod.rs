//! `klamm consumer-groups`: lists, describes, resets and deletes consumer groups and their offsets, as Kafka's
//! `kafka-consumer-groups`.
//!
//! What Kafka's tool tells on stdout with exit code 0, errors of the cluster among them, is told so here too: scripts read it.
//! Rows are sorted by topic and partition, where Kafka's come in the order of a hash table.

mod csv;
mod delete;
mod describe;
mod list;
mod partitions;
mod reset;
mod table;

use std::time::Duration;

use klamm_client::{Admin, Error};

use crate::call::{Call, Outcome};
use crate::connect::{self, exception_words};
use crate::output::Failure;
use crate::spec::{COMMAND_CONFIG, Example, Flag, Group, Matches, OPTIONAL_BOOTSTRAP_SERVER, Run, Tool, check};

const FLAGS: &[Flag] = &[
    OPTIONAL_BOOTSTRAP_SERVER.required_by_tool(),
    Flag::switch("list", "List the consumer groups"),
    Flag::switch("describe", "Show the offsets, the members or the state of groups"),
    Flag::switch("delete", "Delete groups that have no members, with their offsets"),
    Flag::switch(
        "reset-offsets",
        "Set the offsets of groups that have no members; only shows what it would do without `--execute`",
    ),
    Flag::switch("delete-offsets", "Delete a group's offsets of some topics"),
    Flag::text(
        "validate-regex",
        "PATTERN",
        "Look whether a pattern can be subscribed to, without asking a broker",
    ),
    Flag::text("group", "GROUP", "A group; may be given more than once").repeated(),
    Flag::switch("all-groups", "All consumer groups"),
    Flag::text(
        "topic",
        "TOPIC",
        "A topic, or some of its partitions as `orders:0,1,2`; may be given more than once",
    )
    .repeated(),
    Flag::switch("all-topics", "All topics that the group has offsets of"),
    Flag::switch(
        "offsets",
        "Describe how far each partition has been read; this is the default",
    ),
    Flag::switch("members", "Describe the members"),
    Flag::text(
        "state",
        "STATE,…",
        "Describe the state; with `--list`, show states, and only groups in these if given",
    )
    .value_optional(),
    Flag::text(
        "type",
        "TYPE,…",
        "With `--list`, show types, and only groups of these if given: classic, consumer",
    )
    .value_optional(),
    Flag::switch("verbose", "Describe more of it"),
    Flag::switch("to-earliest", "Reset to the first record that is there"),
    Flag::switch("to-latest", "Reset to the end"),
    Flag::switch("to-current", "Reset to the offsets that are committed already"),
    Flag::long("to-offset", "OFFSET", "Reset to this offset"),
    Flag::text(
        "to-datetime",
        "TIME",
        "Reset to the first record at or after a time, as `2026-11-21T14:30:00.000`; UTC, or with an offset such as `+02:00`",
    ),
    Flag::text(
        "by-duration",
        "DURATION",
        "Reset to the first record of this last time, as `P7D` or `PT1H30M`",
    ),
    Flag::long(
        "shift-by",
        "N",
        "Reset by this many records forward, or backward when negative",
    ),
    Flag::file(
        "from-file",
        "FILE",
        "Reset as the file says, in lines `topic,partition,offset`, or `group,topic,partition,offset` for several groups",
    ),
    Flag::switch("dry-run", "Only show what a reset would do"),
    Flag::switch("execute", "Do it"),
    Flag::switch("export", "Show a reset in the format of `--from-file`"),
    Flag::long("timeout", "MS", "How long to wait for an answer").default("30000"),
    COMMAND_CONFIG,
];

pub(crate) const TOOL: Tool = Tool {
    name: "consumer-groups",
    script: Some("kafka-consumer-groups"),
    group: Group::Groups,
    about: "List, describe, reset and delete consumer groups",
    long: "Exactly one of `--list`, `--describe`, `--delete`, `--reset-offsets`, `--delete-offsets` and `--validate-regex`. A reset \
           needs `--execute` to have an effect, a group without members, a scope (`--topic` or `--all-topics`) and one of \
           `--to-earliest`, `--to-latest`, `--to-current`, `--to-offset`, `--to-datetime`, `--by-duration`, `--shift-by` and \
           `--from-file`. Errors of the cluster are told on stdout, and the exit code is 0 then: that is how scripts know \
           Kafka's tool.",
    flags: FLAGS,
    changes: &["execute", "delete", "delete-offsets"],
    examples: &[
        Example {
            does: "How far a group is behind",
            line: "consumer-groups --bootstrap-server localhost:9092 --describe --group payments",
        },
        Example {
            does: "Read the last hour again, after a look at what that means",
            line: "consumer-groups --bootstrap-server localhost:9092 --reset-offsets --group payments --topic orders --by-duration PT1H \
                   --dry-run",
        },
        Example {
            does: "Keep a group's offsets in a file",
            line: "consumer-groups --bootstrap-server localhost:9092 --reset-offsets --group payments --all-topics --to-current \
                   --export --dry-run > offsets.csv",
        },
    ],
    run: Run::Async(|call| Box::pin(run(call))),
    ..Tool::joptsimple()
};

/// What the tool does, in the order in which Kafka's names them.
const ACTIONS: [&str; 6] = [
    "list",
    "describe",
    "delete",
    "reset-offsets",
    "delete-offsets",
    "validate-regex",
];

/// The ways to say where a reset goes, in the order in which Kafka's tool looks at them.
const SCENARIOS: [&str; 8] = [
    "to-offset",
    "to-datetime",
    "by-duration",
    "to-earliest",
    "to-latest",
    "to-current",
    "shift-by",
    "from-file",
];

async fn run(call: &mut Call) -> Outcome {
    check(call)?;
    let action = ACTIONS.into_iter().find(|action| call.args.has(action));
    if action == Some("validate-regex") {
        return validate_regex(call);
    }
    let timeout = u64::try_from(call.args.long("timeout").unwrap_or_default()).unwrap_or_default();
    let client = connect::client(&call.args).map_err(|failure| {
        let words = |words: &str| format!("{FAILED}{words}");
        failure.reworded(words).on_stdout().code(0)
    })?;
    let admin = client.admin().with_timeout(Duration::from_millis(timeout));
    match action {
        Some("list") => list::run(call, &admin).await,
        Some("describe") => describe::run(call, &admin).await,
        Some("delete") => delete::groups(call, &admin).await,
        Some("reset-offsets") => reset::run(call, &admin).await,
        _ => delete::offsets(call, &admin).await,
    }
}

fn names(flags: &[&str]) -> String {
    let names: Vec<String> = flags.iter().map(|flag| check::bracketed(flag)).collect();
    names.join(", ")
}

/// What can be seen without a cluster, in the order of Kafka's tool.
fn check(call: &mut Call) -> Outcome {
    let args = &call.args;
    available(args)?;
    check::required(args, &["bootstrap-server"])?;
    let usage = |message: String| Err(check::usage(args, message));
    let has_groups = args.has("group") || args.has("all-groups");
    let needs_groups = |action: &str| format!("Option [{action}] takes one of these options: [all-groups], [group]");
    if args.has("describe") {
        if !has_groups {
            return usage(needs_groups("describe"));
        }
        let views = ["members", "offsets", "state"];
        if views.iter().filter(|view| args.has(view)).count() > 1 {
            return usage(format!(
                "Option [describe] takes at most one of these options: {}",
                names(&views)
            ));
        }
        if args.get("state").is_some() {
            return usage("Option [describe] does not take a value for [state]".to_owned());
        }
    }
    if args.has("delete") && !has_groups {
        return usage(needs_groups("delete"));
    }
    if args.has("delete") && args.has("topic") {
        let message = "The consumer does not support topic-specific offset deletion from a consumer group.";
        return usage(message.to_owned());
    }
    if args.has("delete-offsets") && !(args.has("group") && args.has("topic")) {
        return usage("Option [delete-offsets] takes the following options: [topic], [group]".to_owned());
    }
    if args.has("reset-offsets") {
        check_reset(call, has_groups)?;
    }
    let args = &call.args;
    check::invalid(args, "group", &["all-groups"])?;
    check::invalid(args, "group", &["list"])?;
    check::invalid(args, "topic", &["list", "describe"])?;
    if ACTIONS.iter().filter(|action| args.has(action)).count() != 1 {
        let actions: Vec<String> = ACTIONS.iter().map(|action| format!("--{action}")).collect();
        let message = format!("Command must include exactly one action: {}", actions.join(", "));
        return Err(check::usage(args, message));
    }
    Ok(())
}

/// Flags that mean something only with others.
fn available(args: &Matches) -> Outcome {
    let useless = |flag: &str| match flag {
        "members" | "verbose" | "offsets" => !args.has("describe"),
        "state" => !args.has("describe") && !args.has("list"),
        _ => !args.has("list"),
    };
    let flags = ["members", "verbose", "offsets", "state", "type"];
    let given: Vec<&str> = flags
        .into_iter()
        .filter(|flag| args.has(flag) && useless(flag))
        .collect();
    match given.is_empty() {
        true => Ok(()),
        false => Err(check::usage(
            args,
            format!(
                "Option(s) [{}] are unavailable given other options on the command line",
                given.join(", ")
            ),
        )),
    }
}

fn check_reset(call: &mut Call, has_groups: bool) -> Outcome {
    let args = &call.args;
    let both = args.has("dry-run") && args.has("execute");
    if both {
        let message = "Option [reset-offsets] only accepts one of [execute] and [dry-run]";
        return Err(check::usage(args, message));
    }
    if !args.has("dry-run") && !args.has("execute") {
        call.err.line(
            "WARN: No action will be performed as the --execute option is missing. In version 5.0, this command will require \
             either --dry-run or --execute to be specified. You should add the --dry-run option explicitly if you are scripting \
             this command and want to keep the current default behavior without prompting.",
        );
    }
    let args = &call.args;
    if !has_groups {
        let message = "Option [reset-offsets] takes one of these options: [all-groups], [group]";
        return Err(check::usage(args, message));
    }
    for scenario in SCENARIOS {
        let others: Vec<&str> = SCENARIOS.into_iter().filter(|other| *other != scenario).collect();
        check::invalid(args, scenario, &others)?;
    }
    Ok(())
}

fn validate_regex(call: &mut Call) -> Outcome {
    let pattern = call.args.get("validate-regex").unwrap_or_default().to_owned();
    let verdict = regex_lite::Regex::new(&pattern).map_err(|error| error.to_string());
    if call.out.is_json() {
        let error = verdict.as_ref().err();
        return call
            .out
            .json(&serde_json::json!({"pattern": pattern, "valid": verdict.is_ok(), "error": error}));
    }
    match verdict {
        Ok(_) => call
            .out
            .line(format_args!("The regular expression `{pattern}` is valid.")),
        Err(error) => call
            .out
            .line(format_args!("The regular expression `{pattern}` is invalid: {error}.")),
    }
}

/// The groups that the command line means.
async fn groups(call: &Call, admin: &Admin) -> Result<Vec<String>, Failure> {
    if call.args.has("all-groups") {
        return list::ids(admin).await;
    }
    let mut groups = Vec::new();
    for group in call.args.all("group") {
        if !groups.iter().any(|known| known == group) {
            groups.push(group.to_owned());
        }
    }
    Ok(groups)
}

/// What stands before an error of the cluster.
const FAILED: &str = "\nError: Executing consumer group command failed due to ";

/// The command came to nothing: told on stdout, with success, as by Kafka's tool. `call` is the name of the call in Java.
fn failed(error: &Error, call: &str) -> Failure {
    let failure = failed_words(&exception_words(error, call));
    match connect::hint(error) {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

fn failed_words(words: &str) -> Failure {
    Failure::kafka(format!("{FAILED}{words}")).on_stdout().code(0)
}

/// As [`failed`], where Kafka's tool shows one exception inside another.
fn failed_inside(error: &Error, call: &str) -> Failure {
    failed(error, call).reworded(|words| {
        let words = words.strip_prefix(FAILED).unwrap_or(words);
        format!("{FAILED}java.util.concurrent.ExecutionException: {words}")
    })
}

/// Whether no broker answered.
fn is_unanswered(error: &Error) -> bool {
    matches!(error, Error::TimedOut { .. } | Error::Unreachable { .. })
}
