//! APIs that do not work yet answer that, each in its own response.

use klamm_protocol::messages::*;
use klamm_protocol::{ApiKey, ErrorCode, Listener, Message, Request};
use klamm_testkit::Cluster;

const CODE: ErrorCode = ErrorCode::UNSUPPORTED_VERSION;

/// Calls each of these APIs in all its versions and looks at the error code at the top.
macro_rules! assert_top_level {
    ($client:ident; $($request:ident)*) => {$(
        for version in $request::MIN_VERSION..=$request::MAX_VERSION {
            let response = $client.call(&$request::default(), version).await;
            let response = response.unwrap_or_else(|error| panic!("{} v{version}: {error}", $request::NAME));
            assert_eq!(response.error_code, CODE, "{} v{version}", $request::NAME);
        }
    )*};
}

#[tokio::test]
async fn with_one_place_for_errors() {
    let cluster = Cluster::start().await.unwrap();
    let mut client = cluster.client().await.unwrap();
    assert_top_level! {
        client;
        SaslHandshakeRequest AddOffsetsToTxnRequest EndTxnRequest DescribeAclsRequest SaslAuthenticateRequest
        DescribeDelegationTokenRequest ConsumerGroupHeartbeatRequest
        GetTelemetrySubscriptionsRequest PushTelemetryRequest ShareGroupHeartbeatRequest ShareFetchRequest
        StreamsGroupHeartbeatRequest UnregisterControllerRequest
    }
}

#[tokio::test]
async fn with_places_for_errors_beside_what_was_asked_for() {
    let cluster = Cluster::start().await.unwrap();
    let mut client = cluster.client().await.unwrap();

    use add_partitions_to_txn_request::AddPartitionsToTxnTopic;
    let topic = AddPartitionsToTxnTopic {
        name: "t".to_owned(),
        partitions: vec![3, 4],
        ..Default::default()
    };
    let request = AddPartitionsToTxnRequest {
        v3_and_below_topics: vec![topic],
        ..Default::default()
    };
    let response = client.call(&request, 3).await.unwrap();
    let rows = &response.results_by_topic_v3_and_below[0].results_by_partition;
    let rows: Vec<_> = rows
        .iter()
        .map(|row| (row.partition_index, row.partition_error_code))
        .collect();
    assert_eq!(rows, [(3, CODE), (4, CODE)]);
    assert_eq!(
        client
            .call(&AddPartitionsToTxnRequest::default(), 5)
            .await
            .unwrap()
            .error_code,
        CODE
    );

    let request = ConsumerGroupDescribeRequest {
        group_ids: vec!["g".to_owned()],
        ..Default::default()
    };
    let response = client.call(&request, 1).await.unwrap();
    assert_eq!(
        (response.groups[0].group_id.as_str(), response.groups[0].error_code),
        ("g", CODE)
    );

    use create_acls_request::AclCreation;
    let request = CreateAclsRequest {
        creations: vec![AclCreation::default(); 2],
        ..Default::default()
    };
    let response = client.call(&request, 3).await.unwrap();
    assert_eq!(
        response.results.iter().map(|row| row.error_code).collect::<Vec<_>>(),
        [CODE; 2]
    );
}

/// A client tells its user the message of the code if the response has none, but an empty one as it is.
#[tokio::test]
async fn without_an_empty_message() {
    let cluster = Cluster::start().await.unwrap();
    let mut client = cluster.client().await.unwrap();
    macro_rules! at_the_top {
        ($($request:ident)*) => {$(
            let response = client.call(&$request::default(), $request::MAX_VERSION).await.unwrap();
            assert_eq!((response.error_code, response.error_message), (CODE, None), "{}", $request::NAME);
        )*};
    }
    at_the_top! {
        DescribeAclsRequest SaslAuthenticateRequest AddRaftVoterRequest RemoveRaftVoterRequest
        UnregisterControllerRequest
    }
    macro_rules! in_rows {
        ($($request:expr, $version:expr => $rows:expr;)*) => {$(
            let response = client.call(&$request, $version).await.unwrap();
            let rows = $rows(response);
            assert!(!rows.is_empty() && rows.iter().all(|row| *row == (CODE, None)), "{rows:?}");
        )*};
    }
    in_rows! {
        CreateAclsRequest { creations: vec![Default::default()], ..Default::default() }, 3 => |response: CreateAclsResponse| {
            response.results.into_iter().map(|row| (row.error_code, row.error_message)).collect::<Vec<_>>()
        };
        DeleteAclsRequest { filters: vec![Default::default()], ..Default::default() }, 3 => |response: DeleteAclsResponse| {
            response.filter_results.into_iter().map(|row| (row.error_code, row.error_message)).collect::<Vec<_>>()
        };
    }
}

#[tokio::test]
async fn nothing_is_offered_that_answers_so() {
    let cluster = Cluster::start().await.unwrap();
    let mut client = cluster.client().await.unwrap();
    let offered = client.call(&ApiVersionsRequest::default(), 0).await.unwrap().api_keys;
    for api in offered {
        let key = ApiKey::try_from(api.api_key).unwrap();
        let range = key.advertised(Listener::Broker, false).unwrap();
        assert_eq!((range.min, range.max), (api.min_version, api.max_version), "{key}");
        assert_ne!(key, <EndTxnRequest as Request>::KEY);
    }
}
