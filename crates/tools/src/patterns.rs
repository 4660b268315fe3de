//! Which topics and partitions a pattern of Kafka's tools means.

use regex_lite::Regex;

/// Names of topics: a regular expression for the whole name, in which a comma is as good as `|`.
#[derive(Clone, Debug)]
pub(crate) struct TopicPattern(Regex);

/// The topics that brokers keep for themselves.
const INTERNAL: [&str; 3] = ["__consumer_offsets", "__transaction_state", "__share_group_state"];

/// Whether brokers keep this topic for themselves.
pub(crate) fn is_internal(topic: &str) -> bool {
    INTERNAL.contains(&topic)
}

impl TopicPattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// In the words of Kafka's tools, for what is no regular expression.
    pub(crate) fn parse(raw: &str) -> Result<TopicPattern, String> {
        let pattern = raw.trim().replace(',', "|").replace(' ', "");
        let pattern = pattern.trim_matches(['"', '\'']);
        // The first shows what is wrong with the pattern as it was typed; the group then keeps its alternatives together.
        Regex::new(pattern)
            .and_then(|_| Regex::new(&format!("^(?:{pattern})$")))
            .map(TopicPattern)
            .map_err(|_| format!("{pattern} is an invalid regex."))
    }

    /// Every topic.
    pub(crate) fn all() -> TopicPattern {
        TopicPattern(Regex::new("").expect("an empty pattern is valid"))
    }

    /// Whether the topic is meant.
    pub(crate) fn matches(&self, topic: &str) -> bool {
        self.0.is_match(topic)
    }
}

/// Partitions by their numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PartitionPattern {
    /// All of them.
    All,
    /// These.
    Among(Vec<i32>),
    /// From the first on, up to the second without it.
    Range(i32, i32),
}

impl PartitionPattern {
    /// Whether the partition is meant.
    pub(crate) fn matches(&self, partition: i32) -> bool {
        match self {
            PartitionPattern::All => true,
            PartitionPattern::Among(partitions) => partitions.contains(&partition),
            PartitionPattern::Range(from, to) => (*from..*to).contains(&partition),
        }
    }
}

/// Topics with their partitions, as in `orders:0-3,payments,:7`.
#[derive(Clone, Debug)]
pub(crate) struct TopicPartitionPatterns(Vec<(TopicPattern, PartitionPattern)>);

impl TopicPartitionPatterns {
    /// One pattern for topics and one for their partitions.
    pub(crate) fn one(topics: TopicPattern, partitions: PartitionPattern) -> TopicPartitionPatterns {
        TopicPartitionPatterns(vec![(topics, partitions)])
    }

    /// Reads a list of `TOPIC`, `TOPIC:N`, `TOPIC:N-`, `TOPIC:-N`, `TOPIC:N-M`, in which the topic may be left out.
    ///
    /// # Errors
    /// In the words of Kafka's tools.
    pub(crate) fn parse(list: &str) -> Result<TopicPartitionPatterns, String> {
        let rules = list.split(',').map(|rule| {
            let (topic, partitions) = rule
                .split_once(':')
                .map_or((rule, None), |(topic, rest)| (topic, Some(rest)));
            let invalid = || format!("Invalid rule specification: {rule}");
            let topics = match topic {
                "" => TopicPattern::all(),
                topic => TopicPattern::parse(topic)?,
            };
            let partitions = partitions.map_or(Some(PartitionPattern::All), partition_pattern);
            Ok((topics, partitions.ok_or_else(invalid)?))
        });
        rules.collect::<Result<_, String>>().map(TopicPartitionPatterns)
    }

    /// Whether some partitions of the topic may be meant.
    pub(crate) fn matches_topic(&self, topic: &str) -> bool {
        self.0.iter().any(|(topics, _)| topics.matches(topic))
    }

    /// Whether the partition is meant.
    pub(crate) fn matches(&self, topic: &str, partition: i32) -> bool {
        self.0
            .iter()
            .any(|(topics, partitions)| topics.matches(topic) && partitions.matches(partition))
    }
}

fn partition_pattern(text: &str) -> Option<PartitionPattern> {
    if text.is_empty() {
        return Some(PartitionPattern::All);
    }
    let number = |text: &str, empty: i32| match text.is_empty() {
        true => Some(empty),
        false if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().ok(),
        false => None,
    };
    match text.split_once('-') {
        Some((from, to)) => Some(PartitionPattern::Range(number(from, 0)?, number(to, i32::MAX)?)),
        None => Some(PartitionPattern::Among(vec![number(text, 0)?])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_pattern_is_for_the_whole_name() {
        let pattern = TopicPattern::parse("orders, pay.*").unwrap();
        assert!(pattern.matches("orders") && pattern.matches("payments"));
        assert!(!pattern.matches("orders2") && !pattern.matches("unpaid"));
        assert!(TopicPattern::parse("'quoted'").unwrap().matches("quoted"));
        assert_eq!(TopicPattern::parse("a(").unwrap_err(), "a( is an invalid regex.");
    }

    #[test]
    fn partitions_are_chosen_by_number_and_range() {
        let patterns = TopicPartitionPatterns::parse("a:1,b:2-4,c:3-,d:-2,e,:9").unwrap();
        for (topic, meant, not) in [("a", 1, 0), ("b", 3, 4), ("c", 70, 2), ("d", 1, 2), ("x", 9, 8)] {
            assert!(patterns.matches(topic, meant), "{topic}:{meant}");
            assert!(!patterns.matches(topic, not), "{topic}:{not}");
        }
        assert!(patterns.matches("e", 5));
        assert!(patterns.matches_topic("x"), "of any topic, partition 9");
        for wrong in ["a:x", "a:1:2", "a:1-2-3"] {
            let words = format!("Invalid rule specification: {wrong}");
            assert_eq!(TopicPartitionPatterns::parse(wrong).unwrap_err(), words);
        }
    }
}
