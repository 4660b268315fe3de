//! Creating, altering and deleting.

use klamm_client::{Admin, Error, ErrorCode, NewPartitions, NewTopic, TopicRef};
use serde_json::json;

use super::{chosen, exists, failed, note, told};
use crate::call::{Call, Outcome};
use crate::output::Failure;
use crate::spec::Matches;

pub(super) async fn create(call: &mut Call, admin: &Admin) -> Outcome {
    let args = &call.args;
    let name = args.get("topic").unwrap_or_default().to_owned();
    let mut topic = NewTopic::new(&*name);
    let placed = placement(args)?;
    let configs = configs(args)?;
    if name.contains(['.', '_']) {
        note(
            call,
            "WARNING: Due to limitations in metric names, topics with a period ('.') or underscore ('_') could collide. To avoid \
             issues it is best to use either, but not both.",
        )?;
    }
    let args = &call.args;
    if let Some(factor) = args.int("replication-factor") {
        let allowed = i16::try_from(factor).ok().filter(|factor| *factor >= 1);
        let factor = allowed.ok_or_else(|| told("The replication factor must be between 1 and 32767 inclusive"))?;
        topic = topic.replication_factor(factor);
    }
    if let Some(partitions) = args.int("partitions") {
        if partitions < 1 {
            return Err(told("The partitions must be greater than 0"));
        }
        topic = topic.partitions(partitions);
    }
    if !placed.is_empty() {
        topic = topic.replicas(placed);
    }
    topic.configs.extend(configs);
    if name.is_empty() {
        // Java's client asks no broker for it.
        return Err(told("The given topic name '' cannot be represented in a request."));
    }
    match created(admin, topic).await {
        Ok(()) if call.out.is_json() => call.out.json(&json!({"created": name})),
        Ok(()) => call.out.line(format_args!("Created topic {name}.")),
        Err(error) if error.code() == Some(ErrorCode::TOPIC_ALREADY_EXISTS) && args.has("if-not-exists") => Ok(()),
        Err(error) => Err(failed("createTopics")(error)),
    }
}

async fn created(admin: &Admin, topic: NewTopic) -> Result<(), Error> {
    for (_, outcome) in admin.create_topics(&[topic], false).await? {
        outcome?;
    }
    Ok(())
}

pub(super) async fn alter(call: &mut Call, admin: &Admin) -> Outcome {
    let args = &call.args;
    let placed = placement(args)?;
    let total = args.int("partitions").unwrap_or_default();
    let topics = chosen(args, admin).await?;
    exists(args, &topics)?;
    if topics.is_empty() {
        return Ok(());
    }
    let mut asked = Vec::new();
    for topic in &topics {
        let mut more = NewPartitions::increase_to(&**topic, total);
        if !placed.is_empty() {
            let (_, described) = super::describe::one(admin, topic)
                .await
                .map_err(failed("describeTopics"))?;
            let new = placed.iter().skip(described.partitions.len());
            more.replicas = Some(new.cloned().collect());
        }
        asked.push(more);
    }
    let answers = admin
        .create_partitions(&asked, false)
        .await
        .map_err(failed("createPartitions"))?;
    all_done(&topics, answers.into_iter().map(|(_, outcome)| outcome), "altered")
        .map_err(|(error, hint)| refused("createPartitions", error, hint))?;
    match call.out.is_json() {
        true => call.out.json(&json!({"altered": topics, "partitions": total})),
        false => Ok(()),
    }
}

pub(super) async fn delete(call: &mut Call, admin: &Admin) -> Outcome {
    let topics = chosen(&call.args, admin).await?;
    exists(&call.args, &topics)?;
    let asked: Vec<TopicRef> = topics.iter().map(|topic| TopicRef::from(&**topic)).collect();
    if asked.is_empty() {
        return Ok(());
    }
    let answers = admin.delete_topics(&asked).await.map_err(failed("deleteTopics"))?;
    all_done(&topics, answers.into_iter().map(|(_, outcome)| outcome), "deleted")
        .map_err(|(error, hint)| refused("deleteTopics", error, hint))?;
    match call.out.is_json() {
        true => call.out.json(&json!({"deleted": topics})),
        false => Ok(()),
    }
}

/// That none of several topics was refused; else the first error, and what was done nevertheless.
fn all_done(
    topics: &[String],
    answers: impl Iterator<Item = Result<(), Error>>,
    what: &str,
) -> Result<(), (Error, Option<String>)> {
    let mut done: Vec<&str> = Vec::new();
    let mut first = None;
    for (topic, answer) in topics.iter().zip(answers) {
        match answer {
            Ok(()) => done.push(topic),
            Err(error) => drop(first.get_or_insert(error)),
        }
    }
    let Some(error) = first else { return Ok(()) };
    let hint = (topics.len() > 1).then(|| {
        let names = if done.is_empty() {
            String::new()
        } else {
            format!(": {}", done.join(", "))
        };
        format!("{} of {} topics were {what}{names}", done.len(), topics.len())
    });
    Err((error, hint))
}

fn refused(call: &str, error: Error, hint: Option<String>) -> Failure {
    let failure = failed(call)(error);
    match hint {
        Some(hint) => failure.also_hint(&hint),
        None => failure,
    }
}

/// The settings of a new topic.
fn configs(args: &Matches) -> Result<Vec<(String, String)>, Failure> {
    let pairs = args.all("config").into_iter().map(|text| {
        let mut parts = text.split('=');
        match (parts.next(), parts.next().filter(|value| !value.is_empty()), parts.next()) {
            (Some(name), Some(value), None) => Ok((name.trim().to_owned(), value.trim().to_owned())),
            _ => {
                let words =
                    "requirement failed: Invalid topic config: all configs to be added must be in the format \"key=val\".";
                Err(told(words).hint(format!("`{text}` is not of that form")))
            }
        }
    });
    pairs.collect()
}

/// `--replica-assignment`: the brokers of each partition; nothing when it is not given.
fn placement(args: &Matches) -> Result<Vec<Vec<i32>>, Failure> {
    match args.get("replica-assignment") {
        Some(text) if !text.is_empty() => parse_placement(text).map_err(told),
        _ => Ok(Vec::new()),
    }
}

fn parse_placement(text: &str) -> Result<Vec<Vec<i32>>, String> {
    let mut partitions: Vec<Vec<i32>> = Vec::new();
    for (number, list) in text.split(',').enumerate() {
        let brokers = list
            .split(':')
            .map(str::trim)
            .map(|id| id.parse().map_err(|_| format!("For input string: \"{id}\"")));
        let brokers = brokers.collect::<Result<Vec<i32>, String>>()?;
        let mut twice: Vec<i32> = brokers
            .iter()
            .copied()
            .filter(|id| brokers.iter().filter(|other| *other == id).count() > 1)
            .collect();
        twice.sort_unstable();
        twice.dedup();
        if !twice.is_empty() {
            let twice: Vec<String> = twice.iter().map(i32::to_string).collect();
            let twice = twice.join(",");
            return Err(format!(
                "Partition replica lists may not contain duplicate entries: {twice}"
            ));
        }
        if partitions.first().is_some_and(|first| first.len() != brokers.len()) {
            return Err(format!(
                "Partition {number} has different replication factor: {brokers:?}"
            ));
        }
        partitions.push(brokers);
    }
    Ok(partitions)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_what_was_done() {
        let topics = ["a", "b", "c"].map(str::to_owned);
        let refusal = || Error::Broker {
            code: ErrorCode::TOPIC_AUTHORIZATION_FAILED,
            message: None,
        };
        assert!(all_done(&topics, [Ok(()), Ok(()), Ok(())].into_iter(), "deleted").is_ok());
        let (error, hint) = all_done(&topics, [Ok(()), Err(refusal()), Ok(())].into_iter(), "deleted").unwrap_err();
        assert_eq!(error.code(), Some(ErrorCode::TOPIC_AUTHORIZATION_FAILED));
        assert_eq!(hint.as_deref(), Some("2 of 3 topics were deleted: a, c"));
        let (_, hint) = all_done(&topics[..2], [Err(refusal()), Err(refusal())].into_iter(), "deleted").unwrap_err();
        assert_eq!(hint.as_deref(), Some("0 of 2 topics were deleted"));
        let (_, hint) = all_done(&topics[..1], [Err(refusal())].into_iter(), "deleted").unwrap_err();
        assert_eq!(hint, None, "one topic was named, and Kafka's words are about it");
    }

    #[test]
    fn placements_are_read_and_refused() {
        assert_eq!(parse_placement("1:2, 2:3").unwrap(), [vec![1, 2], vec![2, 3]]);
        for (text, words) in [
            ("1:x", "For input string: \"x\""),
            ("1:1", "Partition replica lists may not contain duplicate entries: 1"),
            ("1:2,3", "Partition 1 has different replication factor: [3]"),
        ] {
            assert_eq!(parse_placement(text).unwrap_err(), words);
        }
    }
}
