//! Ids of idempotent producers: never the same twice.

use std::collections::BTreeSet;

use klamm_net::Client;
use klamm_protocol::ErrorCode;
use klamm_protocol::messages::InitProducerIdRequest;
use klamm_testkit::Cluster;

fn idempotent() -> InitProducerIdRequest {
    InitProducerIdRequest {
        transactional_id: None,
        producer_id: -1,
        producer_epoch: -1,
        ..Default::default()
    }
}

async fn next(client: &mut Client, version: i16) -> i64 {
    let response = client.call(&idempotent(), version).await.unwrap();
    assert_eq!((response.error_code, response.producer_epoch), (ErrorCode::NONE, 0));
    response.producer_id
}

#[tokio::test]
async fn ids_are_unique_over_versions_clients_restarts_and_kills() {
    let mut cluster = Cluster::start().await.unwrap();
    let mut seen = BTreeSet::new();
    for round in 0..3 {
        let mut clients = [cluster.client().await.unwrap(), cluster.client().await.unwrap()];
        for version in 0..=5 {
            for client in &mut clients {
                let id = next(client, version).await;
                assert!(
                    id >= 0 && seen.insert(id),
                    "{id} was given out before, now in round {round}"
                );
            }
        }
        if round == 1 {
            cluster.kill().await;
        }
        cluster.restart().await.unwrap();
    }
}

#[tokio::test]
async fn more_than_one_block_is_given_out() {
    let cluster = Cluster::start().await.unwrap();
    let mut client = cluster.client().await.unwrap();
    let mut seen = BTreeSet::new();
    for _ in 0..1_500 {
        assert!(seen.insert(next(&mut client, 4).await));
    }
}

#[tokio::test]
async fn what_makes_no_sense_is_refused() {
    let cluster = Cluster::start().await.unwrap();
    let mut client = cluster.client().await.unwrap();
    for (transactional_id, producer_id, producer_epoch, code) in [
        (None, 5, -1, ErrorCode::INVALID_REQUEST),
        (None, -1, 5, ErrorCode::INVALID_REQUEST),
        (Some(""), -1, -1, ErrorCode::INVALID_REQUEST),
        (Some("tx"), -1, -1, ErrorCode::UNSUPPORTED_VERSION),
    ] {
        let transactional_id = transactional_id.map(str::to_owned);
        let request = InitProducerIdRequest {
            transactional_id,
            producer_id,
            producer_epoch,
            ..Default::default()
        };
        let response = client.call(&request, 3).await.unwrap();
        assert_eq!((response.error_code, response.producer_id), (code, -1));
    }
}
