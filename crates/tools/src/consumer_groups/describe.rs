//! `--describe` in its views: offsets, members, state.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use klamm_client::{Admin, CommittedOffset, GroupDescription, GroupState, MemberDescription, TopicPartition};
use serde_json::{Value, json};

use super::table::{MISSING, Table};
use super::{failed, groups, partitions};
use crate::call::{Call, Outcome};
use crate::output::Failure;

pub(super) async fn run(call: &mut Call, admin: &Admin) -> Outcome {
    let mut groups = groups(call, admin).await?;
    groups.sort();
    let described = describe(admin, &groups).await?;
    let mut objects = Vec::new();
    for group in &described {
        if call.args.has("members") {
            members(call, group, &mut objects)?;
        } else if call.args.has("state") {
            state(call, admin, group, &mut objects).await?;
        } else {
            offsets(call, admin, group, &mut objects).await?;
        }
    }
    match call.out.is_json() {
        true => call.out.json_lines(objects),
        false => Ok(()),
    }
}

/// Descriptions of consumer groups; the first that has none ends the command.
pub(super) async fn describe(admin: &Admin, groups: &[String]) -> Result<Vec<GroupDescription>, Failure> {
    let wrong = |error: &klamm_client::Error| failed(error, "describeConsumerGroups(api=FIND_COORDINATOR)");
    let described = admin.describe_groups(groups).await.map_err(|error| wrong(&error))?;
    let mut found = Vec::new();
    for (_, description) in described {
        found.push(description.map_err(|error| wrong(&error))?);
    }
    Ok(found)
}

/// Says what is special about a group. Whether there is something to show.
fn is_shown(call: &mut Call, group: &GroupDescription, rows: usize) -> Result<bool, Failure> {
    let id = &group.group_id;
    match group.state {
        GroupState::Dead => {
            let words = format!("\nError: Consumer group '{id}' does not exist.");
            match call.out.is_json() {
                true => call.err.line(json!({"group": id, "error": words.trim_start()})),
                false => call.out.line(words)?,
            }
        }
        GroupState::Empty => say(call, &format!("\nConsumer group '{id}' has no active members."))?,
        GroupState::PreparingRebalance
        | GroupState::CompletingRebalance
        | GroupState::Assigning
        | GroupState::Reconciling => say(call, &format!("\nWarning: Consumer group '{id}' is rebalancing."))?,
        _ => {}
    }
    Ok(group.state != GroupState::Dead && rows > 0)
}

/// To stderr, after what was printed so far.
fn say(call: &mut Call, words: &str) -> Outcome {
    if !call.out.is_json() {
        call.out.flush()?;
        call.err.line(words);
    }
    Ok(())
}

/// A row of the view of offsets.
struct Row<'a> {
    partition: Option<TopicPartition>,
    committed: Option<&'a CommittedOffset>,
    log_end: Option<i64>,
    member: Option<&'a MemberDescription>,
}

impl Row<'_> {
    fn lag(&self) -> Option<i64> {
        let offset = self
            .committed
            .map(|committed| committed.offset)
            .filter(|offset| *offset != -1);
        offset.and_then(|offset| self.log_end.map(|end| end - offset))
    }
}

async fn offsets(call: &mut Call, admin: &Admin, group: &GroupDescription, objects: &mut Vec<Value>) -> Outcome {
    let committed = partitions::committed(admin, &group.group_id).await?;
    let assigned: BTreeSet<&TopicPartition> = group.members.iter().flat_map(|member| &member.assignment).collect();
    let unassigned = committed.keys().filter(|partition| !assigned.contains(partition));
    let all: Vec<TopicPartition> = assigned.iter().copied().chain(unassigned.clone()).cloned().collect();
    let ends = partitions::log_ends(admin, &all).await?;
    let rows = rows(group, &committed, &ends, unassigned);
    if !is_shown(call, group, rows.len())? {
        return Ok(());
    }
    if call.out.is_json() {
        objects.extend(rows.iter().map(|row| row_json(group, row)));
        return Ok(());
    }
    let verbose = call.args.has("verbose");
    let mut columns = vec![("GROUP", 15), ("TOPIC", 15), ("PARTITION", 10)];
    columns.extend(verbose.then_some(("LEADER-EPOCH", 15)));
    columns.extend([("CURRENT-OFFSET", 15), ("LOG-END-OFFSET", 15), ("LAG", 15)]);
    columns.extend([("CONSUMER-ID", 15), ("HOST", 15), ("CLIENT-ID", 0)]);
    let mut table = Table::new(&columns);
    for row in &rows {
        table.row(row_cells(group, row, verbose));
    }
    table.print(&mut call.out)
}

/// Members with most partitions first, then what nobody reads.
fn rows<'a>(
    group: &'a GroupDescription,
    committed: &'a BTreeMap<TopicPartition, CommittedOffset>,
    ends: &BTreeMap<TopicPartition, Option<i64>>,
    unassigned: impl Iterator<Item = &'a TopicPartition>,
) -> Vec<Row<'a>> {
    let row = |partition: &TopicPartition, member| Row {
        committed: committed.get(partition),
        log_end: ends.get(partition).copied().flatten(),
        partition: Some(partition.clone()),
        member,
    };
    let mut members: Vec<&MemberDescription> = group
        .members
        .iter()
        .filter(|member| !member.assignment.is_empty())
        .collect();
    members.sort_by_key(|member| Reverse(member.assignment.len()));
    let mut rows = Vec::new();
    for member in members {
        let mut assignment: Vec<&TopicPartition> = member.assignment.iter().collect();
        assignment.sort();
        rows.extend(assignment.into_iter().map(|partition| row(partition, Some(member))));
    }
    rows.extend(unassigned.map(|partition| row(partition, None)));
    rows
}

fn row_cells(group: &GroupDescription, row: &Row<'_>, verbose: bool) -> Vec<String> {
    let number = |number: Option<i64>| number.map_or(MISSING.to_owned(), |number| number.to_string());
    let text = |text: Option<&String>| text.cloned().unwrap_or(MISSING.to_owned());
    let (topic, partition) = match &row.partition {
        Some(partition) => (partition.topic.to_string(), Some(i64::from(partition.partition))),
        None => (MISSING.to_owned(), None),
    };
    let mut cells = vec![group.group_id.clone(), topic, number(partition)];
    if verbose {
        cells.push(number(
            row.committed
                .and_then(|committed| committed.leader_epoch)
                .map(i64::from),
        ));
    }
    cells.extend([
        number(row.committed.map(|committed| committed.offset)),
        number(row.log_end),
        number(row.lag()),
        text(row.member.map(|member| &member.member_id)),
        text(row.member.map(|member| &member.client_host)),
        text(row.member.map(|member| &member.client_id)),
    ]);
    cells
}

fn row_json(group: &GroupDescription, row: &Row<'_>) -> Value {
    json!({
        "group": group.group_id,
        "topic": row.partition.as_ref().map(|partition| &*partition.topic),
        "partition": row.partition.as_ref().map(|partition| partition.partition),
        "leaderEpoch": row.committed.and_then(|committed| committed.leader_epoch),
        "currentOffset": row.committed.map(|committed| committed.offset),
        "logEndOffset": row.log_end,
        "lag": row.lag(),
        "consumerId": row.member.map(|member| &member.member_id),
        "host": row.member.map(|member| &member.client_host),
        "clientId": row.member.map(|member| &member.client_id),
    })
}

fn members(call: &mut Call, group: &GroupDescription, objects: &mut Vec<Value>) -> Outcome {
    is_shown(call, group, group.members.len())?;
    if call.out.is_json() {
        objects.extend(group.members.iter().map(|member| member_json(group, member)));
        return Ok(());
    }
    let verbose = call.args.has("verbose");
    let with_instance = group.members.iter().any(|member| member.instance_id.is_some());
    let with_upgraded = verbose && group.members.iter().any(|member| member.is_upgraded == Some(false));
    let mut columns = vec![("GROUP", 15), ("CONSUMER-ID", 15)];
    columns.extend(with_instance.then_some(("GROUP-INSTANCE-ID", 17)));
    columns.extend([("HOST", 15), ("CLIENT-ID", 15)]);
    // Kafka's tool leaves room behind it for what `--verbose` adds.
    columns.push(("#PARTITIONS", if verbose { 15 } else { 16 }));
    if verbose {
        columns.extend([("CURRENT-EPOCH", 15), ("CURRENT-ASSIGNMENT", 20), ("TARGET-EPOCH", 15)]);
        columns.push(("TARGET-ASSIGNMENT", 20));
        columns.extend(with_upgraded.then_some(("UPGRADED", 0)));
    }
    let mut table = Table::new(&columns);
    for member in &group.members {
        let mut cells = vec![group.group_id.clone(), member.member_id.clone()];
        cells.extend(with_instance.then(|| member.instance_id.clone().unwrap_or_default()));
        cells.extend([member.client_host.clone(), member.client_id.clone()]);
        cells.push(member.assignment.len().to_string());
        if verbose {
            let epoch = |epoch: Option<i32>| epoch.map_or(MISSING.to_owned(), |epoch| epoch.to_string());
            let target = member.target_assignment.as_deref().unwrap_or_default();
            cells.extend([
                epoch(member.member_epoch),
                assignment(&member.assignment),
                epoch(group.epochs.map(|(_, assignment)| assignment)),
                assignment(target),
            ]);
            let upgraded = member.is_upgraded;
            let upgraded = upgraded.map_or(MISSING.to_owned(), |upgraded| upgraded.to_string());
            cells.extend(with_upgraded.then_some(upgraded));
        }
        table.row(cells);
    }
    table.print(&mut call.out)
}

/// As `orders:0,1;payments:3`.
fn assignment(partitions: &[TopicPartition]) -> String {
    let mut topics: BTreeMap<&str, BTreeSet<i32>> = BTreeMap::new();
    for TopicPartition { topic, partition } in partitions {
        topics.entry(topic).or_default().insert(*partition);
    }
    if topics.is_empty() {
        return MISSING.to_owned();
    }
    let topics = topics.into_iter().map(|(topic, partitions)| {
        let partitions: Vec<String> = partitions.iter().map(ToString::to_string).collect();
        format!("{topic}:{}", partitions.join(","))
    });
    topics.collect::<Vec<_>>().join(";")
}

fn member_json(group: &GroupDescription, member: &MemberDescription) -> Value {
    let partitions = |partitions: &[TopicPartition]| -> Vec<Value> {
        let partitions = partitions.iter();
        partitions
            .map(|partition| json!({"topic": &*partition.topic, "partition": partition.partition}))
            .collect()
    };
    json!({
        "group": group.group_id,
        "consumerId": member.member_id,
        "groupInstanceId": member.instance_id,
        "host": member.client_host,
        "clientId": member.client_id,
        "assignment": partitions(&member.assignment),
        "currentEpoch": member.member_epoch,
        "targetEpoch": group.epochs.map(|(_, assignment)| assignment),
        "targetAssignment": member.target_assignment.as_deref().map(partitions),
        "upgraded": member.is_upgraded,
    })
}

async fn state(call: &mut Call, admin: &Admin, group: &GroupDescription, objects: &mut Vec<Value>) -> Outcome {
    if !is_shown(call, group, 1)? {
        return Ok(());
    }
    let cluster = admin.describe_cluster(false).await;
    let cluster = cluster.map_err(|error| failed(&error, "describeCluster"))?;
    let node = cluster.nodes.get(&group.coordinator);
    let assignor = Some(&group.assignor).filter(|assignor| !assignor.is_empty());
    if call.out.is_json() {
        objects.push(json!({
            "group": group.group_id,
            "coordinator": {"id": group.coordinator, "host": node.map(|node| &node.host), "port": node.map(|node| node.port)},
            "assignmentStrategy": assignor,
            "state": group.state.word(),
            "groupEpoch": group.epochs.map(|(group, _)| group),
            "targetAssignmentEpoch": group.epochs.map(|(_, assignment)| assignment),
            "members": group.members.len(),
        }));
        return Ok(());
    }
    let address = node.map_or(":-1".to_owned(), |node| format!("{}:{}", node.host, node.port));
    let verbose = call.args.has("verbose");
    let mut columns = vec![
        ("GROUP", 15),
        ("COORDINATOR (ID)", 25),
        ("ASSIGNMENT-STRATEGY", 20),
        ("STATE", 20),
    ];
    if verbose {
        columns.extend([("GROUP-EPOCH", 15), ("TARGET-ASSIGNMENT-EPOCH", 25)]);
    }
    columns.push(("#MEMBERS", 0));
    let mut cells = vec![
        group.group_id.clone(),
        format!("{address}  ({})", group.coordinator),
        assignor.cloned().unwrap_or(MISSING.to_owned()),
        group.state.to_string(),
    ];
    if verbose {
        let epoch = |epoch: Option<i32>| epoch.map_or(MISSING.to_owned(), |epoch| epoch.to_string());
        cells.push(epoch(group.epochs.map(|(group, _)| group)));
        cells.push(epoch(group.epochs.map(|(_, assignment)| assignment)));
    }
    cells.push(group.members.len().to_string());
    let mut table = Table::new(&columns);
    table.row(cells);
    table.print(&mut call.out)
}
