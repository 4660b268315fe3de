//! Events as lines of JSON, which the verifiable producer and consumer print for the programs that run them.

use serde::Serialize;

use crate::call::{Call, Outcome};
use crate::time::now_ms;

/// An event: its time and name come first, then what belongs to it.
#[derive(Serialize)]
pub(crate) struct Event<T: Serialize> {
    timestamp: i64,
    name: &'static str,
    #[serde(flatten)]
    rest: T,
}

/// What belongs to an event that has only a name.
#[derive(Serialize)]
pub(crate) struct Nothing {}

/// An event that happens now.
pub(crate) fn event<T: Serialize>(name: &'static str, rest: T) -> Event<T> {
    Event {
        timestamp: now_ms(),
        name,
        rest,
    }
}

/// Prints an event that happens now.
pub(crate) fn tell<T: Serialize>(call: &mut Call, name: &'static str, rest: T) -> Outcome {
    call.out.json(&event(name, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_and_name_come_first() {
        #[derive(Serialize)]
        struct Rest {
            key: Option<&'static str>,
            a: u8,
        }
        let line = serde_json::to_string(&event("x", Rest { key: None, a: 1 })).unwrap();
        let (time, rest) = line.split_once(',').unwrap();
        assert!(time.starts_with("{\"timestamp\":1"), "{line}");
        assert_eq!(rest, "\"name\":\"x\",\"key\":null,\"a\":1}");
        let line = serde_json::to_string(&event("y", Nothing {})).unwrap();
        assert!(line.ends_with(",\"name\":\"y\"}"), "{line}");
    }
}
