//! Error replies to requests of administrators: elections, reassignments, log directories, quotas, credentials, transactions.
use super::{Failing, rows};
use klamm_protocol::messages::*;
use klamm_protocol::{ErrorCode, Request};

at_the_top! { ListTransactionsRequest }

failing! {
    ElectLeadersRequest => |asked, version, error_code| {
        use elect_leaders_response::{PartitionResult, ReplicaElectionResult};
        let partition = |partition_id| PartitionResult { partition_id, error_code, ..Default::default() };
        let replica_election_results = rows(asked.topic_partitions.into_iter().flatten(), |topic| ReplicaElectionResult {
            topic: topic.topic, partition_result: rows(topic.partitions, partition), ..Default::default()
        });
        // Version 0 has no place at the top.
        let error_code = if version == 0 { ErrorCode::NONE } else { error_code };
        ElectLeadersResponse { error_code, replica_election_results, ..Default::default() }
    };
    AlterPartitionReassignmentsRequest => |asked, _version, error_code| {
        use alter_partition_reassignments_response::{ReassignablePartitionResponse, ReassignableTopicResponse};
        let partition = |partition: alter_partition_reassignments_request::ReassignablePartition| ReassignablePartitionResponse {
            partition_index: partition.partition_index, error_code, ..Default::default()
        };
        let responses = rows(asked.topics, |topic| ReassignableTopicResponse {
            name: topic.name, partitions: rows(topic.partitions, partition), ..Default::default()
        });
        AlterPartitionReassignmentsResponse { error_code, error_message: None, responses, ..Default::default() }
    };
    ListPartitionReassignmentsRequest => |_asked, _version, error_code| ListPartitionReassignmentsResponse {
        error_code, error_message: None, ..Default::default()
    };
    AlterReplicaLogDirsRequest => |asked, _version, error_code| {
        use alter_replica_log_dirs_response::{AlterReplicaLogDirPartitionResult, AlterReplicaLogDirTopicResult};
        let partition = |partition_index| AlterReplicaLogDirPartitionResult { partition_index, error_code, ..Default::default() };
        let results = rows(asked.dirs.into_iter().flat_map(|dir| dir.topics), |topic| AlterReplicaLogDirTopicResult {
            topic_name: topic.name, partitions: rows(topic.partitions, partition), ..Default::default()
        });
        AlterReplicaLogDirsResponse { results, ..Default::default() }
    };
    DescribeClientQuotasRequest => |_asked, _version, error_code| DescribeClientQuotasResponse {
        error_code, error_message: None, entries: None, ..Default::default()
    };
    AlterClientQuotasRequest => |asked, _version, error_code| {
        use alter_client_quotas_response::{EntityData, EntryData};
        let entity = |entity: alter_client_quotas_request::EntityData| EntityData {
            entity_type: entity.entity_type, entity_name: entity.entity_name, ..Default::default()
        };
        let entries = rows(asked.entries, |entry| EntryData {
            error_code, error_message: None, entity: rows(entry.entity, entity), ..Default::default()
        });
        AlterClientQuotasResponse { entries, ..Default::default() }
    };
    DescribeUserScramCredentialsRequest => |asked, _version, error_code| {
        use describe_user_scram_credentials_response::DescribeUserScramCredentialsResult;
        let results = rows(asked.users.into_iter().flatten(), |user| DescribeUserScramCredentialsResult {
            user: user.name, error_code, error_message: None, ..Default::default()
        });
        DescribeUserScramCredentialsResponse { error_code, error_message: None, results, ..Default::default() }
    };
    AlterUserScramCredentialsRequest => |asked, _version, error_code| {
        use alter_user_scram_credentials_response::AlterUserScramCredentialsResult;
        let deleted = asked.deletions.into_iter().map(|deletion| deletion.name);
        let changed = asked.upsertions.into_iter().map(|upsertion| upsertion.name);
        let results = rows(deleted.chain(changed), |user| AlterUserScramCredentialsResult {
            user, error_code, error_message: None, ..Default::default()
        });
        AlterUserScramCredentialsResponse { results, ..Default::default() }
    };
    DescribeTransactionsRequest => |asked, _version, error_code| {
        use describe_transactions_response::TransactionState;
        let transaction_states = rows(asked.transactional_ids, |transactional_id| TransactionState {
            transactional_id, error_code, ..Default::default()
        });
        DescribeTransactionsResponse { transaction_states, ..Default::default() }
    };
}
