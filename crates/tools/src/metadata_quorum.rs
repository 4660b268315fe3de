//! `klamm metadata-quorum`: the quorum of controllers, as Kafka's `kafka-metadata-quorum`.

use klamm_client::{Admin, QuorumInfo, ReplicaState, Uuid};
use serde_json::{Value, json};

use crate::call::{Call, Outcome};
use crate::connect::{self, exception_failure as failed};
use crate::output::Failure;
use crate::spec::{
    BOOTSTRAP_CONTROLLER, COMMAND_CONFIG, Command, Example, Exclusive, Flag, Group, OPTIONAL_BOOTSTRAP_SERVER, Run,
    Tool,
};
use crate::time::now_ms;

pub(crate) const TOOL: Tool = Tool {
    name: "metadata-quorum",
    script: Some("kafka-metadata-quorum"),
    group: Group::Cluster,
    about: "Show the quorum of controllers",
    long: "The controllers keep the cluster's metadata in a log of their own; one of them is its leader. Adding and removing \
           controllers comes with clusters of several nodes.",
    flags: &[OPTIONAL_BOOTSTRAP_SERVER, BOOTSTRAP_CONTROLLER, COMMAND_CONFIG],
    exclusive: &[Exclusive {
        flags: &["bootstrap-server", "bootstrap-controller"],
        required: true,
    }],
    commands: &[Command {
        name: "describe",
        about: "Show who leads, who votes, and how far each has come",
        flags: &[
            Flag::switch("status", "A summary"),
            Flag::switch("replication", "A row for each node"),
            Flag::switch(
                "human-readable",
                "With `--replication`: times as how long they are past",
            ),
        ],
        exclusive: &[],
    }],
    examples: &[
        Example {
            does: "Who leads",
            line: "metadata-quorum --bootstrap-server localhost:9092 describe --status",
        },
        Example {
            does: "Whether a node is behind",
            line: "metadata-quorum --bootstrap-server localhost:9092 describe --replication --human-readable",
        },
    ],
    run: Run::Async(|call| Box::pin(run(call))),
    ..Tool::argparse()
};

async fn run(call: &mut Call) -> Outcome {
    let args = &call.args;
    let (status, replication) = (args.has("status"), args.has("replication"));
    let mistake = match (status, replication) {
        (true, true) => Some("Only one of --status or --replication should be specified with describe sub-command"),
        (true, false) if args.has("human-readable") => {
            Some("The option --human-readable is only supported along with --replication")
        }
        (false, false) => Some("One of --status or --replication must be specified with describe sub-command"),
        _ => None,
    };
    if let Some(mistake) = mistake {
        return Err(Failure::kafka(mistake));
    }
    let client = connect::client(args)?;
    let admin = client.admin();
    match status {
        true => print_status(call, &admin).await,
        false => print_replication(call, &admin).await,
    }
}

async fn quorum(admin: &Admin) -> Result<(QuorumInfo, ReplicaState), Failure> {
    let quorum = admin.describe_quorum().await;
    let quorum = quorum.map_err(|error| failed(&error, "describeMetadataQuorum"))?;
    let leader = quorum.voters.iter().find(|voter| voter.replica_id == quorum.leader_id);
    let leader = leader.cloned().ok_or_else(|| {
        Failure::own("the quorum has no leader among its voters").hint("an election may be going on: try again")
    })?;
    Ok((quorum, leader))
}

async fn print_status(call: &mut Call, admin: &Admin) -> Outcome {
    let cluster = admin.describe_cluster(false).await;
    let cluster_id = cluster.map_err(|error| failed(&error, "listNodes"))?.cluster_id;
    let (quorum, leader) = quorum(admin).await?;
    let slowest = quorum
        .voters
        .iter()
        .min_by_key(|voter| voter.log_end_offset)
        .unwrap_or(&leader);
    let lag = leader.log_end_offset - slowest.log_end_offset;
    let lag_ms = match (leader.last_caught_up_timestamp, slowest.last_caught_up_timestamp) {
        _ if slowest.replica_id == leader.replica_id => 0,
        (Some(leader), Some(slowest)) => leader - slowest,
        _ => -1,
    };
    if call.out.is_json() {
        let nodes = |replicas: &[ReplicaState]| replicas.iter().map(|replica| node_json(&quorum, replica)).collect();
        let (voters, observers): (Vec<Value>, Vec<Value>) = (nodes(&quorum.voters), nodes(&quorum.observers));
        return call.out.json(&json!({
            "clusterId": cluster_id,
            "leaderId": quorum.leader_id,
            "leaderEpoch": quorum.leader_epoch,
            "highWatermark": quorum.high_watermark,
            "maxFollowerLag": lag,
            "maxFollowerLagTimeMs": lag_ms,
            "currentVoters": voters,
            "currentObservers": observers,
        }));
    }
    let nodes = |replicas: &[ReplicaState]| {
        let nodes: Vec<String> = replicas.iter().map(|replica| node_text(&quorum, replica)).collect();
        format!("[{}]", nodes.join(", "))
    };
    for (name, value) in [
        ("ClusterId:", cluster_id.clone()),
        ("LeaderId:", quorum.leader_id.to_string()),
        ("LeaderEpoch:", quorum.leader_epoch.to_string()),
        ("HighWatermark:", quorum.high_watermark.to_string()),
        ("MaxFollowerLag:", lag.to_string()),
        ("MaxFollowerLagTimeMs:", lag_ms.to_string()),
        ("CurrentVoters:", nodes(&quorum.voters)),
        ("CurrentObservers:", nodes(&quorum.observers)),
    ] {
        call.out.line(format_args!("{name:<23} {value}"))?;
    }
    Ok(())
}

fn endpoints(quorum: &QuorumInfo, replica: &ReplicaState) -> Vec<String> {
    let node = quorum.nodes.get(&replica.replica_id);
    let listeners = node.map(|node| node.listeners.as_slice()).unwrap_or_default();
    let shown = listeners.iter().map(|(name, host, port)| match host.contains(':') {
        true => format!("{name}://[{host}]:{port}"),
        false => format!("{name}://{host}:{port}"),
    });
    shown.collect()
}

/// As Kafka's tool writes it: JSON with spaces.
fn node_text(quorum: &QuorumInfo, replica: &ReplicaState) -> String {
    let directory = match replica.replica_directory_id {
        Uuid::ZERO => "null".to_owned(),
        id => format!("\"{id}\""),
    };
    let endpoints: Vec<String> = endpoints(quorum, replica)
        .into_iter()
        .map(|endpoint| format!("\"{endpoint}\""))
        .collect();
    let endpoints = match endpoints.is_empty() {
        true => String::new(),
        false => format!(", \"endpoints\": [{}]", endpoints.join(", ")),
    };
    format!(
        "{{\"id\": {}, \"directoryId\": {directory}{endpoints}}}",
        replica.replica_id
    )
}

fn node_json(quorum: &QuorumInfo, replica: &ReplicaState) -> Value {
    let id = Some(replica.replica_directory_id).filter(|id| *id != Uuid::ZERO);
    json!({
        "id": replica.replica_id,
        "directoryId": id.map(|id| id.to_string()),
        "endpoints": endpoints(quorum, replica),
    })
}

const COLUMNS: [&str; 7] = [
    "NodeId",
    "DirectoryId",
    "LogEndOffset",
    "Lag",
    "LastFetchTimestamp",
    "LastCaughtUpTimestamp",
    "Status",
];

async fn print_replication(call: &mut Call, admin: &Admin) -> Outcome {
    let (quorum, leader) = quorum(admin).await?;
    let followers = quorum
        .voters
        .iter()
        .filter(|voter| voter.replica_id != leader.replica_id);
    let followers = followers.map(|voter| (voter, "Follower"));
    let observers = quorum.observers.iter().map(|observer| (observer, "Observer"));
    let replicas = [(&leader, "Leader")].into_iter().chain(followers).chain(observers);
    if call.out.is_json() {
        let replicas = replicas.map(|(replica, status)| {
            json!({
                "nodeId": replica.replica_id,
                "directoryId": replica.replica_directory_id.to_string(),
                "logEndOffset": replica.log_end_offset,
                "lag": leader.log_end_offset - replica.log_end_offset,
                "lastFetchTimestamp": replica.last_fetch_timestamp,
                "lastCaughtUpTimestamp": replica.last_caught_up_timestamp,
                "status": status,
            })
        });
        return call.out.json_lines(replicas);
    }
    let is_human = call.args.has("human-readable");
    let mut rows = vec![COLUMNS.map(str::to_owned)];
    for (replica, status) in replicas {
        rows.push([
            replica.replica_id.to_string(),
            replica.replica_directory_id.to_string(),
            replica.log_end_offset.to_string(),
            (leader.log_end_offset - replica.log_end_offset).to_string(),
            time(replica.last_fetch_timestamp, is_human, "last fetch")?,
            time(replica.last_caught_up_timestamp, is_human, "last caught up")?,
            status.to_owned(),
        ]);
    }
    let mut widths = [0; COLUMNS.len()];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    for row in &rows {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}\t"));
        call.out.line(cells.collect::<String>())?;
    }
    Ok(())
}

/// A time as it is, or as how long it is past.
fn time(timestamp: Option<i64>, is_human: bool, what: &str) -> Result<String, Failure> {
    let Some(timestamp) = timestamp else {
        return Ok("-1".to_owned());
    };
    if !is_human {
        return Ok(timestamp.to_string());
    }
    let now = now_ms();
    if !(1..=now).contains(&timestamp) {
        return Err(Failure::kafka(format!(
            "Error while computing relative time, possible drift in system clock.\nCurrent timestamp is {now}, {what} \
             timestamp is {timestamp}"
        ))
        .hint("without `--human-readable` the times are shown as the nodes have them"));
    }
    Ok(format!("{} ms ago", now - timestamp))
}
