//! Which values of its type a key takes.

use crate::listener::{Endpoint, QuorumVoter};
use crate::value::{InvalidValue, Value};

/// The rule of one key, as Kafka's `ConfigDef.Validator`s.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Validator {
    /// Every value of the type.
    Any,
    /// A number from here on.
    AtLeast(i64),
    /// A number in a range, both ends included.
    Between(f64, f64),
    /// A whole number in a range, or one more beside it.
    RangeOr {
        /// Least number of the range.
        min: i64,
        /// Greatest number of the range.
        max: i64,
        /// The one outside.
        or: i64,
    },
    /// One of these texts.
    OneOf(&'static [&'static str]),
    /// One of these texts, in upper or lower case.
    OneOfIgnoringCase(&'static [&'static str]),
    /// A list without empty elements; equal elements count once.
    List {
        /// What an element may be; empty allows every text.
        allowed: &'static [&'static str],
        /// Whether there may be no element.
        may_be_empty: bool,
    },
    /// Any text, but set.
    NonNull,
    /// Any text with at least one character.
    NonEmptyString,
    /// `partition:broker` pairs, or `*`.
    ThrottledReplicas,
    /// `id@host:port` each.
    QuorumVoters,
    /// `host:port` each.
    BootstrapServers,
    /// `latest`, `earliest` or `by_duration:` with an ISO 8601 duration.
    ShareOffsetReset,
}

impl Validator {
    /// Whether `value` is allowed for `key`.
    ///
    /// # Errors
    /// Says what is wrong, in Kafka's words.
    pub fn check(&self, key: &str, value: &Value) -> Result<(), InvalidValue> {
        let wrong = |reason: String| Err(InvalidValue::new(key, value.in_messages(), reason));
        match (*self, value) {
            (Validator::AtLeast(min), number) => match number.as_number() {
                Some(n) if n < min as f64 => wrong(format!("Value must be at least {min}")),
                _ => Ok(()),
            },
            (Validator::Between(min, max), number) => match number.as_number() {
                Some(n) if n < min => wrong(format!("Value must be at least {min}")),
                Some(n) if n > max => wrong(format!("Value must be no more than {max}")),
                _ => Ok(()),
            },
            (Validator::RangeOr { min, max, or }, number) => match number.as_integer() {
                Some(n) if n > max || (n < min && n != or) => {
                    wrong(format!("Value must be between {min} and {max} or equal to {or}"))
                }
                _ => Ok(()),
            },
            (Validator::OneOf(allowed), Value::String(text)) if !allowed.contains(&text.as_str()) => {
                wrong(format!("String must be one of: {}", allowed.join(", ")))
            }
            (Validator::OneOfIgnoringCase(allowed), Value::String(text))
                if !allowed.iter().any(|one| one.eq_ignore_ascii_case(text)) =>
            {
                wrong(format!(
                    "String must be one of (case insensitive): {}",
                    allowed.join(", ")
                ))
            }
            (Validator::List { allowed, may_be_empty }, Value::List(items)) => {
                check_list(key, items, allowed, may_be_empty)
            }
            (Validator::NonEmptyString, Value::String(text)) if text.is_empty() => {
                wrong("String must be non-empty".to_string())
            }
            (Validator::ThrottledReplicas, Value::List(items)) if !are_throttled_replicas(items) => wrong(format!(
                "{key} must be the literal '*' or a list of replicas in the following format: \
                 [partitionId]:[brokerId],[partitionId]:[brokerId],..."
            )),
            (Validator::QuorumVoters, Value::List(items)) => {
                for item in items {
                    item.parse::<QuorumVoter>()
                        .map_err(|error| InvalidValue::new(key, item, error.to_string()))?;
                }
                Ok(())
            }
            (Validator::BootstrapServers, Value::List(items)) => {
                for item in items {
                    item.parse::<Endpoint>()
                        .map_err(|error| InvalidValue::new(key, item, error.to_string()))?;
                }
                Ok(())
            }
            (Validator::ShareOffsetReset, Value::String(text)) if !is_share_offset_reset(text) => wrong(
                "The value must be either 'earliest', 'latest' or of the format 'by_duration:<PnDTnHnMn.nS.>'."
                    .to_string(),
            ),
            _ => Ok(()),
        }
    }

    /// The allowed values in words; `None` where the type says it all.
    pub(crate) fn in_words(&self) -> Option<String> {
        Some(match *self {
            Validator::Any | Validator::NonNull => return None,
            Validator::AtLeast(min) => format!("a number of at least {min}"),
            Validator::Between(min, max) => format!("a number from {min} to {max}"),
            Validator::RangeOr { min, max, or } => format!("a number from {min} to {max}, or {or}"),
            Validator::OneOf(allowed) => one_of(allowed),
            Validator::OneOfIgnoringCase(allowed) => format!("{}, in upper or lower case", one_of(allowed)),
            Validator::List {
                allowed: [],
                may_be_empty: true,
            } => "a list separated by commas".to_string(),
            Validator::List {
                allowed: [],
                may_be_empty: false,
            } => "a list separated by commas, with at least one element".to_string(),
            Validator::List {
                allowed,
                may_be_empty: true,
            } => format!("a list of {}; may be empty", one_of(allowed)),
            Validator::List {
                allowed,
                may_be_empty: false,
            } => format!("a list of {}", one_of(allowed)),
            Validator::NonEmptyString => "a text that is not empty".to_string(),
            Validator::ThrottledReplicas => "`*`, or a list of `partition:broker`".to_string(),
            Validator::QuorumVoters => "a list of `id@host:port`".to_string(),
            Validator::BootstrapServers => "a list of `host:port`".to_string(),
            Validator::ShareOffsetReset => "`latest`, `earliest` or `by_duration:PnDTnHnMn.nS`".to_string(),
        })
    }
}

fn one_of(allowed: &[&str]) -> String {
    let quoted: Vec<String> = allowed.iter().map(|one| format!("`{one}`")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        None => String::new(),
    }
}

fn check_list(key: &str, items: &[String], allowed: &[&str], may_be_empty: bool) -> Result<(), InvalidValue> {
    if items.is_empty() && !may_be_empty {
        let allowed = if allowed.is_empty() {
            "any non-empty value".to_string()
        } else {
            format!("[{}]", allowed.join(", "))
        };
        return Err(InvalidValue::EmptyList {
            key: key.to_string(),
            allowed,
        });
    }
    for item in items {
        if item.is_empty() {
            return Err(InvalidValue::EmptyElement { key: key.to_string() });
        }
        if !allowed.is_empty() && !allowed.contains(&item.as_str()) {
            return Err(InvalidValue::new(
                key,
                item,
                format!("String must be one of: {}", allowed.join(", ")),
            ));
        }
    }
    Ok(())
}

fn are_throttled_replicas(items: &[String]) -> bool {
    let number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let pair = |item: &String| {
        item.is_empty()
            || item
                .split_once(':')
                .is_some_and(|(partition, broker)| number(partition) && number(broker))
    };
    items.iter().all(pair) || items.concat() == "*"
}

fn is_share_offset_reset(text: &str) -> bool {
    match text {
        "latest" | "earliest" => true,
        _ => text
            .strip_prefix("by_duration:")
            .is_some_and(|length| is_iso_duration(&length.to_ascii_lowercase())),
    }
}

/// Whether `text` (in lower case) is an ISO 8601 duration that does not count backwards, as `p1dt2h3m4.5s`.
fn is_iso_duration(text: &str) -> bool {
    let Some(body) = text.strip_prefix('p') else {
        return false;
    };
    let (days, time) = match body.split_once('t') {
        Some((days, time)) if !time.is_empty() => (days, time),
        Some(_) => return false,
        None => (body, ""),
    };
    if days.is_empty() && time.is_empty() {
        return false;
    }
    take_units(days, "d") && take_units(time, "hms")
}

/// Whether `text` is numbers with units, each unit at most once and in the order of `units`; seconds may have a fraction.
fn take_units(mut text: &str, units: &str) -> bool {
    let mut units = units.chars();
    while !text.is_empty() {
        let Some(at) = text.find(|c: char| !c.is_ascii_digit() && c != '.' && c != '+') else {
            return false;
        };
        let unit = text[at..].chars().next();
        if !units.any(|next| Some(next) == unit) {
            return false;
        }
        let number = text[..at].strip_prefix('+').unwrap_or(&text[..at]);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        let fraction_allowed = unit == Some('s') || !number.contains('.');
        if whole.is_empty() || !digits(whole) || !digits(fraction) || fraction.len() > 9 || !fraction_allowed {
            return false;
        }
        text = &text[at + 1..];
    }
    true
}
