//! One handler per API, and the tables that say which listener offers which.
//!
//! A handler is `async fn handle(cx: &RequestContext<'_>, request: XRequest) -> XResponse` in `apis/<api>.rs`: whatever goes
//! wrong becomes a response. An API is offered (ApiVersions) exactly when it stands in the listener's table here:
//! one line, `XRequest => x::handle;`, or `XRequest => x::handle, parks = true;` when the handler may wait long for others
//! and is to be dropped when its client leaves or the node stops. `encodes = true` is of a handler that makes the reply's frame.

use std::pin::Pin;

use klamm_protocol::messages::*;
use klamm_protocol::{
    ApiKey, DecodeError, EncodeError, EncodedFrame, Listener, Message, Reader, Request, VersionRange, frame,
};

use crate::request::RequestContext;

mod allocate_producer_ids;
mod alter_client_quotas;
mod alter_configs;
mod alter_partition;
mod alter_partition_reassignments;
mod alter_replica_log_dirs;
mod alter_user_scram_credentials;
mod api_versions;
mod assign_replicas_to_dirs;
mod broker_heartbeat;
mod broker_registration;
mod controller_registration;
mod create_partitions;
mod create_topics;
mod delete_groups;
mod delete_records;
mod delete_topics;
mod describe_client_quotas;
mod describe_cluster;
mod describe_configs;
mod describe_groups;
mod describe_log_dirs;
mod describe_producers;
mod describe_quorum;
mod describe_topic_partitions;
mod describe_transactions;
mod describe_user_scram_credentials;
mod dynamic_configs;
mod elect_leaders;
mod fetch;
mod find_coordinator;
mod group_errors;
mod heartbeat;
mod incremental_alter_configs;
mod init_producer_id;
mod join_group;
mod leader_endpoints;
mod leave_group;
mod list_config_resources;
mod list_groups;
mod list_offsets;
mod list_partition_reassignments;
mod list_transactions;
mod metadata;
mod not_offered;
mod offset_commit;
mod offset_delete;
mod offset_fetch;
mod offset_for_leader_epoch;
mod partition_errors;
mod produce;
mod repeats;
mod sync_group;
mod unregister_broker;
mod update_features;

pub(crate) use api_versions::unsupported_version as unsupported_api_versions;
pub(crate) use metadata::Replies as MetadataReplies;
pub(crate) use not_offered::reply as not_offered;

/// A handler at work.
pub(crate) type Serving<'a> = Pin<Box<dyn Future<Output = Result<EncodedFrame, ServeError>> + Send + 'a>>;

/// Why a request that was dispatched has no response.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServeError {
    /// The body is not what its version says.
    #[error("malformed request: {0}")]
    Decode(#[from] DecodeError),
    /// Our own response does not fit the version: a mistake of the handler's.
    #[error("the response can't be written: {0}")]
    Encode(#[from] EncodeError),
}

/// A row of a table.
pub(crate) struct Api {
    /// The API.
    pub(crate) key: ApiKey,
    /// Reads the body, runs the handler, writes the response.
    pub(crate) serve: for<'a> fn(&'a RequestContext<'_>, Reader, i32) -> Serving<'a>,
    /// Whether the handler may wait long for others; then it is dropped when its client leaves or the node stops.
    pub(crate) parks: bool,
}

macro_rules! apis {
    ($($request:ident => $handler:path $(, parks = $parks:literal)? $(, encodes = $encodes:tt)?;)*) => {
        &[$(Api {
            key: <$request as Request>::KEY,
            serve: |cx, mut body, correlation_id| Box::pin(async move {
                let request = <$request as Message>::decode(&mut body, cx.api_version)?;
                apis!(@frame cx request correlation_id $handler $(, $encodes)?)
            }),
            parks: false $(|| $parks)?,
        }),*]
    };
    (@frame $cx:ident $request:ident $correlation_id:ident $handler:path) => {{
        let response = $handler($cx, $request).await;
        Ok(frame::encode_response($correlation_id, $cx.api_version, &response)?)
    }};
    (@frame $cx:ident $request:ident $correlation_id:ident $handler:path, true) => {
        $handler($cx, $request, $correlation_id).await
    };
}

/// What a broker's listener offers.
const BROKER: &[Api] = apis! {
    ProduceRequest => produce::handle, parks = true;
    FetchRequest => fetch::handle, parks = true;
    ListOffsetsRequest => list_offsets::handle;
    MetadataRequest => metadata::reply, encodes = true;
    OffsetCommitRequest => offset_commit::handle;
    OffsetFetchRequest => offset_fetch::handle;
    FindCoordinatorRequest => find_coordinator::handle;
    JoinGroupRequest => join_group::handle, parks = true;
    HeartbeatRequest => heartbeat::handle;
    LeaveGroupRequest => leave_group::handle;
    SyncGroupRequest => sync_group::handle, parks = true;
    DescribeGroupsRequest => describe_groups::handle;
    ListGroupsRequest => list_groups::handle;
    ApiVersionsRequest => api_versions::handle;
    DeleteRecordsRequest => delete_records::handle;
    InitProducerIdRequest => init_producer_id::handle;
    OffsetForLeaderEpochRequest => offset_for_leader_epoch::handle;
    DeleteGroupsRequest => delete_groups::handle;
    OffsetDeleteRequest => offset_delete::handle;
    DescribeLogDirsRequest => describe_log_dirs::handle;
    DescribeProducersRequest => describe_producers::handle;
    CreateTopicsRequest => create_topics::handle;
    DeleteTopicsRequest => delete_topics::handle;
    DescribeConfigsRequest => describe_configs::handle;
    AlterConfigsRequest => alter_configs::handle;
    CreatePartitionsRequest => create_partitions::handle;
    IncrementalAlterConfigsRequest => incremental_alter_configs::handle;
    DescribeQuorumRequest => describe_quorum::handle;
    UpdateFeaturesRequest => update_features::handle;
    DescribeClusterRequest => describe_cluster::handle;
    UnregisterBrokerRequest => unregister_broker::handle;
    ListConfigResourcesRequest => list_config_resources::handle;
    DescribeTopicPartitionsRequest => describe_topic_partitions::handle;
    ElectLeadersRequest => elect_leaders::handle;
    AlterPartitionReassignmentsRequest => alter_partition_reassignments::handle;
    ListPartitionReassignmentsRequest => list_partition_reassignments::handle;
    AlterReplicaLogDirsRequest => alter_replica_log_dirs::handle;
    DescribeClientQuotasRequest => describe_client_quotas::handle;
    AlterClientQuotasRequest => alter_client_quotas::handle;
    DescribeUserScramCredentialsRequest => describe_user_scram_credentials::handle;
    AlterUserScramCredentialsRequest => alter_user_scram_credentials::handle;
    DescribeTransactionsRequest => describe_transactions::handle;
    ListTransactionsRequest => list_transactions::handle;
};

/// What a controller's listener offers.
const CONTROLLER: &[Api] = apis! {
    ApiVersionsRequest => api_versions::handle;
    BrokerRegistrationRequest => broker_registration::handle;
    BrokerHeartbeatRequest => broker_heartbeat::handle;
    AllocateProducerIdsRequest => allocate_producer_ids::handle;
    CreateTopicsRequest => create_topics::handle;
    DeleteTopicsRequest => delete_topics::handle;
    DescribeConfigsRequest => describe_configs::handle;
    AlterConfigsRequest => alter_configs::handle;
    CreatePartitionsRequest => create_partitions::handle;
    IncrementalAlterConfigsRequest => incremental_alter_configs::handle;
    DescribeQuorumRequest => describe_quorum::handle;
    UpdateFeaturesRequest => update_features::handle;
    DescribeClusterRequest => describe_cluster::handle;
    UnregisterBrokerRequest => unregister_broker::handle;
    AlterPartitionRequest => alter_partition::handle;
    ControllerRegistrationRequest => controller_registration::handle;
    AssignReplicasToDirsRequest => assign_replicas_to_dirs::handle;
    ElectLeadersRequest => elect_leaders::handle;
    AlterPartitionReassignmentsRequest => alter_partition_reassignments::handle;
    ListPartitionReassignmentsRequest => list_partition_reassignments::handle;
    AlterClientQuotasRequest => alter_client_quotas::handle;
    DescribeUserScramCredentialsRequest => describe_user_scram_credentials::handle;
    AlterUserScramCredentialsRequest => alter_user_scram_credentials::handle;
};

fn table(listener: Listener) -> &'static [Api] {
    match listener {
        Listener::Broker => BROKER,
        Listener::Controller => CONTROLLER,
    }
}

/// The row of an API, if the listener offers it.
pub(crate) fn find(listener: Listener, key: ApiKey) -> Option<&'static Api> {
    table(listener).iter().find(|api| api.key == key)
}

/// What ApiVersions offers on a listener, by rising key.
pub(crate) fn offered(listener: Listener, unstable: bool) -> impl Iterator<Item = (ApiKey, VersionRange)> {
    let served = ApiKey::all().filter(move |key| find(listener, *key).is_some());
    served.filter_map(move |key| key.advertised(listener, unstable).map(|range| (key, range)))
}
