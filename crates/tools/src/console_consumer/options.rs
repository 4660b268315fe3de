//! What the command line of `klamm console-consumer` asks for.

use std::collections::BTreeSet;
use std::time::Duration;

use klamm_client::Properties;

use super::format::Formatter;
use super::source::{Begin, Wanted};
use crate::call::{Call, Outcome};
use crate::connect;
use crate::output::Failure;
use crate::spec::{Matches, check};

pub(super) struct Options {
    pub(super) properties: Properties,
    pub(super) wanted: Wanted,
    pub(super) formatter: Formatter,
    pub(super) max_messages: Option<u64>,
    pub(super) timeout: Option<Duration>,
    pub(super) skip_on_error: bool,
    pub(super) systest_events: bool,
}

impl Options {
    pub(super) fn read(call: &mut Call) -> Result<Self, Failure> {
        check_flags(&call.args)?;
        let renamed = [
            ("consumer-property", "command-property"),
            ("consumer.config", "command-config"),
        ];
        for (old, new) in renamed {
            not_both(&call.args, old, new)?;
        }
        for (old, new) in renamed {
            tell_renamed(call, old, new)?;
        }
        let args = &call.args;
        let file = properties_of_files(args)?;
        let given = pairs(args, &["consumer-property", "command-property"]);
        let group = group(args, &file, &given)?;
        let mut properties = file;
        properties.extend(&given);
        let begin = offset_reset(args, &mut properties)?;
        properties.set("bootstrap.servers", args.get("bootstrap-server").unwrap_or_default());
        properties.set_default("client.id", "console-consumer");
        if args.has("isolation-level") || properties.get("isolation.level").is_none() {
            properties.set("isolation.level", args.get("isolation-level").unwrap_or_default());
        }
        let wanted = Wanted {
            topic: args.get("topic").map(str::to_owned),
            pattern: args.get("include").map(str::to_owned),
            partition: args.int("partition"),
            begin,
            group,
        };
        let timeout = args.long("timeout-ms").and_then(|millis| u64::try_from(millis).ok());
        not_both(args, "property", "formatter-property")?;
        tell_renamed(call, "property", "formatter-property")?;
        let args = &call.args;
        Ok(Self {
            properties,
            wanted,
            formatter: formatter(args)?,
            max_messages: args.int("max-messages").and_then(|max| u64::try_from(max).ok()),
            timeout: timeout.map(Duration::from_millis),
            skip_on_error: args.has("skip-message-on-error"),
            systest_events: args.has("enable-systest-events"),
        })
    }
}

fn check_flags(args: &Matches) -> Result<(), Failure> {
    if args.has("topic") == args.has("include") {
        return Err(check::usage(
            args,
            "Exactly one of the following arguments is required: [topic], [include]",
        ));
    }
    if args.has("partition") {
        if !args.has("topic") {
            return Err(check::usage(args, "The topic is required when partition is specified."));
        }
        if args.has("from-beginning") && args.has("offset") {
            return Err(check::usage(
                args,
                "Options from-beginning and offset cannot be specified together.",
            ));
        }
    } else if args.has("offset") {
        return Err(check::usage(
            args,
            "The partition is required when offset is specified.",
        ));
    }
    check::required(args, &["bootstrap-server"])
}

fn not_both(args: &Matches, old: &str, new: &str) -> Outcome {
    if !args.has(old) || !args.has(new) {
        return Ok(());
    }
    let message = format!("Options --{old} and --{new} cannot be specified together.");
    Err(check::usage(args, message))
}

/// Kafka's tool warns of an option's old name on stdout, where JSON has no place for it.
fn tell_renamed(call: &mut Call, old: &str, new: &str) -> Outcome {
    if !call.args.has(old) {
        return Ok(());
    }
    let words = format!("Option --{old} is deprecated and will be removed in a future version. Use --{new} instead.");
    match call.out.is_json() {
        true => call.err.line(words),
        false => call.out.line(words)?,
    }
    Ok(())
}

fn properties_of_files(args: &Matches) -> Result<Properties, Failure> {
    let mut properties = connect::file(args, "consumer.config")?;
    properties.extend(&connect::file(args, "command-config")?);
    Ok(properties)
}

fn pairs(args: &Matches, flags: &[&str]) -> Properties {
    let given = flags.iter().flat_map(|flag| args.all(flag));
    given.map(|pair| pair.split_once('=').unwrap_or((pair, ""))).collect()
}

/// The group, which may be named in several places if they agree.
fn group(args: &Matches, file: &Properties, given: &Properties) -> Result<Option<String>, Failure> {
    let places = [args.get("group"), file.get("group.id"), given.get("group.id")];
    let groups: BTreeSet<&str> = places.into_iter().flatten().collect();
    if groups.len() > 1 {
        let groups: Vec<String> = groups.iter().map(|group| format!("'{group}'")).collect();
        let message = format!(
            "The group ids provided in different places (directly using '--group', via '--consumer-property', or via \
             '--consumer.config') do not match. Detected group ids: {}",
            groups.join(", ")
        );
        return Err(check::usage(args, message));
    }
    let group = groups.first().map(|group| (*group).to_owned());
    if group.is_some() && args.has("partition") {
        return Err(check::usage(
            args,
            "Options group and partition cannot be specified together.",
        ));
    }
    Ok(group)
}

fn offset_reset(args: &Matches, properties: &mut Properties) -> Result<Begin, Failure> {
    let from_beginning = args.has("from-beginning");
    match properties.get("auto.offset.reset") {
        Some(reset) if from_beginning && reset != "earliest" => {
            return Err(Failure::kafka(format!(
                "Can't simultaneously specify --from-beginning and 'auto.offset.reset={reset}', please remove one option"
            )));
        }
        Some(_) => {}
        None => properties.set("auto.offset.reset", if from_beginning { "earliest" } else { "latest" }),
    }
    if !args.has("offset") {
        return Ok(match (args.has("partition"), from_beginning) {
            (false, _) => Begin::ByPolicy,
            (true, true) => Begin::Earliest,
            (true, false) => Begin::Latest,
        });
    }
    let text = args.get("offset").unwrap_or_default();
    match text.to_lowercase().as_str() {
        "earliest" => Ok(Begin::Earliest),
        "latest" => Ok(Begin::Latest),
        number => match number.parse::<i64>() {
            Ok(offset) if offset >= 0 => Ok(Begin::At(offset)),
            _ => Err(check::usage(
                args,
                format!(
                    "The provided offset value '{text}' is incorrect. Valid values are 'earliest', 'latest', or a non-negative long."
                ),
            )),
        },
    }
}

fn formatter(args: &Matches) -> Result<Formatter, Failure> {
    let mut properties = connect::file(args, "formatter-config")?;
    for (flag, key) in [
        ("key-deserializer", "key.deserializer"),
        ("value-deserializer", "value.deserializer"),
    ] {
        if let Some(class) = args.get(flag).filter(|class| !class.is_empty()) {
            properties.set(key, class);
        }
    }
    properties.extend(&pairs(args, &["property", "formatter-property"]));
    let class = args.get("formatter").unwrap_or_default();
    let unknown = |class: &str| check::usage(args, class).hint(format!("`{class}` is no class that is known here"));
    let formatter = Formatter::of(class, &properties).map_err(|class| unknown(&class))?;
    formatter.ok_or_else(|| unknown(class))
}
