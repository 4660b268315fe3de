//! Quotas of clients: set, changed, taken away, refused.

use klamm_metadata::QuotaEntity;
use klamm_protocol::ErrorCode;
use klamm_protocol::messages::AlterClientQuotasRequest;
use klamm_protocol::messages::alter_client_quotas_request::{EntityData, EntryData, OpData};

use crate::cluster::Cluster;

type Parts<'a> = &'a [(&'a str, Option<&'a str>)];

fn entry(parts: Parts<'_>, ops: &[(&str, Option<f64>)]) -> EntryData {
    let part = |(kind, name): &(&str, Option<&str>)| EntityData {
        entity_type: (*kind).to_owned(),
        entity_name: name.map(str::to_owned),
        ..EntityData::default()
    };
    let op = |(key, value): &(&str, Option<f64>)| OpData {
        key: (*key).to_owned(),
        value: value.unwrap_or_default(),
        remove: value.is_none(),
        ..OpData::default()
    };
    EntryData {
        entity: parts.iter().map(part).collect(),
        ops: ops.iter().map(op).collect(),
        ..EntryData::default()
    }
}

/// The error of each entity of the reply.
fn alter(cluster: &mut Cluster, entries: Vec<EntryData>) -> Vec<(ErrorCode, Option<String>)> {
    let request = AlterClientQuotasRequest {
        entries,
        ..AlterClientQuotasRequest::default()
    };
    let is_host = |name: &str| name == "10.0.0.1" || name == "known.host";
    let result = cluster.controller.alter_client_quotas(&request, &is_host).unwrap();
    let reply = cluster.apply(result);
    let errors = reply.entries.into_iter();
    errors.map(|entry| (entry.error_code, entry.error_message)).collect()
}

fn quotas(cluster: &Cluster, parts: Parts<'_>) -> Vec<(String, f64)> {
    let part = |(kind, name): &(&str, Option<&str>)| ((*kind).to_owned(), name.map(str::to_owned));
    let entity: QuotaEntity = parts.iter().map(part).collect();
    let quotas = cluster.image().client_quotas().entities().get(&entity);
    let all = quotas.into_iter().flat_map(|quotas| quotas.iter());
    all.map(|(key, value)| (key.clone(), *value)).collect()
}

const GOOD: (ErrorCode, Option<String>) = (ErrorCode::NONE, None);
const ALICE: Parts<'_> = &[("user", Some("alice"))];

#[test]
fn quotas_come_change_and_go() {
    let mut cluster = Cluster::with_brokers(&[1]);
    let first = [("producer_byte_rate", Some(1024.0)), ("request_percentage", Some(12.5))];
    assert_eq!(alter(&mut cluster, vec![entry(ALICE, &first)]), [GOOD]);
    let default_client: Parts<'_> = &[("user", Some("alice")), ("client-id", None)];
    let second = [("controller_mutation_rate", Some(0.5))];
    let third = [("producer_byte_rate", Some(2048.0)), ("request_percentage", None)];
    let entries = vec![entry(default_client, &second), entry(ALICE, &third)];
    assert_eq!(alter(&mut cluster, entries), [GOOD, GOOD]);
    assert_eq!(quotas(&cluster, ALICE), [("producer_byte_rate".to_owned(), 2048.0)]);
    assert_eq!(
        quotas(&cluster, default_client),
        [("controller_mutation_rate".to_owned(), 0.5)]
    );
    assert_eq!(
        alter(&mut cluster, vec![entry(ALICE, &[("producer_byte_rate", None)])]),
        [GOOD]
    );
    assert_eq!(quotas(&cluster, ALICE), []);
    cluster.check();
}

#[test]
fn only_what_changes_is_written() {
    let mut cluster = Cluster::with_brokers(&[1]);
    let ops = [("producer_byte_rate", Some(1024.0))];
    alter(&mut cluster, vec![entry(ALICE, &ops)]);
    let written = cluster.log.len();
    assert_eq!(alter(&mut cluster, vec![entry(ALICE, &ops)]), [GOOD]);
    assert_eq!(
        alter(&mut cluster, vec![entry(ALICE, &[("consumer_byte_rate", None)])]),
        [GOOD]
    );
    let dry = AlterClientQuotasRequest {
        entries: vec![entry(ALICE, &[("producer_byte_rate", Some(1.0))])],
        validate_only: true,
        ..AlterClientQuotasRequest::default()
    };
    let result = cluster.controller.alter_client_quotas(&dry, &|_| false).unwrap();
    assert_eq!(result.records, []);
    assert_eq!(cluster.log.len(), written);
}

#[test]
fn an_entity_with_a_bad_quota_keeps_what_it_has() {
    let mut cluster = Cluster::with_brokers(&[1]);
    let address: Parts<'_> = &[("ip", Some("10.0.0.1"))];
    let code = |cluster: &mut Cluster, parts: Parts<'_>, key: &str, value: f64| {
        let good = if parts == address {
            "connection_creation_rate"
        } else {
            "consumer_byte_rate"
        };
        let errors = alter(cluster, vec![entry(parts, &[(good, Some(5.0)), (key, Some(value))])]);
        assert_eq!(quotas(cluster, parts), []);
        errors[0].0
    };
    for (parts, key, value) in [
        (ALICE, "nix", 1.0),
        (ALICE, "connection_creation_rate", 1.0),
        (ALICE, "producer_byte_rate", 0.0),
        (ALICE, "producer_byte_rate", -1.0),
        (ALICE, "producer_byte_rate", 1.5),
        (ALICE, "producer_byte_rate", 1e19),
        (ALICE, "producer_byte_rate", f64::INFINITY),
        (ALICE, "request_percentage", f64::NAN),
        (address, "producer_byte_rate", 1.0),
        (
            &[("ip", Some("10.0.0.1")), ("user", None)],
            "connection_creation_rate",
            1.0,
        ),
        (&[("ip", Some("unknown.host"))], "connection_creation_rate", 1.0),
        (&[("user", Some(""))], "request_percentage", 1.0),
        (&[("group", Some("g"))], "request_percentage", 1.0),
        (&[], "request_percentage", 1.0),
    ] {
        let code = code(&mut cluster, parts, key, value);
        assert_eq!(code, ErrorCode::INVALID_REQUEST, "{parts:?} {key}={value}");
    }
    let host: Parts<'_> = &[("ip", Some("known.host"))];
    let ops = [("connection_creation_rate", Some(f64::from(i32::MAX)))];
    assert_eq!(alter(&mut cluster, vec![entry(host, &ops)]), [GOOD]);
    let ops = [("connection_creation_rate", Some(f64::from(i32::MAX) + 1.0))];
    assert_eq!(
        alter(&mut cluster, vec![entry(host, &ops)])[0].0,
        ErrorCode::INVALID_REQUEST
    );
}

#[test]
fn what_is_named_twice_counts_once() {
    let mut cluster = Cluster::with_brokers(&[1]);
    let first = entry(ALICE, &[("producer_byte_rate", Some(1.0))]);
    let second = entry(ALICE, &[("producer_byte_rate", Some(2.0))]);
    assert_eq!(
        alter(&mut cluster, vec![first, second])[0].0,
        ErrorCode::INVALID_REQUEST
    );
    assert_eq!(quotas(&cluster, ALICE), [("producer_byte_rate".to_owned(), 1.0)]);
    let twice = [("consumer_byte_rate", Some(1.0)), ("consumer_byte_rate", Some(2.0))];
    assert_eq!(
        alter(&mut cluster, vec![entry(ALICE, &twice)])[0].0,
        ErrorCode::INVALID_REQUEST
    );
    assert_eq!(quotas(&cluster, ALICE).len(), 1);
}

#[test]
fn one_request_brings_about_a_batch_at_most() {
    let cluster = Cluster::with_brokers(&[1]);
    let names: Vec<String> = (0..10_001).map(|n| n.to_string()).collect();
    let entries = names
        .iter()
        .map(|name| entry(&[("user", Some(name))], &[("producer_byte_rate", Some(1.0))]));
    let request = AlterClientQuotasRequest {
        entries: entries.collect(),
        ..AlterClientQuotasRequest::default()
    };
    let refused = cluster.controller.alter_client_quotas(&request, &|_| false);
    assert_eq!(refused.map(|_| ()).unwrap_err().code, ErrorCode::POLICY_VIOLATION);
}
