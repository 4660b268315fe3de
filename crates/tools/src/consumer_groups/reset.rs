//! `--reset-offsets`.

use std::collections::{BTreeMap, BTreeSet};

use klamm_client::{Admin, CommittedOffset, ErrorCode, GroupState, OffsetSpec, TopicPartition};
use serde_json::json;

use super::csv::{self, Planned};
use super::partitions::{Scope, committed, of_topics, offsets, scopes};
use super::table::Table;
use super::{SCENARIOS, failed_inside, failed_words, groups, names};
use crate::call::{Call, Outcome};
use crate::connect;
use crate::output::Failure;
use crate::spec::check;
use crate::time::{self, now_ms};

/// New offsets by partition.
type Plan = BTreeMap<TopicPartition, i64>;

pub(super) async fn run(call: &mut Call, admin: &Admin) -> Outcome {
    let groups = groups(call, admin).await?;
    let file = from_file(call)?;
    let described = admin.describe_groups(&groups).await;
    let described = described.map_err(|error| failed_inside(&error, "describeConsumerGroups(api=FIND_COORDINATOR)"))?;
    let mut plans = Vec::new();
    for (group, description) in described {
        let state = match description {
            Ok(description) => description.state,
            // A group begins with its first offsets.
            Err(error) if error.code() == Some(ErrorCode::GROUP_ID_NOT_FOUND) => GroupState::Dead,
            Err(error) => return Err(failed_inside(&error, "describeConsumerGroups(api=FIND_COORDINATOR)")),
        };
        if !matches!(state, GroupState::Empty | GroupState::Dead) {
            let message = format!(
                "\nError: Assignments can only be reset if the group '{group}' is inactive, but the current state is {state}."
            );
            match call.out.is_json() {
                true => call.err.line(json!({"group": group, "error": message.trim_start()})),
                false => call.out.line(message)?,
            }
            plans.push((group, Plan::new()));
            continue;
        }
        let plan = plan(call, admin, &group, file.as_deref()).await?;
        plans.push((group, plan));
    }
    if call.args.has("execute") {
        execute_all(admin, &plans).await?;
    }
    report(call, &plans)
}

/// One group after the other; a failure says which were reset before.
async fn execute_all(admin: &Admin, plans: &[(String, Plan)]) -> Outcome {
    let mut done = Vec::new();
    for (group, plan) in plans.iter().filter(|(_, plan)| !plan.is_empty()) {
        execute(admin, group, plan).await.map_err(|failure| match &done[..] {
            [] => failure,
            done => failure.also_hint(&format!("already reset: {}", done.join(", "))),
        })?;
        done.push(group.as_str());
    }
    Ok(())
}

async fn execute(admin: &Admin, group: &str, plan: &Plan) -> Outcome {
    let wrong = |error: &klamm_client::Error| failed_inside(error, "alterConsumerGroupOffsets(api=FIND_COORDINATOR)");
    let offsets: Vec<(TopicPartition, CommittedOffset)> = plan
        .iter()
        .map(|(partition, offset)| (partition.clone(), CommittedOffset::new(*offset)))
        .collect();
    let answers = admin
        .alter_group_offsets(group, &offsets)
        .await
        .map_err(|error| wrong(&error))?;
    let refused: Vec<_> = answers
        .iter()
        .filter_map(|(partition, answer)| Some((partition, answer.as_ref().err()?)))
        .collect();
    match refused.first() {
        None => Ok(()),
        Some((_, error)) => {
            let partitions: Vec<String> = refused.iter().map(|(partition, _)| partition.to_string()).collect();
            Err(wrong(error).hint(format!(
                "{} of {} partitions of group `{group}` keep their offset: {}",
                refused.len(),
                answers.len(),
                partitions.join(", ")
            )))
        }
    }
}

fn report(call: &mut Call, plans: &[(String, Plan)]) -> Outcome {
    let lines = plans.iter().flat_map(|(group, plan)| {
        plan.iter().map(move |(partition, offset)| Planned {
            group: Some(group.clone()),
            topic: partition.topic.to_string(),
            partition: partition.partition,
            offset: *offset,
        })
    });
    if call.out.is_json() {
        let lines = lines.map(|line| {
            json!({"group": line.group, "topic": line.topic, "partition": line.partition, "newOffset": line.offset})
        });
        return call.out.json_lines(lines);
    }
    if call.args.has("export") {
        let is_single = call.args.all("group").len() == 1;
        for mut line in lines {
            line.group = line.group.filter(|_| !is_single);
            call.out.line(csv::write(&line))?;
        }
        return call.out.line("");
    }
    if plans.is_empty() {
        return call.out.line("");
    }
    let mut table = Table::new(&[("GROUP", 15), ("TOPIC", 15), ("PARTITION", 10), ("NEW-OFFSET", 0)]);
    for line in lines {
        table.row(vec![
            line.group.unwrap_or_default(),
            line.topic,
            line.partition.to_string(),
            line.offset.to_string(),
        ]);
    }
    table.print(&mut call.out)
}

async fn plan(call: &mut Call, admin: &Admin, group: &str, file: Option<&[Planned]>) -> Result<Plan, Failure> {
    let partitions = partitions(call, admin, group).await?;
    let args = &call.args;
    if let Some(offset) = args.long("to-offset") {
        let wanted = partitions.into_iter().map(|partition| (partition, offset)).collect();
        return within_logs(call, admin, wanted).await;
    }
    if args.has("to-earliest") {
        return known(offsets(admin, &partitions, OffsetSpec::Earliest).await?);
    }
    if args.has("to-latest") {
        return known(offsets(admin, &partitions, OffsetSpec::Latest).await?);
    }
    if let Some(shift) = args.long("shift-by") {
        let committed = committed(admin, group).await?;
        let wanted = partitions
            .into_iter()
            .map(|partition| match committed.get(&partition) {
                Some(current) => Ok((partition, current.offset.saturating_add(shift))),
                None => Err(check::usage(
                    args,
                    format!("Cannot shift offset for partition {partition} since there is no current committed offset"),
                )),
            })
            .collect::<Result<Plan, Failure>>()?;
        return within_logs(call, admin, wanted).await;
    }
    if let Some(text) = args.get("to-datetime") {
        let timestamp = time::datetime(text).map_err(|why| {
            failed_words(&format!("java.text.ParseException: {why}")).hint("such as 2026-11-21T14:30:00.000")
        })?;
        return at_time(call, admin, &partitions, timestamp).await;
    }
    if let Some(text) = args.get("by-duration") {
        let duration = time::duration(text).map_err(|why| failed_words(&why).hint("such as P7D or PT1H30M"))?;
        let timestamp = now_ms().saturating_sub(duration);
        return at_time(call, admin, &partitions, timestamp).await;
    }
    if let Some(file) = file {
        return by_file(call, admin, group, file).await;
    }
    if args.has("to-current") {
        return current(admin, group, partitions).await;
    }
    Err(check::usage(
        args,
        format!(
            "Option '[reset-offsets]' requires one of the following scenarios: [{}]",
            names(&SCENARIOS)
        ),
    ))
}

async fn partitions(call: &Call, admin: &Admin, group: &str) -> Result<Vec<TopicPartition>, Failure> {
    let args = &call.args;
    if args.has("all-topics") {
        return Ok(committed(admin, group).await?.into_keys().collect());
    }
    if !args.has("topic") {
        return match args.has("from-file") {
            true => Ok(Vec::new()),
            false => Err(check::usage(
                args,
                "One of the reset scopes should be defined: --all-topics, --topic.",
            )),
        };
    }
    let mut partitions = Vec::new();
    let mut topics = Vec::new();
    for scope in scopes(args)? {
        match scope {
            Scope::Topic(topic) => topics.push(topic),
            Scope::Partitions(known) => partitions.extend(known),
        }
    }
    check_partitions(admin, &partitions).await?;
    let described = of_topics(admin, &topics).await;
    for (_, found) in described.map_err(|error| failed_plainly(&error))? {
        partitions.extend(found.map_err(|error| failed_plainly(&error))?);
    }
    partitions.sort();
    partitions.dedup();
    Ok(partitions)
}

fn failed_plainly(error: &klamm_client::Error) -> Failure {
    failed_words(&connect::words(error, "describeTopics"))
}

/// Partitions that were named have to be there: a group must not get offsets of others.
async fn check_partitions(admin: &Admin, named: &[TopicPartition]) -> Outcome {
    let topics: BTreeSet<String> = named.iter().map(|partition| partition.topic.to_string()).collect();
    let topics: Vec<String> = topics.into_iter().collect();
    let described = of_topics(admin, &topics)
        .await
        .map_err(|error| failed_plainly(&error))?;
    let mut known = BTreeSet::new();
    for (_, found) in described {
        // An unknown topic is told by the call that follows, in its words.
        match found {
            Ok(partitions) => known.extend(partitions),
            Err(_) => return Ok(()),
        }
    }
    let missing: Vec<String> = named
        .iter()
        .filter(|partition| !known.contains(partition))
        .map(ToString::to_string)
        .collect();
    match missing.is_empty() {
        true => Ok(()),
        false => Err(failed_words(&format!(
            "The partitions \"{}\" do not exist",
            missing.join(", ")
        ))),
    }
}

fn known(offsets: BTreeMap<TopicPartition, Option<i64>>) -> Result<Plan, Failure> {
    let offsets = offsets.into_iter();
    Ok(offsets
        .map(|(partition, offset)| (partition, offset.unwrap_or(-1)))
        .collect())
}

/// Moves offsets that lie outside of the logs to their nearer end.
async fn within_logs(call: &mut Call, admin: &Admin, wanted: Plan) -> Result<Plan, Failure> {
    let partitions: Vec<TopicPartition> = wanted.keys().cloned().collect();
    let starts = offsets(admin, &partitions, OffsetSpec::Earliest).await?;
    let ends = offsets(admin, &partitions, OffsetSpec::Latest).await?;
    let mut plan = Plan::new();
    for (partition, offset) in wanted {
        let end = ends.get(&partition).copied().flatten().unwrap_or(offset);
        let start = starts.get(&partition).copied().flatten().unwrap_or(offset);
        let (kept, what) = match offset {
            _ if offset > end => (end, "higher than latest"),
            _ if offset < start => (start, "lower than earliest"),
            _ => (offset, ""),
        };
        if kept != offset {
            call.err.line(format_args!(
                "WARN New offset ({offset}) is {what} offset for topic partition {partition}. Value will be set to {kept}"
            ));
        }
        plan.insert(partition, kept);
    }
    Ok(plan)
}

async fn at_time(
    call: &mut Call,
    admin: &Admin,
    partitions: &[TopicPartition],
    timestamp: i64,
) -> Result<Plan, Failure> {
    let found = offsets(admin, partitions, OffsetSpec::Timestamp(timestamp)).await?;
    let mut plan = Plan::new();
    let mut missing = Vec::new();
    for (partition, offset) in found {
        match offset {
            Some(offset) => drop(plan.insert(partition, offset)),
            None => missing.push(partition),
        }
    }
    for TopicPartition { topic, partition } in &missing {
        let words =
            format!("\nWarn: Partition {partition} from topic {topic} is empty. Falling back to latest known offset.");
        match call.out.is_json() {
            true => call.err.line(words.trim_start()),
            false => call.out.line(words)?,
        }
    }
    if !missing.is_empty() {
        plan.extend(known(offsets(admin, &missing, OffsetSpec::Latest).await?)?);
    }
    Ok(plan)
}

async fn current(admin: &Admin, group: &str, partitions: Vec<TopicPartition>) -> Result<Plan, Failure> {
    let committed = committed(admin, group).await?;
    let mut plan = Plan::new();
    let mut missing = Vec::new();
    for partition in partitions {
        match committed.get(&partition) {
            Some(current) => drop(plan.insert(partition, current.offset)),
            None => missing.push(partition),
        }
    }
    if !missing.is_empty() {
        plan.extend(known(offsets(admin, &missing, OffsetSpec::Latest).await?)?);
    }
    Ok(plan)
}

/// The plan of `--from-file`, checked before anything is asked or done.
fn from_file(call: &Call) -> Result<Option<Vec<Planned>>, Failure> {
    let Some(path) = call.args.get("from-file") else {
        return Ok(None);
    };
    let origin = "`--from-file` on the command line";
    let text = std::fs::read_to_string(path).map_err(|error| {
        failed_words(&format!("java.io.IOException: Unable to read file {path}"))
            .origin(origin)
            .hint(error.to_string())
    })?;
    let lines = csv::read(&text).map_err(|(line, why)| {
        failed_words(&format!("line {line} of `{path}`: {why}"))
            .origin(origin)
            .hint("lines are `topic,partition,offset`, or `group,topic,partition,offset`; nothing was changed")
    })?;
    let is_single = call.args.all("group").len() == 1;
    if let Some(index) = lines.iter().position(|line| line.group.is_none())
        && !is_single
    {
        return Err(failed_words(&format!("line {} of `{path}` names no group", index + 1))
            .origin(origin)
            .hint("with several groups, lines are `group,topic,partition,offset`; nothing was changed"));
    }
    Ok(Some(lines))
}

async fn by_file(call: &mut Call, admin: &Admin, group: &str, file: &[Planned]) -> Result<Plan, Failure> {
    let own = file
        .iter()
        .filter(|line| line.group.as_deref().is_none_or(|name| name == group));
    let wanted: Plan = own
        .map(|line| (TopicPartition::new(line.topic.as_str(), line.partition), line.offset))
        .collect();
    if wanted.is_empty() {
        let words = format!("\nError: No reset plan for group {group} found");
        match call.out.is_json() {
            true => call.err.line(json!({"group": group, "error": words.trim_start()})),
            false => call.out.line(words)?,
        }
        return Ok(Plan::new());
    }
    within_logs(call, admin, wanted).await
}
