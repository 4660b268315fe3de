//! Checks of which flags go together, in the words of Kafka's tools. Each tool makes them in the order of Kafka's.

use super::Matches;
use crate::output::Failure;

/// All of these were given.
pub fn required(matches: &Matches, names: &[&str]) -> Result<(), Failure> {
    match names.iter().find(|name| !matches.has(name)) {
        Some(name) => Err(usage(
            matches,
            format!("Missing required argument \"{}\"", bracketed(name)),
        )),
        None => Ok(()),
    }
}

/// If `used` was given, none of `invalid` was.
pub fn invalid(matches: &Matches, used: &str, invalid: &[&str]) -> Result<(), Failure> {
    if !matches.has(used) {
        return Ok(());
    }
    match invalid.iter().find(|name| matches.has(name)) {
        Some(name) => Err(usage(
            matches,
            format!(
                "Option \"{}\" can't be used with option \"{}\"",
                bracketed(used),
                bracketed(name)
            ),
        )),
        None => Ok(()),
    }
}

/// If all of `used` were given, none of `invalid` was. `more` ends the sentence.
pub fn invalid_set(matches: &Matches, used: &[&str], invalid: &[&str], more: &str) -> Result<(), Failure> {
    if !used.iter().all(|name| matches.has(name)) {
        return Ok(());
    }
    match invalid.iter().find(|name| matches.has(name)) {
        Some(name) => {
            let used: Vec<String> = used.iter().map(|name| bracketed(name)).collect();
            Err(usage(
                matches,
                format!(
                    "Option combination \"[{}]\" can't be used with option \"{}\"{more}",
                    used.join(", "),
                    bracketed(name)
                ),
            ))
        }
        None => Ok(()),
    }
}

/// That `--bootstrap-server` lists `host:port`.
pub fn addresses(matches: &Matches) -> Result<(), Failure> {
    let list = matches.get("bootstrap-server").unwrap_or_default();
    let has_port = |address: &str| {
        address
            .rsplit_once(':')
            .is_some_and(|(_, port)| port.parse::<u16>().is_ok())
    };
    match list.split(',').all(has_port) {
        true => Ok(()),
        false => Err(usage(
            matches,
            "Please provide valid host:port like host1:9091,host2:9092",
        )),
    }
}

/// A mistake in the command line, in Kafka's words, with where to read on.
pub fn usage(matches: &Matches, message: impl Into<String>) -> Failure {
    Failure::kafka(message).hint(format!("`klamm {} --help` shows the options", matches.tool().name))
}

/// As Java's library writes an option.
pub fn bracketed(name: &str) -> String {
    format!("[{name}]")
}
