//! The loggers whose levels can be seen and changed by request while the node runs (KIP-412). Their names are those of our
//! crates, and `root` for all that has no level of its own. Nothing is kept: the next start begins with its own levels.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// The logger of all that has no level of its own.
pub(crate) const ROOT: &str = "root";

/// Our crates that log.
const NAMES: &[&str] = &["klamm", "klamm_broker", "klamm_log", "klamm_net"];

/// Kafka's levels with those of our logs. Of what is FATAL there is no level here: it is an error too.
const LEVELS: &[(&str, &str)] = &[
    ("FATAL", "error"),
    ("ERROR", "error"),
    ("WARN", "warn"),
    ("INFO", "info"),
    ("DEBUG", "debug"),
    ("TRACE", "trace"),
];

/// The levels that loggers can be set to.
pub(crate) fn levels() -> impl Iterator<Item = &'static str> {
    LEVELS.iter().map(|(name, _)| *name)
}

/// The levels in force, and the way to change them.
pub struct Loggers {
    set: Mutex<BTreeMap<&'static str, &'static str>>,
    apply: Box<dyn Fn(&str) + Send + Sync>,
}

impl std::fmt::Debug for Loggers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Loggers")
            .field("set", &self.set)
            .finish_non_exhaustive()
    }
}

impl Loggers {
    /// `directives` are the levels at the start, such as `info,klamm_net=debug`; `apply` gets such text at each change.
    pub fn new(directives: &str, apply: impl Fn(&str) + Send + Sync + 'static) -> Self {
        let mut set = BTreeMap::from([(ROOT, "ERROR")]);
        for directive in directives.split(',') {
            let (name, level) = directive.split_once('=').unwrap_or((ROOT, directive));
            let name = NAMES.iter().chain([&ROOT]).find(|known| **known == name.trim());
            let level = LEVELS
                .iter()
                .rev()
                .find(|(_, ours)| ours.eq_ignore_ascii_case(level.trim()));
            if let (Some(name), Some((level, _))) = (name, level) {
                set.insert(name, level);
            }
        }
        Loggers {
            set: Mutex::new(set),
            apply: Box::new(apply),
        }
    }

    /// All loggers with their levels.
    pub fn all(&self) -> Vec<(&'static str, &'static str)> {
        let set = self.set.lock().unwrap_or_else(PoisonError::into_inner);
        let level = |name| set.get(name).or_else(|| set.get(ROOT)).copied().unwrap_or("ERROR");
        NAMES.iter().chain([&ROOT]).map(|name| (*name, level(*name))).collect()
    }

    /// Whether there is a logger of that name.
    pub fn has(&self, name: &str) -> bool {
        name == ROOT || NAMES.contains(&name)
    }

    /// Sets levels, or takes a logger's own level away (`None`). Names and levels that are not there are left alone.
    pub fn change(&self, changes: impl IntoIterator<Item = (String, Option<String>)>) {
        let mut set = self.set.lock().unwrap_or_else(PoisonError::into_inner);
        for (name, level) in changes {
            let Some(name) = NAMES.iter().chain([&ROOT]).find(|known| **known == name) else {
                continue;
            };
            match level {
                None => drop(set.remove(name)),
                Some(level) => {
                    if let Some((level, _)) = LEVELS.iter().find(|(known, _)| *known == level) {
                        set.insert(name, level);
                    }
                }
            }
        }
        let ours = |level: &str| {
            LEVELS
                .iter()
                .find(|(name, _)| *name == level)
                .map_or("error", |(_, ours)| *ours)
        };
        let directive = |(name, level): (&&str, &&str)| match *name {
            ROOT => ours(level).to_owned(),
            name => format!("{name}={}", ours(level)),
        };
        (self.apply)(&set.iter().map(directive).collect::<Vec<_>>().join(","));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn loggers_have_their_own_level_or_the_roots() {
        let applied = Arc::new(Mutex::new(String::new()));
        let into = Arc::clone(&applied);
        let loggers = Loggers::new("warn,klamm_net=debug", move |text| {
            *into.lock().unwrap() = text.to_owned()
        });
        let level = |name| loggers.all().into_iter().find(|(known, _)| *known == name).unwrap().1;
        assert_eq!(
            [level("root"), level("klamm_net"), level("klamm_log")],
            ["WARN", "DEBUG", "WARN"]
        );
        let set = |level: &str| Some(level.to_owned());
        loggers.change([
            ("root".to_owned(), set("INFO")),
            ("klamm_net".to_owned(), None),
            ("nix".to_owned(), set("WARN")),
        ]);
        assert_eq!([level("root"), level("klamm_net")], ["INFO", "INFO"]);
        assert_eq!(*applied.lock().unwrap(), "info");
        loggers.change([("klamm_log".to_owned(), set("TRACE"))]);
        assert_eq!(*applied.lock().unwrap(), "klamm_log=trace,info");
    }
}
