//! The reference of APIs, rendered from the dispatch tables and the protocol's table.

use std::fmt::Write;

use klamm_protocol::{ApiKey, Listener, VersionRange};

use crate::apis::offered;
pub use crate::metrics::markdown as metrics_markdown;

/// `docs/reference/apis.md`.
pub fn apis_markdown() -> String {
    let mut out = String::from(
        "# API reference\n\n\
         <!-- Generated from the dispatch tables of crates/broker: `cargo xtask docs` writes this file. -->\n\n\
         Every API key of Apache Kafka 4.4, and the versions that Klamm offers (what ApiVersions answers) beside those that\n\
         Kafka offers, on listeners for clients (*broker*) and on listeners for the quorum (*controller*).\n\n\
         - **not yet**: Kafka offers it there, Klamm does not. Whoever calls it all the same gets `UNSUPPORTED_VERSION`, or a closed\n\
         \x20 connection where the response has no place for that.\n\
         - **–**: Kafka does not offer it there either.\n\
         - **+6**: that version too, with `unstable.api.versions.enable=true`.\n\n",
    );
    summary(&mut out);
    out.push_str(
        "\n| Key | API | Klamm, broker | Kafka, broker | Klamm, controller | Kafka, controller | What it is for |\n\
         |---:|---|---|---|---|---|---|\n",
    );
    for key in ApiKey::all() {
        let _ = write!(out, "| {} | {} |", key.id(), key.name());
        for listener in [Listener::Broker, Listener::Controller] {
            let kafkas = in_words(kafkas(key, listener), "–");
            let ours = in_words(ours(key, listener), if kafkas == "–" { "–" } else { "not yet" });
            let _ = write!(out, " {ours} | {kafkas} |");
        }
        let _ = writeln!(out, " {} |", about(key));
    }
    out
}

fn summary(out: &mut String) {
    out.push_str("| Listener | Klamm offers | Kafka offers |\n|---|---:|---:|\n");
    for (name, listener) in [("broker", Listener::Broker), ("controller", Listener::Controller)] {
        let count = |versions: fn(ApiKey, Listener) -> Offer| {
            ApiKey::all()
                .filter(|key| versions(*key, listener).stable.is_some())
                .count()
        };
        let _ = writeln!(out, "| {name} | {} | {} |", count(ours), count(kafkas));
    }
}

/// What is offered: always, and with `unstable.api.versions.enable`.
struct Offer {
    stable: Option<VersionRange>,
    unstable: Option<VersionRange>,
}

fn ours(key: ApiKey, listener: Listener) -> Offer {
    let range = |unstable| offered(listener, unstable).find(|(other, _)| *other == key);
    Offer {
        stable: range(false).map(|(_, range)| range),
        unstable: range(true).map(|(_, range)| range),
    }
}

fn kafkas(key: ApiKey, listener: Listener) -> Offer {
    Offer {
        stable: key.advertised(listener, false),
        unstable: key.advertised(listener, true),
    }
}

fn in_words(offer: Offer, nothing: &str) -> String {
    match (offer.stable, offer.unstable) {
        (Some(stable), Some(all)) if all.max > stable.max => format!("{}, +{}", range(stable), all.max),
        (Some(stable), _) => range(stable),
        (None, _) => nothing.to_owned(),
    }
}

fn range(versions: VersionRange) -> String {
    match versions.min == versions.max {
        true => versions.min.to_string(),
        false => versions.to_string(),
    }
}

fn about(key: ApiKey) -> &'static str {
    match key {
        ApiKey::Produce => "Appends records (KIP-98, KIP-467). 0-2 are offered and refused, as in Kafka (KAFKA-18659).",
        ApiKey::Fetch => {
            "Reads records (KIP-227 sessions, KIP-320, KIP-516). Controllers follow the metadata log with it."
        }
        ApiKey::ListOffsets => "Offsets by timestamp, earliest and latest (KIP-79, KIP-734).",
        ApiKey::Metadata => "Topics, partitions, their leaders, and the brokers (KIP-4, KIP-516).",
        ApiKey::LeaderAndIsr | ApiKey::StopReplica | ApiKey::UpdateMetadata | ApiKey::ControlledShutdown => {
            "Gone with ZooKeeper; the number is reserved."
        }
        ApiKey::OffsetCommit => "Commits a group's offsets (KIP-345; topic ids from v10, KIP-848).",
        ApiKey::OffsetFetch => "Reads a group's offsets (KIP-447, KIP-709; topic ids from v10, KIP-848).",
        ApiKey::FindCoordinator => "Which broker coordinates a group or a transactional id (KIP-699).",
        ApiKey::JoinGroup => "Joins a classic group (KIP-62, KIP-345, KIP-394, KIP-800, KIP-814).",
        ApiKey::Heartbeat => "Keeps a classic group's member alive (KIP-345).",
        ApiKey::LeaveGroup => "Leaves a classic group (KIP-345, KIP-800).",
        ApiKey::SyncGroup => "Hands round the assignment of a classic group (KIP-345, KIP-559).",
        ApiKey::DescribeGroups => "State and members of classic groups (KIP-345, KIP-430).",
        ApiKey::ListGroups => "All groups of a broker, by state and type (KIP-518, KIP-848).",
        ApiKey::SaslHandshake => "Chooses a SASL mechanism (KIP-43).",
        ApiKey::ApiVersions => "What a listener offers, and the cluster's features (KIP-35, KIP-511, KIP-584).",
        ApiKey::CreateTopics => "Creates topics (KIP-4, KIP-464, KIP-525).",
        ApiKey::DeleteTopics => "Deletes topics, by name or id (KIP-4, KIP-516).",
        ApiKey::DeleteRecords => "Moves a partition's log start offset forward (KIP-107).",
        ApiKey::InitProducerId => "Gives a producer its id and epoch (KIP-98, KIP-360).",
        ApiKey::OffsetForLeaderEpoch => "Where a leader epoch ends in the log (KIP-101, KIP-320).",
        ApiKey::AddPartitionsToTxn => "Transactions: enlists partitions (KIP-98, KIP-890).",
        ApiKey::AddOffsetsToTxn => "Transactions: enlists a group's offsets (KIP-98).",
        ApiKey::EndTxn => "Transactions: commits or aborts (KIP-98, KIP-890).",
        ApiKey::WriteTxnMarkers => "Transactions: the coordinator writes the outcome to the partitions (KIP-98).",
        ApiKey::TxnOffsetCommit => "Transactions: commits a group's offsets within one (KIP-98, KIP-447).",
        ApiKey::DescribeAcls => "Lists access rules (KIP-140).",
        ApiKey::CreateAcls => "Adds access rules (KIP-140).",
        ApiKey::DeleteAcls => "Removes access rules (KIP-140).",
        ApiKey::DescribeConfigs => "Configuration of topics, brokers and groups (KIP-133, KIP-226, KIP-569).",
        ApiKey::AlterConfigs => "Replaces a resource's configuration (KIP-133); superseded by key 44.",
        ApiKey::AlterReplicaLogDirs => "Moves replicas between log directories (KIP-113).",
        ApiKey::DescribeLogDirs => "Log directories and the sizes of what is in them (KIP-113, KIP-827).",
        ApiKey::SaslAuthenticate => "Carries a SASL exchange (KIP-152).",
        ApiKey::CreatePartitions => "Adds partitions to topics (KIP-195).",
        ApiKey::CreateDelegationToken => "Makes a delegation token (KIP-48).",
        ApiKey::RenewDelegationToken => "Renews a delegation token (KIP-48).",
        ApiKey::ExpireDelegationToken => "Ends a delegation token (KIP-48).",
        ApiKey::DescribeDelegationToken => "Lists delegation tokens (KIP-48).",
        ApiKey::DeleteGroups => "Deletes groups without members (KIP-229).",
        ApiKey::ElectLeaders => "Elects partitions' leaders (KIP-183, KIP-460).",
        ApiKey::IncrementalAlterConfigs => "Changes single configuration keys (KIP-339).",
        ApiKey::AlterPartitionReassignments => "Moves partitions to other brokers (KIP-455).",
        ApiKey::ListPartitionReassignments => "Moves of partitions under way (KIP-455).",
        ApiKey::OffsetDelete => "Deletes single offsets of a group (KIP-496).",
        ApiKey::DescribeClientQuotas => "Lists quotas of clients (KIP-546).",
        ApiKey::AlterClientQuotas => "Changes quotas of clients (KIP-546).",
        ApiKey::DescribeUserScramCredentials => "Lists users' SCRAM credentials (KIP-554).",
        ApiKey::AlterUserScramCredentials => "Changes users' SCRAM credentials (KIP-554).",
        ApiKey::Vote => "Quorum: asks for a vote (KIP-595, KIP-853, KIP-996).",
        ApiKey::BeginQuorumEpoch => "Quorum: a leader announces itself (KIP-595, KIP-853).",
        ApiKey::EndQuorumEpoch => "Quorum: a leader resigns (KIP-595, KIP-853).",
        ApiKey::DescribeQuorum => "Quorum: leader, voters, observers and how far they are (KIP-595, KIP-836, KIP-853).",
        ApiKey::AlterPartition => "A leader asks the controller for another ISR (KIP-497, KIP-841, KIP-903).",
        ApiKey::UpdateFeatures => "Raises or lowers the levels of features (KIP-584, KIP-778).",
        ApiKey::Envelope => "A broker passes a client's request on to the controller (KIP-590).",
        ApiKey::FetchSnapshot => "Quorum: fetches a snapshot of the metadata (KIP-630).",
        ApiKey::DescribeCluster => "Cluster id and nodes (KIP-700, KIP-919, KIP-1073).",
        ApiKey::DescribeProducers => "Active producers of partitions (KIP-664).",
        ApiKey::BrokerRegistration => "A broker joins its cluster (KIP-631, KIP-858, KIP-966).",
        ApiKey::BrokerHeartbeat => "A broker keeps its session, and asks to leave (KIP-631, KIP-858).",
        ApiKey::UnregisterBroker => "Removes a broker's registration (KIP-631).",
        ApiKey::DescribeTransactions => "State of transactions (KIP-664).",
        ApiKey::ListTransactions => "All transactions of a coordinator (KIP-664, KIP-994).",
        ApiKey::AllocateProducerIds => "Gives a broker a block of producer ids (KIP-730).",
        ApiKey::ConsumerGroupHeartbeat => "Membership of consumer groups of the new protocol (KIP-848).",
        ApiKey::ConsumerGroupDescribe => "State and members of such groups (KIP-848).",
        ApiKey::ControllerRegistration => "A controller tells its endpoints and features (KIP-919).",
        ApiKey::GetTelemetrySubscriptions => {
            "Which metrics a client is to send (KIP-714). Kafka offers it only with a reporter that takes them."
        }
        ApiKey::PushTelemetry => {
            "A client sends its metrics (KIP-714). Kafka offers it only with a reporter that takes them."
        }
        ApiKey::AssignReplicasToDirs => "A broker tells in which directories its replicas lie (KIP-858).",
        ApiKey::ListConfigResources => "Resources that have a configuration of their own (KIP-1000, KIP-1142).",
        ApiKey::DescribeTopicPartitions => "Partitions of topics, page by page (KIP-966).",
        ApiKey::ShareGroupHeartbeat => "Membership of share groups (KIP-932).",
        ApiKey::ShareGroupDescribe => "State and members of share groups (KIP-932).",
        ApiKey::ShareFetch => "Reads records as a member of a share group (KIP-932).",
        ApiKey::ShareAcknowledge => "Acknowledges records of a share group (KIP-932).",
        ApiKey::AddRaftVoter => "Quorum: adds a voter (KIP-853).",
        ApiKey::RemoveRaftVoter => "Quorum: removes a voter (KIP-853).",
        ApiKey::UpdateRaftVoter => "Quorum: a voter tells new endpoints (KIP-853).",
        ApiKey::InitializeShareGroupState => "Share coordinator: begins a partition's state (KIP-932).",
        ApiKey::ReadShareGroupState => "Share coordinator: reads a partition's state (KIP-932).",
        ApiKey::WriteShareGroupState => "Share coordinator: writes a partition's state (KIP-932).",
        ApiKey::DeleteShareGroupState => "Share coordinator: deletes a partition's state (KIP-932).",
        ApiKey::ReadShareGroupStateSummary => "Share coordinator: reads how far a partition is (KIP-932).",
        ApiKey::StreamsGroupHeartbeat => "Membership of streams groups (KIP-1071).",
        ApiKey::StreamsGroupDescribe => "State and members of streams groups (KIP-1071).",
        ApiKey::DescribeShareGroupOffsets => "Offsets of share groups (KIP-932).",
        ApiKey::AlterShareGroupOffsets => "Sets offsets of share groups (KIP-932).",
        ApiKey::DeleteShareGroupOffsets => "Deletes offsets of share groups (KIP-932).",
        ApiKey::StreamsGroupTopologyDescriptionUpdate => "A Streams client tells its whole topology (KIP-1331).",
        ApiKey::UnregisterController => "Removes a controller's registration (KIP-1312).",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/apis.md");
        let written = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            written == apis_markdown(),
            "docs/reference/apis.md is stale: run `cargo xtask docs`"
        );
    }
}
