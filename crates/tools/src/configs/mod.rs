//! `klamm configs`: shows and changes the settings of topics, brokers and everything else that has some.

mod alter;
mod describe;
mod entities;
mod quotas;
mod scram;

use klamm_client::{Client, Error};

use crate::call::{Call, Outcome};
use crate::connect;
use crate::output::{Failure, masked};
use crate::spec::{
    BOOTSTRAP_CONTROLLER, COMMAND_CONFIG, Example, Flag, Group, Matches, OPTIONAL_BOOTSTRAP_SERVER, Run, Tool, check,
};
use entities::{Entities, Kind};

pub(crate) const TOOL: Tool = Tool {
    name: "configs",
    script: Some("kafka-configs"),
    group: Group::Topics,
    about: "Show or change the settings of topics, brokers, clients, users, IPs, groups and client metrics",
    long: "Exactly one of `--describe` and `--alter` says what to do, and a flag such as `--topic NAME` or `--broker-defaults` \
           with whose settings; `--entity-type topics --entity-name NAME` is the long form, and without a name means all of that \
           type. Users and clients may be given together, for the clients of a user.",
    flags: &[
        OPTIONAL_BOOTSTRAP_SERVER,
        BOOTSTRAP_CONTROLLER,
        COMMAND_CONFIG,
        Flag::switch("alter", "Change settings"),
        Flag::switch("describe", "Print the settings that were changed while the cluster ran"),
        Flag::switch(
            "all",
            "With `--describe`: print all settings, defaults and those of files too",
        ),
        Flag::text(
            "entity-type",
            "TYPE",
            "topics, clients, users, brokers, broker-loggers, ips, client-metrics or groups",
        )
        .repeated(),
        Flag::text("entity-name", "NAME", "Which one, for the `--entity-type` before it").repeated(),
        Flag::switch(
            "entity-default",
            "What holds for those without settings of their own; for clients, users, brokers and ips",
        )
        .repeated(),
        Flag::text(
            "add-config",
            "NAME=VALUE,…",
            "Settings to make. A value with commas stands in brackets: `cleanup.policy=[compact,delete]`",
        ),
        Flag::file("add-config-file", "FILE", "Settings to make, one `name=value` a line"),
        Flag::text(
            "delete-config",
            "NAME,…",
            "Settings to take back, so that the default holds",
        )
        .split_at(','),
        Flag::text("topic", "NAME", "The settings of a topic"),
        Flag::text("client", "ID", "The quotas of a client"),
        Flag::switch("client-defaults", "The quotas of clients without their own"),
        Flag::text("user", "NAME", "The quotas of a user, and SCRAM credentials"),
        Flag::switch("user-defaults", "The quotas of users without their own"),
        Flag::text("broker", "ID", "The settings of a broker"),
        Flag::switch("broker-defaults", "The settings of all brokers"),
        Flag::text("broker-logger", "ID", "The log levels of a broker"),
        Flag::text("ip", "ADDRESS", "The quotas of an address"),
        Flag::switch("ip-defaults", "The quotas of addresses without their own"),
        Flag::text("group", "ID", "The settings of a group"),
        Flag::text("client-metrics", "NAME", "A subscription to the metrics of clients"),
    ],
    changes: &["alter"],
    examples: &[
        Example {
            does: "What was changed on a topic",
            line: "configs --bootstrap-server localhost:9092 --describe --topic orders",
        },
        Example {
            does: "Keep its records for a day, and no longer by size",
            line: "configs --bootstrap-server localhost:9092 --alter --topic orders --add-config retention.ms=86400000 --delete-config retention.bytes",
        },
        Example {
            does: "More threads on every broker",
            line: "configs --bootstrap-server localhost:9092 --alter --broker-defaults --add-config num.io.threads=16",
        },
    ],
    run: Run::Async(|call| Box::pin(run(call))),
    ..Tool::joptsimple()
};

async fn run(call: &mut Call) -> Outcome {
    let entities = check_flags(&call.args)?;
    let client = client(call)?;
    if call.args.has("alter") && entities.kinds.len() != entities.names.len() {
        return Err(wrong("An entity name must be specified for every entity type"));
    }
    match call.args.has("alter") {
        true => alter::run(call, &client, &entities).await,
        false => describe::run(call, &client, &entities).await,
    }
}

/// A refusal that Kafka's tool tells by its message alone.
fn wrong(message: impl Into<String>) -> Failure {
    Failure::kafka(message)
}

/// A failure that Kafka's tool tells by the command line and the exception.
fn failed<'a>(call: &'a Call, name: &'a str) -> impl Fn(Error) -> Failure + 'a {
    move |error| {
        let failure = broken(
            call,
            &format!(
                "java.util.concurrent.ExecutionException: {}",
                connect::exception_words(&error, name)
            ),
        );
        match connect::hint(&error) {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

fn broken(call: &Call, words: &str) -> Failure {
    let args: Vec<String> = call.words().iter().map(|word| shown(word)).collect();
    let args = args.join(" ");
    Failure::kafka(format!(
        "Error while executing config command with args '{args}'\n{words}"
    ))
}

/// A word of the command line without the secrets that Kafka's tool shows.
fn shown(word: &str) -> String {
    let lower = word.to_ascii_lowercase();
    let has_secret = ["scram-", "password", "sasl.", "keystore.key"]
        .iter()
        .any(|part| lower.contains(part));
    if has_secret { masked(word) } else { word.to_owned() }
}

fn client(call: &Call) -> Result<Client, Failure> {
    connect::client(&call.args).map_err(|failure| match failure.message() {
        "Failed to create new KafkaAdminClient" => failure.reworded(|words| {
            broken(call, &format!("org.apache.kafka.common.KafkaException: {words}"))
                .message()
                .to_owned()
        }),
        _ => failure,
    })
}

/// Which flags go together, in the order in which Kafka's tool finds out.
fn check_flags(args: &Matches) -> Result<Entities, Failure> {
    let actions = ["alter", "describe"].iter().filter(|action| args.has(action)).count();
    if actions != 1 {
        return Err(check::usage(
            args,
            "Command must include exactly one action: --describe, --alter",
        ));
    }
    check::invalid(args, "describe", &["alter", "add-config", "delete-config"])?;
    let entities = Entities::read(args)?;
    match (args.has("bootstrap-server"), args.has("bootstrap-controller")) {
        (false, false) => {
            return Err(wrong(
                "Either --bootstrap-server or --bootstrap-controller must be specified.",
            ));
        }
        (true, true) => {
            return Err(wrong(
                "Only one of --bootstrap-server or --bootstrap-controller can be specified",
            ));
        }
        _ => {}
    }
    entities.check_names()?;
    match args.has("describe") {
        true => check_describe(args, &entities)?,
        false => check_alter(args, &entities)?,
    }
    Ok(entities)
}

fn check_describe(args: &Matches, entities: &Entities) -> Outcome {
    let types = entities.types();
    let has_defaults = entities.kinds.iter().any(|kind| kind.has_defaults());
    if args.has("entity-default") && !has_defaults {
        return Err(wrong(format!(
            "--entity-default must not be specified with --describe of {types}"
        )));
    }
    if entities.kinds.contains(&Kind::BrokerLogger) && !entities.has_name() {
        return Err(wrong(format!(
            "An entity name must be specified with --describe of {types}"
        )));
    }
    Ok(())
}

fn check_alter(args: &Matches, entities: &Entities) -> Outcome {
    let has_defaults = entities.kinds.iter().any(|kind| kind.has_defaults());
    if has_defaults && entities.names.is_empty() {
        let words = "An entity-name or default entity must be specified with --alter of users, clients, brokers or ips";
        return Err(wrong(words));
    }
    if !has_defaults && !entities.has_name() {
        return Err(wrong(format!(
            "An entity name must be specified with --alter of {}",
            entities.types()
        )));
    }
    match (
        args.has("add-config"),
        args.has("add-config-file"),
        args.has("delete-config"),
    ) {
        (true, true, _) => Err(wrong("Only one of --add-config or --add-config-file must be specified")),
        (false, false, false) => {
            let words =
                "At least one of --add-config, --add-config-file, or --delete-config must be specified with --alter";
            Err(wrong(words).hint("for example `--add-config retention.ms=86400000`"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown() {
        for (word, expected) in [
            ("SCRAM-SHA-256=[password=hunter2]", "SCRAM-SHA-256=…"),
            ("--add-config=SCRAM-SHA-256=[password=hunter2]", "--add-config=…"),
            ("retention.ms=1,ssl.key.password=hunter2", "retention.ms=…"),
            (
                "listener.name.x.SASL.jaas.config=hunter2",
                "listener.name.x.SASL.jaas.config=…",
            ),
            ("SCRAM-SHA-256", "SCRAM-SHA-256"),
            ("retention.ms=1", "retention.ms=1"),
        ] {
            assert_eq!(shown(word), expected);
        }
    }
}
