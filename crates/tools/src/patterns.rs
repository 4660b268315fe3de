//! Which topics and partitions a pattern of Kafka's tools means.

use regex_lite::Regex;

/// Whole names, by a regular expression of Java's of which each alternative may begin with `(?!X)`: not what begins with `X`.
#[derive(Clone, Debug)]
pub(crate) struct NamePattern(Vec<Alternative>);

#[derive(Clone, Debug)]
struct Alternative {
    not: Vec<Regex>,
    whole: Regex,
}

/// Why a text is no pattern.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoPattern {
    /// Java has it, we don't.
    #[error("look-around is not supported, except for (?!…) in front")]
    LookAround,
    /// Not in Java either.
    #[error("{0}")]
    Invalid(#[from] regex_lite::Error),
}

impl NamePattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// [`NoPattern`] for what is no regular expression, or has look-around elsewhere.
    pub(crate) fn parse(pattern: &str) -> Result<NamePattern, NoPattern> {
        if !["(?!", "(?=", "(?<!", "(?<="].iter().any(|mark| pattern.contains(mark)) {
            // The first shows what is wrong with the pattern as it was typed; the group then keeps its alternatives together.
            Regex::new(pattern)?;
            return Ok(NamePattern(vec![alternative(pattern)?]));
        }
        let alternatives = split(pattern, b'|').into_iter().map(alternative);
        let alternatives: Result<Vec<_>, regex_lite::Error> = alternatives.collect();
        alternatives.map(NamePattern).map_err(|_| NoPattern::LookAround)
    }

    /// Whether a name is meant.
    pub(crate) fn is_match(&self, name: &str) -> bool {
        let is_meant = |one: &Alternative| one.whole.is_match(name) && !one.not.iter().any(|not| not.is_match(name));
        self.0.iter().any(is_meant)
    }

    /// Whether there are names that it excludes by `(?!X)`.
    pub(crate) fn has_look_around(&self) -> bool {
        self.0.iter().any(|one| !one.not.is_empty())
    }
}

fn alternative(pattern: &str) -> Result<Alternative, regex_lite::Error> {
    let (mut not, mut rest) = (Vec::new(), pattern);
    while let Some(begun) = rest.strip_prefix("(?!") {
        // Without its end it is left for the regular expression to refuse.
        let [inside, _, ..] = split(begun, b')')[..] else { break };
        not.push(Regex::new(&format!("^(?:{inside})"))?);
        rest = &begun[inside.len() + 1..];
    }
    let whole = Regex::new(&format!("^(?:{rest})$"))?;
    Ok(Alternative { not, whole })
}

/// The parts between marks that stand in no group and no class and are not escaped.
fn split(pattern: &str, mark: u8) -> Vec<&str> {
    let (mut parts, mut begin) = (Vec::new(), 0);
    let (mut depth, mut in_class, mut is_escaped) = (0, false, false);
    for (at, byte) in pattern.bytes().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b']' => in_class = false,
            _ if in_class => {}
            b'[' => in_class = true,
            _ if byte == mark && depth == 0 => {
                parts.push(&pattern[begin..at]);
                begin = at + 1;
            }
            b'(' => depth += 1,
            b')' => depth -= 1,
            _ => {}
        }
    }
    parts.push(&pattern[begin..]);
    parts
}

/// Names of topics: a regular expression for the whole name, in which a comma is as good as `|`.
#[derive(Clone, Debug)]
pub(crate) struct TopicPattern(NamePattern);

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
    /// In the words of Kafka's tools, for what is no regular expression; in ours for look-around.
    pub(crate) fn parse(raw: &str) -> Result<TopicPattern, String> {
        let pattern = raw.trim().replace(',', "|").replace(' ', "");
        let pattern = pattern.trim_matches(['"', '\'']);
        NamePattern::parse(pattern)
            .map(TopicPattern)
            .map_err(|error| match error {
                NoPattern::LookAround => {
                    format!("{pattern}: {error}; --exclude-internal leaves internal topics out")
                }
                NoPattern::Invalid(_) => format!("{pattern} is an invalid regex."),
            })
    }

    /// Every topic.
    pub(crate) fn all() -> TopicPattern {
        TopicPattern(NamePattern::parse(".*").expect("it is valid"))
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
    fn a_pattern_may_begin_with_what_is_not_meant() {
        for (pattern, meant, not) in [
            ("(?!__).*", "orders", "__consumer_offsets"),
            ("(?!a|b).*", "c", "ab"),
            ("(?!x$)(?!y).*", "xy", "x"),
            ("(?!(a)[)]).*", "a", "a)"),
            (r"(?!a\)).*", "a", "a)"),
            ("__x|(?!__).*", "__x", "__y"),
        ] {
            let pattern = TopicPattern::parse(pattern).unwrap();
            assert!(pattern.matches(meant), "{pattern:?}: {meant}");
            assert!(!pattern.matches(not), "{pattern:?}: {not}");
        }
        for elsewhere in ["a(?!b).*", "(?=a).*", "(?<!a)b", "(?!a", "((?!a).*)"] {
            let words = TopicPattern::parse(elsewhere).unwrap_err();
            let expected = "look-around is not supported, except for (?!…) in front; --exclude-internal leaves internal topics out";
            assert_eq!(words, format!("{elsewhere}: {expected}"));
        }
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
