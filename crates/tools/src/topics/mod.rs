//! `klamm topics`: creates, lists, describes, alters and deletes topics.

mod change;
mod describe;

use klamm_client::{Admin, Error};

use crate::call::{Call, Outcome};
use crate::connect;
use crate::output::Failure;
use crate::patterns::{TopicPattern, is_internal};
use crate::spec::{COMMAND_CONFIG, Example, Flag, Group, Matches, OPTIONAL_BOOTSTRAP_SERVER, Run, Tool, check};

const ACTIONS: [&str; 5] = ["alter", "create", "describe", "list", "delete"];
const REPORTS: [&str; 4] = [
    "under-replicated-partitions",
    "under-min-isr-partitions",
    "at-min-isr-partitions",
    "unavailable-partitions",
];
const CONFIGS_HINT: &str = " (To alter topic configurations, the kafka-configs tool can be used.)";

pub(crate) const TOOL: Tool = Tool {
    name: "topics",
    script: Some("kafka-topics"),
    group: Group::Topics,
    about: "Create, list, describe, alter or delete topics",
    long: "Exactly one of `--create`, `--list`, `--describe`, `--alter` and `--delete` says what to do. Settings of a topic that \
           exists are changed with `klamm configs`. Except for `--create`, `--topic` is a regular expression for the whole name, \
           in which a comma is as good as `|`: `--delete --topic 'test-.*'` deletes them all.",
    value_mistake: Some(told),
    flags: &[
        OPTIONAL_BOOTSTRAP_SERVER.required_by_tool(),
        COMMAND_CONFIG,
        Flag::switch("list", "Print the names of the topics"),
        Flag::switch("create", "Create a topic"),
        Flag::switch("delete", "Delete topics"),
        Flag::switch(
            "alter",
            "Give topics more partitions. Records with a key may go to other partitions from then on",
        ),
        Flag::switch(
            "describe",
            "Print the partitions of topics: leaders, replicas, those in sync",
        ),
        Flag::text(
            "topic",
            "TOPIC",
            "The topic; a regular expression, except with `--create`",
        ),
        Flag::text("topic-id", "ID", "The topic to describe, by its id"),
        Flag::text(
            "config",
            "NAME=VALUE",
            "A setting of the new topic, such as `retention.ms=86400000`",
        )
        .repeated(),
        Flag::text("delete-config", "NAME", "Has no effect")
            .repeated()
            .deprecated("use `klamm configs --alter --delete-config`"),
        Flag::int(
            "partitions",
            "COUNT",
            "How many partitions a new topic gets (`num.partitions` of the cluster if left out), or an altered one has then",
        ),
        Flag::int(
            "replication-factor",
            "COUNT",
            "How many brokers hold each partition (`default.replication.factor` if left out)",
        ),
        Flag::text(
            "replica-assignment",
            "BROKERS",
            "Which brokers hold the partitions: `1:2,2:3` places partition 0 on brokers 1 and 2, and partition 1 on 2 and 3",
        ),
        Flag::switch(
            "under-replicated-partitions",
            "Describe only partitions with replicas out of sync",
        ),
        Flag::switch(
            "unavailable-partitions",
            "Describe only partitions without a leader that lives",
        ),
        Flag::switch(
            "under-min-isr-partitions",
            "Describe only partitions with fewer replicas in sync than `min.insync.replicas`",
        ),
        Flag::switch(
            "at-min-isr-partitions",
            "Describe only partitions with just as many replicas in sync as `min.insync.replicas`",
        ),
        Flag::switch(
            "topics-with-overrides",
            "Describe only topics with settings of their own, without their partitions",
        ),
        Flag::switch(
            "if-exists",
            "Do nothing if there is no such topic, with `--alter`, `--delete` and `--describe`",
        ),
        Flag::switch("if-not-exists", "Do nothing if there is such a topic, with `--create`"),
        Flag::switch(
            "exclude-internal",
            "Leave out the topics that brokers keep for themselves, with `--list` and `--describe`",
        ),
        Flag::int(
            "partition-size-limit-per-response",
            "COUNT",
            "How many partitions to ask for at once when describing; the answer is the same",
        ),
    ],
    changes: &["create", "alter", "delete"],
    examples: &[
        Example {
            does: "A topic that keeps its records for a day",
            line: "topics --bootstrap-server localhost:9092 --create --topic orders --partitions 3 --config retention.ms=86400000",
        },
        Example {
            does: "What there is",
            line: "topics --bootstrap-server localhost:9092 --describe --topic 'orders|payments'",
        },
        Example {
            does: "More partitions",
            line: "topics --bootstrap-server localhost:9092 --alter --topic orders --partitions 6",
        },
    ],
    run: Run::Async(|call| Box::pin(run(call))),
    ..Tool::joptsimple()
};

async fn run(call: &mut Call) -> Outcome {
    check_flags(call)?;
    let client = connect::client(&call.args)?;
    let admin = client.admin();
    let args = &call.args;
    match () {
        () if args.has("create") => change::create(call, &admin).await,
        () if args.has("alter") => change::alter(call, &admin).await,
        () if args.has("list") => list(call, &admin).await,
        () if args.has("describe") => describe::run(call, &admin).await,
        () => change::delete(call, &admin).await,
    }
}

/// Which flags go together, in the order in which Kafka's tool finds out.
fn check_flags(call: &mut Call) -> Outcome {
    let args = &call.args;
    if ACTIONS.iter().filter(|action| args.has(action)).count() != 1 {
        return Err(check::usage(
            args,
            "Command must include exactly one action: --list, --describe, --create, --alter or --delete",
        ));
    }
    if args.has("delete-config") {
        call.err.line(
            "delete-config option is no longer supported and deprecated since version 4.0. The config will be fully removed in \
             future releases.",
        );
    }
    if !args.has("bootstrap-server") {
        return Err(check::usage(args, "--bootstrap-server must be specified"));
    }
    if args.has("describe") && args.has("if-exists") {
        if !args.has("topic") && !args.has("topic-id") {
            return Err(check::usage(
                args,
                "--topic or --topic-id is required to describe a topic",
            ));
        }
        if args.has("topic") && args.has("topic-id") {
            note(
                call,
                "Only topic id will be used when both --topic and --topic-id are specified and topicId is not Uuid.ZERO_UUID",
            )?;
        }
    }
    let args = &call.args;
    if !args.has("list") && !args.has("describe") {
        check::required(args, &["topic"])?;
    }
    if args.has("alter") {
        check::invalid_set(args, &["bootstrap-server", "config"], &["alter"], CONFIGS_HINT)?;
        check::required(args, &["partitions"])?;
    }
    check_combinations(args)
}

fn check_combinations(args: &Matches) -> Outcome {
    let but = |allowed: &[&str]| {
        ACTIONS
            .into_iter()
            .filter(|action| !allowed.contains(action))
            .collect::<Vec<_>>()
    };
    check::invalid(args, "config", &but(&["alter", "create"]))?;
    check::invalid(args, "partitions", &but(&["alter", "create"]))?;
    check::invalid(args, "replication-factor", &but(&["create"]))?;
    check::invalid(args, "replica-assignment", &but(&["alter", "create"]))?;
    if args.has("create") {
        check::invalid(args, "replica-assignment", &["partitions", "replication-factor"])?;
    }
    let mut not_describe = but(&["describe"]);
    not_describe.push("topics-with-overrides");
    for report in REPORTS {
        check::invalid(args, report, &not_describe)?;
    }
    let mut not_overrides = but(&["describe"]);
    not_overrides.extend(REPORTS);
    check::invalid(args, "topics-with-overrides", &not_overrides)?;
    check::invalid(args, "if-exists", &but(&["alter", "delete", "describe"]))?;
    check::invalid(args, "if-not-exists", &but(&["create"]))?;
    check::invalid(args, "exclude-internal", &but(&["list", "describe"]))
}

/// What Kafka's tool says among its data.
fn note(call: &mut Call, text: &str) -> Outcome {
    match call.out.is_json() {
        true => call.err.line(text),
        false => call.out.line(text)?,
    }
    Ok(())
}

/// A failure as Kafka's tool tells it.
fn told(message: impl std::fmt::Display) -> Failure {
    Failure::kafka(format!("Error while executing topic command : {message}")).on_stdout()
}

/// The failure of a call; `name` is the call's in Java.
fn failed<'a>(name: &'a str) -> impl Fn(Error) -> Failure + Copy + 'a {
    move |error| {
        let failure = connect::failure(&error, name, |words| {
            format!("Error while executing topic command : {words}")
        });
        failure.on_stdout()
    }
}

async fn list(call: &mut Call, admin: &Admin) -> Outcome {
    let names = chosen(&call.args, admin).await?;
    if call.out.is_json() {
        return names
            .iter()
            .try_for_each(|name| call.out.json(&serde_json::json!({"topic": name})));
    }
    call.out.line(names.join("\n"))
}

/// The topics that `--topic` and `--exclude-internal` leave, by rising name.
async fn chosen(args: &Matches, admin: &Admin) -> Result<Vec<String>, Failure> {
    let pattern = args.get("topic").map(TopicPattern::parse).transpose().map_err(told)?;
    let exclude_internal = args.has("exclude-internal");
    let names = listing(admin, !exclude_internal).await.map_err(failed("listTopics"))?;
    let is_chosen = |name: &String| pattern.as_ref().is_none_or(|pattern| pattern.matches(name));
    let is_shown = |name: &String| !(exclude_internal && is_internal(name));
    Ok(names
        .into_iter()
        .filter(|name| is_chosen(name) && is_shown(name))
        .collect())
}

/// That a topic that was named exists.
fn exists(args: &Matches, found: &[String]) -> Outcome {
    match args.get("topic") {
        Some(topic) if !topic.is_empty() && !args.has("if-exists") && found.is_empty() => {
            let failure = told(format_args!("Topic '{topic}' does not exist as expected"));
            Err(failure.hint("`klamm topics --list` shows the topics that there are"))
        }
        _ => Ok(()),
    }
}

/// The names of all topics, sorted.
pub(crate) async fn listing(admin: &Admin, with_internal: bool) -> Result<Vec<String>, Error> {
    let listings = admin.list_topics().await?;
    let shown = listings
        .into_iter()
        .filter(|listing| with_internal || !listing.is_internal);
    let mut names: Vec<String> = shown.map(|listing| listing.name).collect();
    names.sort();
    Ok(names)
}

/// That a topic may be called so, in Kafka's words.
pub(crate) fn valid_name(name: &str) -> Result<(), String> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    match name {
        "" => Err("Topic name is invalid: the empty string is not allowed".to_owned()),
        "." => Err("Topic name is invalid: '.' is not allowed".to_owned()),
        ".." => Err("Topic name is invalid: '..' is not allowed".to_owned()),
        name if name.len() > 249 => Err(format!(
            "Topic name is invalid: the length of '{name}' is longer than the max allowed length 249"
        )),
        name if !name.bytes().all(legal) => Err(format!(
            "Topic name is invalid: '{name}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'"
        )),
        _ => Ok(()),
    }
}
