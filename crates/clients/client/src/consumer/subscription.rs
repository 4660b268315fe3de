//! What a consumer wants to read.

use std::collections::BTreeSet;
use std::sync::Arc;

use regex_lite::Regex;

use super::ConsumerError;
use crate::properties::invalid;
use crate::{ClusterMetadata, Error};

/// Longest name that a topic can have.
const MAX_TOPIC_BYTES: usize = 249;

/// What a consumer wants to read.
#[derive(Clone, Debug, Default)]
pub(super) enum Subscription {
    #[default]
    None,
    /// As a member of a group.
    Topics(BTreeSet<Arc<str>>),
    /// As a member of a group: all topics whose whole names match.
    Pattern(Arc<Regex>),
    /// These partitions and no group's.
    Partitions,
}

impl Subscription {
    pub(super) fn topics<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> Result<Self, Error> {
        let names: BTreeSet<Arc<str>> = names.into_iter().map(|name| Arc::from(name.as_ref())).collect();
        let wrong = names
            .iter()
            .find(|name| name.trim().is_empty() || name.len() > MAX_TOPIC_BYTES);
        match wrong {
            Some(name) => Err(invalid("subscription", name, "not a topic's name".to_owned())),
            None if names.is_empty() => Ok(Self::None),
            None => Ok(Self::Topics(names)),
        }
    }

    pub(super) fn pattern(pattern: &str) -> Result<Self, Error> {
        let whole = Regex::new(&format!("^(?:{pattern})$"));
        let whole = whole.map_err(|error| invalid("subscription", pattern, error.to_string()))?;
        Ok(Self::Pattern(Arc::new(whole)))
    }

    /// Whether it takes a group.
    pub(super) fn is_of_group(&self) -> bool {
        matches!(self, Self::Topics(_) | Self::Pattern(_))
    }

    /// Whether this may take the place of `other` without an `unsubscribe` in between.
    pub(super) fn may_replace(&self, other: &Self) -> bool {
        matches!((self, other), (Self::None, _) | (_, Self::None))
            || std::mem::discriminant(self) == std::mem::discriminant(other)
    }

    /// The topics by name.
    pub(super) fn resolve(&self, cluster: &ClusterMetadata, exclude_internal: bool) -> BTreeSet<Arc<str>> {
        match self {
            Self::Topics(topics) => topics.clone(),
            Self::Pattern(pattern) => cluster
                .topics()
                .filter(|topic| topic.error.is_none() && !(exclude_internal && topic.is_internal))
                .filter(|topic| pattern.is_match(&topic.name))
                .map(|topic| topic.name.clone())
                .collect(),
            Self::None | Self::Partitions => BTreeSet::new(),
        }
    }
}

/// That `next` may take the place of `now`.
pub(super) fn check_exclusive(now: &Subscription, next: &Subscription) -> Result<(), ConsumerError> {
    match next.may_replace(now) {
        true => Ok(()),
        false => Err(ConsumerError::Exclusive),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_exclude_each_other() {
        let topics = Subscription::topics(["a", "b", "a"]).unwrap();
        let pattern = Subscription::pattern("a.*").unwrap();
        assert!(check_exclusive(&topics, &pattern).is_err());
        assert!(check_exclusive(&topics, &Subscription::Partitions).is_err());
        assert!(check_exclusive(&topics, &topics).is_ok());
        assert!(check_exclusive(&pattern, &Subscription::None).is_ok());
        assert!(matches!(&topics, Subscription::Topics(names) if names.len() == 2));
    }

    #[test]
    fn names_and_patterns_are_checked() {
        assert!(Subscription::topics([" "]).is_err());
        assert!(Subscription::topics(["x".repeat(250)]).is_err());
        assert!(Subscription::pattern("(").is_err());
        assert!(matches!(Subscription::topics::<&str>([]), Ok(Subscription::None)));
    }
}
