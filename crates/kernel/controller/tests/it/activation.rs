//! What a controller writes first.

use klamm_metadata::{BootstrapMetadata, ConfigResource, MetadataRecord, MetadataVersion, default_levels};
use klamm_protocol::metadata::BeginTransactionRecord;

use crate::cluster::Cluster;

fn names(records: &[MetadataRecord]) -> Vec<&'static str> {
    records.iter().map(MetadataRecord::name).collect()
}

fn bootstrap(version: &str) -> BootstrapMetadata {
    let version = MetadataVersion::from_name(version).unwrap();
    BootstrapMetadata::from_levels(version, default_levels(version))
}

#[test]
fn an_empty_log_gets_the_bootstrap_records_in_a_transaction() {
    let cluster = Cluster::started("4.4", &[("min.insync.replicas", "2")]);
    let levels = ["FeatureLevelRecord"; 6];
    let mut expected = vec!["BeginTransactionRecord"];
    expected.extend(levels);
    expected.extend(["ConfigRecord", "EndTransactionRecord"]);
    assert_eq!(names(&cluster.log), expected);
    let features = cluster.image().features();
    assert_eq!(features.metadata_version(), Some(MetadataVersion::LATEST_PRODUCTION));
    assert!(features.is_elr_enabled());
    assert_eq!(features.level("kraft.version"), 0, "it is the raft layer's");
    let pinned = cluster.config_value(&ConfigResource::default_broker(), "min.insync.replicas");
    assert_eq!(pinned, Some("2"));
    cluster.check();
}

#[test]
fn older_metadata_versions_have_no_transactions() {
    let cluster = Cluster::started("3.5", &[]);
    assert_eq!(names(&cluster.log), ["FeatureLevelRecord"]);
    cluster.check();
}

#[test]
fn a_log_with_records_gets_none() {
    let mut cluster = Cluster::started("4.4", &[]);
    cluster
        .controller
        .activate(cluster.controller.next_offset(), cluster.now_ms);
    assert_eq!(cluster.controller.activation_records(&bootstrap("4.4")).records, []);
}

#[test]
fn a_transaction_left_open_is_aborted() {
    let mut cluster = Cluster::with_brokers(&[1]);
    cluster.append(BeginTransactionRecord::default().into());
    let in_transaction = bootstrap("4.4").records()[1].clone();
    let MetadataRecord::FeatureLevel(mut level) = in_transaction else {
        panic!("a feature level")
    };
    level.feature_level = 0;
    let name = level.name.clone();
    cluster.append(level.into());
    let last = cluster.last_offset();
    cluster.controller.snapshot(last);
    cluster.controller.commit(last);
    assert_eq!(cluster.image().features().level(&name), 0);
    assert_eq!(
        cluster.controller.committed_image().features().level(&name),
        1,
        "not visible before the end"
    );

    let next = cluster.controller.next_offset();
    cluster.controller.activate(next, cluster.now_ms);
    let result = cluster.controller.activation_records(&bootstrap("4.4"));
    assert_eq!(names(&result.records), ["AbortTransactionRecord"]);
    cluster.apply(result);
    assert_eq!(cluster.image().features().level(&name), 1);
    assert_eq!(cluster.controller.next_offset(), next + 1);
    cluster.check();
}

#[test]
fn bootstrap_records_cut_short_are_written_again() {
    let mut cluster = Cluster::new(&[]);
    let records = {
        cluster.controller.activate(0, cluster.now_ms);
        cluster.controller.activation_records(&bootstrap("4.4")).records
    };
    for record in records.into_iter().take(3) {
        cluster.append(record);
    }
    let result = cluster.controller.activation_records(&bootstrap("4.4"));
    assert_eq!(
        names(&result.records)[..2],
        ["AbortTransactionRecord", "BeginTransactionRecord"]
    );
    cluster.apply(result);
    assert!(cluster.image().features().is_elr_enabled());
    cluster.check();
}
