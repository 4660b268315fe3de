//! `klamm cluster`, `features`, `metadata-quorum` and `log-dirs` against a node.

use serde_json::Value;

use crate::bed::{Bed, Ran, run};

/// Tools with sub-commands take the address behind them.
fn at(bed: &Bed, line: &str) -> Ran {
    run(&format!("{line} --bootstrap-server {}", bed.address()))
}

fn objects(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn the_cluster_tells_its_id_and_its_nodes() {
    let bed = Bed::start();
    let id = at(&bed, "cluster cluster-id");
    assert_eq!((id.code, &*id.err), (0, ""));
    let id = id.out.strip_prefix("Cluster ID: ").unwrap().trim().to_owned();
    assert_eq!(objects(&at(&bed, "cluster cluster-id --json").out)[0]["clusterId"], id);
    let endpoints = at(&bed, "cluster list-endpoints").out;
    let (heading, node) = endpoints.split_once('\n').unwrap();
    assert!(heading.starts_with("ID"), "{heading}");
    assert!(
        node.contains("127.0.0.1") && node.trim_end().ends_with("broker"),
        "{node}"
    );
    let node = &objects(&at(&bed, "cluster list-endpoints --json").out)[0];
    assert_eq!((&node["id"], &node["endpointType"]), (&1.into(), &"broker".into()));
    let refused = at(&bed, "cluster unregister --id 9");
    assert_eq!(refused.code, 1);
    assert!(
        refused.err.contains("Broker ID 9 is not currently registered"),
        "{}",
        refused.err
    );
}

#[test]
fn features_are_described_and_changes_tried() {
    let bed = Bed::start();
    let described = bed.run("features describe");
    assert_eq!((described.code, &*described.err), (0, ""));
    let group = described.out.lines().find(|line| line.contains("group.version"));
    let levels = "SupportedMinVersion: 0                SupportedMaxVersion: 1 ";
    assert!(group.is_some_and(|line| line.contains(levels)), "{}", described.out);
    assert!(described.out.contains("metadata.version"));
    let rows = objects(&bed.run("features describe --json").out);
    assert!(rows.iter().any(|row| row["feature"] == "metadata.version"));
    let tried = bed.run("features upgrade --feature nonsense=1 --dry-run");
    assert_eq!(tried.code, 1);
    for (line, words) in [
        (
            "features --bootstrap-server 127.0.0.1:1 nonsense",
            "Command line error: invalid choice: 'nonsense' (choose from 'describe', 'upgrade', 'downgrade', 'disable', \
             'version-mapping', 'feature-dependencies'). Type --help for help.",
        ),
        (
            "features describe",
            "Command line error: You must specify either --bootstrap-controller or --bootstrap-server.. Type --help for help.",
        ),
    ] {
        let ran = run(line);
        assert_eq!((ran.code, ran.err.lines().next()), (1, Some(words)), "{line}");
    }
}

#[test]
fn the_quorum_is_described() {
    let bed = Bed::start();
    let status = bed.run("metadata-quorum describe --status");
    assert_eq!((status.code, &*status.err), (0, ""));
    let names: Vec<&str> = status.out.lines().filter_map(|line| line.split(':').next()).collect();
    let expected = [
        "ClusterId",
        "LeaderId",
        "LeaderEpoch",
        "HighWatermark",
        "MaxFollowerLag",
        "MaxFollowerLagTimeMs",
        "CurrentVoters",
        "CurrentObservers",
    ];
    assert_eq!(names, expected);
    for flags in ["", " --human-readable"] {
        let replication = bed.run(&format!("metadata-quorum describe --replication{flags}"));
        assert_eq!(
            (replication.code, replication.out.lines().count()),
            (0, 2),
            "{}",
            replication.err
        );
        assert!(replication.out.trim_end().ends_with("Leader"));
    }
    let row = &objects(&bed.run("metadata-quorum describe --replication --json").out)[0];
    assert_eq!((&row["nodeId"], &row["lag"]), (&1.into(), &0.into()));
    let neither = bed.run("metadata-quorum describe");
    assert_eq!(neither.code, 1);
}

#[test]
fn log_directories_are_told_as_json() {
    let bed = Bed::start();
    bed.prints("topics --create --topic t --partitions 2");
    let told = bed.prints("log-dirs --describe --topic-list t");
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines[0], "Querying brokers for log directories information");
    assert_eq!(lines[1], "Received log directory information from brokers 1");
    let described: Value = serde_json::from_str(lines[2]).unwrap();
    let partitions = &described["brokers"][0]["logDirs"][0]["partitions"];
    assert_eq!(partitions.as_array().unwrap().len(), 2);
    assert_eq!(partitions[0]["partition"], "t-0");
    assert_eq!(
        bed.prints("log-dirs --describe --topic-list t --json"),
        format!("{}\n", lines[2])
    );
    let unknown = bed.run("log-dirs --describe --broker-list 9");
    let words = "ERROR: The given brokers do not exist from --broker-list: 9. Current existent brokers: 1";
    assert_eq!((unknown.code, unknown.err.lines().next()), (1, Some(words)));
}
