//! `--list`.

use klamm_client::{Admin, Error, GroupState, GroupType, ListGroups};
use serde_json::json;

use super::{failed, failed_inside, is_unanswered, table::Table};
use crate::call::{Call, Outcome};
use crate::output::Failure;
use crate::spec::check;

/// Which groups `--list` is about: consumer groups, by their protocol's name, and groups that only have offsets.
fn is_consumer(protocol_type: &str) -> bool {
    protocol_type.is_empty() || protocol_type == "consumer"
}

fn filter() -> ListGroups {
    ListGroups::default().of_types([GroupType::Classic, GroupType::Consumer])
}

/// The ids of all consumer groups.
pub(super) async fn ids(admin: &Admin) -> Result<Vec<String>, Failure> {
    let listed = admin
        .list_groups(&filter())
        .await
        .map_err(|error| failed_listing(&error, failed_inside))?;
    if let Some((_, error)) = listed.errors.first() {
        return Err(failed_listing(error, failed_inside));
    }
    let groups = listed
        .groups
        .into_iter()
        .filter(|group| is_consumer(&group.protocol_type));
    Ok(groups.map(|group| group.group_id).collect())
}

/// Java's client says this call's timeout in words of its own.
fn failed_listing(error: &Error, failed: fn(&Error, &str) -> Failure) -> Failure {
    let failure = failed(error, "listGroups");
    match is_unanswered(error) {
        true => failure.reworded(|words| match words.find("org.apache.kafka") {
            Some(at) => {
                let before = &words[..at];
                format!("{before}org.apache.kafka.common.KafkaException: Failed to find brokers to send ListGroups")
            }
            None => words.to_owned(),
        }),
        false => failure,
    }
}

pub(super) async fn run(call: &mut Call, admin: &Admin) -> Outcome {
    let (with_state, with_type) = (call.args.has("state"), call.args.has("type"));
    if !with_state && !with_type && !call.out.is_json() {
        for id in ids(admin).await? {
            call.out.line(id)?;
        }
        return Ok(());
    }
    let types = types(call)?;
    let states = states(call)?;
    let mut wanted = match types.is_empty() {
        true => filter(),
        false => ListGroups::default().of_types(types),
    };
    if !states.is_empty() {
        wanted = wanted.in_states(states);
    }
    let listed = admin
        .list_groups(&wanted)
        .await
        .map_err(|error| failed_listing(&error, failed))?;
    if let Some((_, error)) = listed.errors.first() {
        return Err(failed_listing(error, failed));
    }
    let groups = listed
        .groups
        .into_iter()
        .filter(|group| is_consumer(&group.protocol_type));
    let groups: Vec<_> = groups
        .map(|group| {
            let kind = group.group_type.unwrap_or(GroupType::Unknown).to_string();
            let state = group.state.unwrap_or(GroupState::Unknown).to_string();
            (group.group_id, kind, state)
        })
        .collect();
    if call.out.is_json() {
        let groups = groups
            .iter()
            .map(|(id, kind, state)| json!({"group": id, "type": kind, "state": state}));
        return call.out.json_lines(groups);
    }
    let longest = groups.iter().map(|(id, ..)| id.chars().count()).max().unwrap_or(0);
    let mut columns = vec![("GROUP", longest.max(15) + 10)];
    columns.extend(with_type.then_some(("TYPE", 20)));
    columns.extend(with_state.then_some(("STATE", 20)));
    let mut table = Table::new(&columns);
    for (id, kind, state) in groups {
        let mut cells = vec![id];
        cells.extend(with_type.then_some(kind));
        cells.extend(with_state.then_some(state));
        table.row(cells);
    }
    table.print_tight(&mut call.out)
}

fn words(call: &Call, flag: &str) -> Vec<String> {
    let list = call.args.get(flag).unwrap_or_default();
    let words = list.split(',').map(|word| word.trim().to_owned());
    match list.is_empty() {
        true => Vec::new(),
        false => words.collect(),
    }
}

/// States that a consumer group can have, in the order in which Kafka's tool lists them.
const STATES: [GroupState; 7] = [
    GroupState::PreparingRebalance,
    GroupState::CompletingRebalance,
    GroupState::Stable,
    GroupState::Assigning,
    GroupState::Empty,
    GroupState::Dead,
    GroupState::Reconciling,
];

fn states(call: &Call) -> Result<Vec<GroupState>, Failure> {
    let words = words(call, "state");
    let states: Vec<GroupState> = words.iter().map(|word| GroupState::from(word.as_str())).collect();
    if states.iter().all(|state| STATES.contains(state)) {
        return Ok(states);
    }
    let valid: Vec<&str> = STATES.iter().map(|state| state.word()).collect();
    let given = call.args.get("state").unwrap_or_default();
    Err(check::usage(
        &call.args,
        format!("Invalid state list '{given}'. Valid states are: {}", valid.join(", ")),
    ))
}

fn types(call: &Call) -> Result<Vec<GroupType>, Failure> {
    let words = words(call, "type");
    let types: Vec<GroupType> = words.iter().map(|word| GroupType::from(word.as_str())).collect();
    let valid = [GroupType::Classic, GroupType::Consumer];
    if types.iter().all(|kind| valid.contains(kind)) {
        return Ok(types);
    }
    let given = call.args.get("type").unwrap_or_default().to_lowercase();
    let valid: Vec<&str> = valid.iter().map(|kind| kind.word()).collect();
    Err(check::usage(
        &call.args,
        format!("Invalid types list '{given}'. Valid types are: {}", valid.join(", ")),
    ))
}
