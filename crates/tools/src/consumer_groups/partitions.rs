//! Which partitions a command is about, what a group has committed of them, and where their logs begin and end.

use std::collections::BTreeMap;

use klamm_client::{Admin, CommittedOffset, Error, GroupOffsets, IsolationLevel, OffsetSpec, TopicPartition, TopicRef};

use super::failed_inside;
use crate::output::Failure;
use crate::spec::{Matches, check};

/// `orders:0,1` as partitions, `orders` as a topic.
pub(super) enum Scope {
    Topic(String),
    Partitions(Vec<TopicPartition>),
}

/// The values of `--topic`.
pub(super) fn scopes(args: &Matches) -> Result<Vec<Scope>, Failure> {
    args.all("topic").into_iter().map(|text| scope(args, text)).collect()
}

fn scope(args: &Matches, text: &str) -> Result<Scope, Failure> {
    if !text.contains(':') {
        return Ok(Scope::Topic(text.to_owned()));
    }
    let parts: Vec<&str> = text.split(':').collect();
    let [topic, partitions] = parts[..] else {
        let message = format!("Invalid topic arg '{text}', expected topic name and partitions");
        return Err(check::usage(args, message));
    };
    if partitions.is_empty() {
        let message = format!("Invalid topic arg '{text}', expected topic name and partitions");
        return Err(check::usage(args, message));
    }
    let partitions = partitions.split(',').map(|number| match number.parse() {
        Ok(partition) => Ok(TopicPartition::new(topic, partition)),
        Err(_) => Err(check::usage(
            args,
            format!("Invalid partition '{number}' specified in topic arg '{text}''"),
        )),
    });
    partitions.collect::<Result<_, _>>().map(Scope::Partitions)
}

/// All partitions of topics; per topic, as it may not exist.
pub(super) async fn of_topics(
    admin: &Admin,
    topics: &[String],
) -> Result<Vec<(String, Result<Vec<TopicPartition>, Error>)>, Error> {
    if topics.is_empty() {
        return Ok(Vec::new());
    }
    let asked: Vec<TopicRef> = topics.iter().map(|topic| TopicRef::from(topic.as_str())).collect();
    let described = admin.describe_topics(&asked).await?;
    let described = topics.iter().zip(described).map(|(topic, (_, description))| {
        let partitions = description.map(|description| {
            let partitions = description.partitions.iter();
            partitions
                .map(|partition| TopicPartition::new(topic.as_str(), partition.index))
                .collect()
        });
        (topic.clone(), partitions)
    });
    Ok(described.collect())
}

/// What a group has committed.
pub(super) async fn committed(
    admin: &Admin,
    group: &str,
) -> Result<BTreeMap<TopicPartition, CommittedOffset>, Failure> {
    let wrong = |error: &Error| failed_inside(error, "listConsumerGroupOffsets(api=FIND_COORDINATOR)");
    let answers = admin
        .list_group_offsets(&[GroupOffsets::of(group)], false)
        .await
        .map_err(|error| wrong(&error))?;
    let mut committed = BTreeMap::new();
    for (_, answer) in answers {
        for (partition, offset) in answer.map_err(|error| wrong(&error))? {
            if let Some(offset) = offset.map_err(|error| wrong(&error))? {
                committed.insert(partition, offset);
            }
        }
    }
    Ok(committed)
}

/// An offset of each partition; `None` when no record is like that.
pub(super) async fn offsets(
    admin: &Admin,
    partitions: &[TopicPartition],
    spec: OffsetSpec,
) -> Result<BTreeMap<TopicPartition, Option<i64>>, Failure> {
    let asked: Vec<(TopicPartition, OffsetSpec)> =
        partitions.iter().map(|partition| (partition.clone(), spec)).collect();
    let wrong = |error: &Error| failed_inside(error, "listOffsets");
    let answers = admin
        .list_offsets(&asked, IsolationLevel::ReadUncommitted)
        .await
        .map_err(|error| wrong(&error))?;
    let answers = answers.into_iter();
    answers
        .map(|(partition, answer)| match answer {
            Ok(listed) => Ok((partition, listed.offset)),
            Err(error) => Err(wrong(&error)),
        })
        .collect()
}

/// Where the logs of partitions end, for `--describe`: fails when one of them is gone.
pub(super) async fn log_ends(
    admin: &Admin,
    partitions: &[TopicPartition],
) -> Result<BTreeMap<TopicPartition, Option<i64>>, Failure> {
    match partitions.is_empty() {
        true => Ok(BTreeMap::new()),
        false => offsets(admin, partitions, OffsetSpec::Latest).await,
    }
}
