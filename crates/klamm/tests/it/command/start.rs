//! `klamm start` as it should go.

use std::fs;
use std::time::{Duration, Instant};

use super::process::{Running, api_versions};

#[test]
fn a_first_start_formats_says_where_and_serves_and_a_second_finds_the_same_cluster() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let node = Running::start(&data);
    assert_eq!(node.api_versions(), 0);
    assert!(node.greeting.contains(data.to_str().unwrap()), "{}", node.greeting);
    assert!(data.join("meta.properties").is_file());
    assert!(data.join("__cluster_metadata-0").is_dir());
    let meta = fs::read_to_string(data.join("meta.properties")).unwrap();
    assert!(node.signal("TERM").success());
    let again = Running::start(&data);
    assert_eq!(again.api_versions(), 0);
    assert_eq!(fs::read_to_string(data.join("meta.properties")).unwrap(), meta);
    assert!(again.signal("INT").success());
    assert!(data.join(".kafka_cleanshutdown").exists(), "left cleanly");
}

#[test]
fn a_killed_node_serves_again_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().to_str().unwrap();
    let (listen, session) = ("127.0.0.1:0", "broker.session.timeout.ms=120000");
    let arguments = ["start", "--listen", listen, "--data-dir", data, "--override", session];
    for _ in 0..3 {
        let node = Running::start_with(&arguments);
        let before = Instant::now();
        assert!(!node.signal("KILL").success());
        let again = Running::start_with(&arguments);
        assert_eq!(api_versions(again.address).unwrap(), 0);
        // The dead incarnation's session alone would last two minutes.
        assert!(before.elapsed() < Duration::from_secs(60), "{:?}", before.elapsed());
    }
}

#[test]
fn every_address_can_be_listened_on() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().to_str().unwrap();
    let node = Running::start_with(&["start", "--listen", "[::1]:0", "--data-dir", data]);
    assert!(node.address.is_ipv6());
    assert_eq!(node.api_versions(), 0);
}
