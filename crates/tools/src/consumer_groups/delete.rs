//! `--delete` and `--delete-offsets`.

use std::collections::BTreeMap;

use klamm_client::{Admin, Error, ErrorCode, TopicPartition};
use serde_json::json;

use super::partitions::{Scope, of_topics, scopes};
use super::table::{MISSING, Table};
use super::{failed_words, groups as meant};
use crate::call::{Call, Outcome};
use crate::connect::{self, exception_words};
use crate::output::hash_map_order;

pub(super) async fn groups(call: &mut Call, admin: &Admin) -> Outcome {
    let groups = meant(call, admin).await?;
    let deleted = match admin.delete_groups(&groups).await {
        Ok(deleted) => deleted,
        // Nothing is known of any: each is told.
        Err(error) => groups.into_iter().map(|group| (group, Err(error.clone()))).collect(),
    };
    let failed: Vec<(&str, String)> = deleted
        .iter()
        .filter_map(|(group, outcome)| {
            let error = outcome.as_ref().err()?;
            Some((
                group.as_str(),
                exception_words(error, "deleteConsumerGroups(api=FIND_COORDINATOR)"),
            ))
        })
        .collect();
    let done: Vec<&str> = deleted
        .iter()
        .filter(|(_, outcome)| outcome.is_ok())
        .map(|(group, _)| group.as_str())
        .collect();
    if call.out.is_json() {
        let failed: BTreeMap<&str, &String> = failed.iter().map(|(group, error)| (*group, error)).collect();
        return call.out.json(&json!({"deleted": done, "failed": failed}));
    }
    let done = hash_map_order(done, |group| group);
    let quoted: Vec<String> = done.iter().map(|group| format!("'{group}'")).collect();
    let quoted = quoted.join(", ");
    if failed.is_empty() {
        return call.out.line(format_args!(
            "Deletion of requested consumer groups ({quoted}) was successful."
        ));
    }
    call.out.line("\nError: Deletion of some consumer groups failed:")?;
    for (group, error) in hash_map_order(failed, |(group, _)| group) {
        call.out
            .line(format_args!("* Group '{group}' could not be deleted due to: {error}"))?;
    }
    match done.is_empty() {
        true => Ok(()),
        false => call.out.line(format_args!(
            "\nThese consumer groups were deleted successfully: {quoted}"
        )),
    }
}

pub(super) async fn offsets(call: &mut Call, admin: &Admin) -> Outcome {
    let groups = call.args.all("group");
    let [group] = groups[..] else {
        return Err(failed_words(
            "Found multiple arguments for option group, but you asked for only one",
        ));
    };
    let group = group.to_owned();
    let mut results: BTreeMap<TopicPartition, Result<(), Error>> = BTreeMap::new();
    let mut partitions = Vec::new();
    let mut topics = Vec::new();
    for scope in scopes(&call.args)? {
        match scope {
            Scope::Topic(topic) => topics.push(topic),
            Scope::Partitions(known) => partitions.extend(known),
        }
    }
    let described = match of_topics(admin, &topics).await {
        Ok(described) => described,
        Err(error) => topics.into_iter().map(|topic| (topic, Err(error.clone()))).collect(),
    };
    for (topic, found) in described {
        match found {
            Ok(found) => partitions.extend(found),
            Err(error) => drop(results.insert(TopicPartition::new(topic, -1), Err(error))),
        }
    }
    partitions.sort();
    partitions.dedup();
    let deleted = admin.delete_group_offsets(&group, &partitions).await;
    let whole = match deleted {
        Ok(each) => {
            results.extend(each);
            let first = results.iter().filter(|(partition, _)| partition.partition >= 0);
            first.filter_map(|(_, outcome)| outcome.as_ref().err()).next().cloned()
        }
        Err(error) => {
            results.extend(
                partitions
                    .iter()
                    .map(|partition| (partition.clone(), Err(error.clone()))),
            );
            Some(error)
        }
    };
    report(call, &group, whole.as_ref(), &results)
}

fn report(
    call: &mut Call,
    group: &str,
    whole: Option<&Error>,
    results: &BTreeMap<TopicPartition, Result<(), Error>>,
) -> Outcome {
    let status = |outcome: &Result<(), Error>| match outcome {
        Ok(()) => "Successful".to_owned(),
        Err(error) => format!("Error: {}", exception_words(error, "deleteConsumerGroupOffsets")),
    };
    if call.out.is_json() {
        let rows = results.iter().map(|(partition, outcome)| {
            let error = outcome.as_ref().err();
            let error = error.map(|error| exception_words(error, "deleteConsumerGroupOffsets"));
            let number = Some(partition.partition).filter(|number| *number >= 0);
            json!({"group": group, "topic": &*partition.topic, "partition": number, "error": error})
        });
        return call.out.json_lines(rows);
    }
    match whole {
        None => call.out.line(format_args!(
            "Request succeeded for deleting offsets from group {group}."
        ))?,
        Some(error) => call.out.line(format_args!("\nError: {}", words(error)))?,
    }
    let mut table = Table::new(&[("TOPIC", 15), ("PARTITION", 10), ("STATUS", 15)]).with_last_fixed();
    for (partition, outcome) in results {
        let number = match partition.partition {
            -1 => MISSING.to_owned(),
            number => number.to_string(),
        };
        table.row(vec![partition.topic.to_string(), number, status(outcome)]);
    }
    table.print(&mut call.out)
}

fn words(error: &Error) -> String {
    match error {
        Error::TimedOut { .. } | Error::Unreachable { .. } => {
            "Encountered some unknown error: REQUEST_TIMED_OUT".to_owned()
        }
        _ => match error.code() {
            Some(
                ErrorCode::INVALID_GROUP_ID
                | ErrorCode::GROUP_ID_NOT_FOUND
                | ErrorCode::GROUP_AUTHORIZATION_FAILED
                | ErrorCode::NON_EMPTY_GROUP,
            ) => connect::words(error, "deleteConsumerGroupOffsets"),
            Some(
                ErrorCode::GROUP_SUBSCRIBED_TO_TOPIC
                | ErrorCode::TOPIC_AUTHORIZATION_FAILED
                | ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
            ) => "Encountered some partition-level error, see the follow-up details.".to_owned(),
            Some(code) => format!("Encountered some unknown error: {}", code.name()),
            None => format!("Encountered some unknown error: {error}"),
        },
    }
}
