//! From `--bootstrap-server`, `--bootstrap-controller` and `--command-config` to a [`Client`], and its errors in the words of
//! Kafka's tools.

use klamm_client::{Client, ClientBuilder, Error, Properties};

use crate::output::{Failure, constant, exception, sentence};
use crate::spec::{COMMAND_CONFIG, Matches};

/// The settings of `--command-config`, if given, with the addresses from the command line over them.
pub fn properties(args: &Matches) -> Result<Properties, Failure> {
    let mut properties = file(args, COMMAND_CONFIG.name)?;
    let declared = |name| args.tool().has_flag(name) && args.has(name);
    if declared("bootstrap-server") {
        properties.set("bootstrap.servers", args.get("bootstrap-server").unwrap_or_default());
        properties.remove("bootstrap.controllers");
    } else if declared("bootstrap-controller") {
        properties.set(
            "bootstrap.controllers",
            args.get("bootstrap-controller").unwrap_or_default(),
        );
        properties.remove("bootstrap.servers");
    }
    Ok(properties)
}

/// The settings in the file that a flag names; none if it was not given.
pub fn file(args: &Matches, flag: &str) -> Result<Properties, Failure> {
    if !args.tool().has_flag(flag) {
        return Ok(Properties::new());
    }
    match args.get(flag) {
        Some(path) => Properties::load(path)
            .map_err(|error| Failure::own(error.to_string()).origin(format!("`--{flag}` on the command line"))),
        None => Ok(Properties::new()),
    }
}

/// The client that the command line describes. Connects when it is first used.
pub fn client(args: &Matches) -> Result<Client, Failure> {
    client_of(properties(args)?)
}

/// A client with these settings.
pub fn client_of(properties: Properties) -> Result<Client, Failure> {
    ClientBuilder::from_properties(properties).build().map_err(|error| {
        // Kafka's tools hide the reason in a stack trace.
        Failure::kafka("Failed to create new KafkaAdminClient").hint(error.to_string())
    })
}

/// What a Java exception says of this error (`getMessage()`). `call` is the name of the call in Java: `listTopics`.
pub fn words(error: &Error, call: &str) -> String {
    match error {
        Error::TimedOut { .. } | Error::Unreachable { .. } => {
            format!("Timed out waiting for a node assignment. Call: {call}")
        }
        Error::Unsupported { api, .. } => format!("The node does not support {}", constant(api.name())),
        Error::Broker { code, message: None } => sentence(*code).to_owned(),
        other => other.to_string(),
    }
}

/// The same behind the class of the exception: `org.apache.kafka.common.errors.TimeoutException: …`.
pub fn exception_words(error: &Error, call: &str) -> String {
    match error {
        Error::Broker { code, message } => exception(*code, message.as_deref()),
        Error::TimedOut { .. } | Error::Unreachable { .. } => {
            format!(
                "org.apache.kafka.common.errors.TimeoutException: {}",
                words(error, call)
            )
        }
        Error::Unsupported { .. } => {
            format!(
                "org.apache.kafka.common.errors.UnsupportedVersionException: {}",
                words(error, call)
            )
        }
        other => format!("org.apache.kafka.common.KafkaException: {other}"),
    }
}

/// What to do about an error, where it is not plain from Kafka's words.
pub fn hint(error: &Error) -> Option<String> {
    match error {
        Error::TimedOut { last: Some(last), .. } => hint(last),
        Error::TimedOut { what, after, .. } => Some(format!("{what}: no answer within {} ms", after.as_millis())),
        Error::Unreachable { address, reason } => Some(format!(
            "no broker answers at `{address}` ({reason}): does one run there, and is it its client port?"
        )),
        Error::Unsupported { .. } | Error::Protocol { .. } => Some(error.to_string()),
        _ => None,
    }
}

/// A failure with Kafka's words, made by `sentence` from what the exception says.
pub fn failure(error: &Error, call: &str, sentence: impl FnOnce(&str) -> String) -> Failure {
    let failure = Failure::kafka(sentence(&words(error, call)));
    match hint(error) {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

/// A failure that is nothing but what the exception is called and says.
pub fn exception_failure(error: &Error, call: &str) -> Failure {
    let failure = Failure::kafka(exception_words(error, call));
    match hint(error) {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}
