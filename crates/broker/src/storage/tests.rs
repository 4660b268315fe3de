use klamm_config::Properties;

use super::*;

fn server(text: &str) -> ServerConfig {
    let properties = Properties::parse(text.as_bytes(), "server.properties").unwrap();
    ServerConfig::load(&properties).unwrap().0
}

/// A combined node of a dynamic quorum with the log directories `a` (metadata) and `b`.
fn node(dir: &Path, more: &str) -> ServerConfig {
    let dir = dir.display();
    server(&format!(
        "process.roles=broker,controller\nnode.id=1\nlisteners=PLAINTEXT://127.0.0.1:9092,CONTROLLER://127.0.0.1:9093\n\
         controller.listener.names=CONTROLLER\ncontroller.quorum.bootstrap.servers=127.0.0.1:9093\nlog.dirs={dir}/a,{dir}/b\n{more}"
    ))
}

fn run(formatter: &Formatter) -> Result<Vec<String>, FormatError> {
    let mut printed = Vec::new();
    let mut seed = 0;
    let mut random = || {
        seed += 1;
        seed
    };
    formatter.run(&mut random, 1_700_000_000_000, &mut |line| {
        printed.push(line.to_owned())
    })?;
    Ok(printed)
}

fn standalone(server: &ServerConfig) -> Formatter {
    Formatter::of(server, "cluster")
        .standalone(server, Uuid::from_u128(7))
        .unwrap()
}

fn error(formatter: &Formatter) -> String {
    run(formatter).unwrap_err().to_string()
}

#[test]
fn a_standalone_controller_gets_voters_and_features_in_one_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (dir.path().join("a"), dir.path().join("b"));
    let printed = run(&standalone(&node(dir.path(), ""))).unwrap();
    assert!(printed[0].starts_with("Bootstrap metadata: BootstrapMetadata(records=[ApiMessageAndVersion(FeatureLevelRecord(name='metadata.version', featureLevel=33) at version 0), "));
    assert!(printed[0].ends_with("], metadataVersionLevel=33, source=format command)"));
    assert_eq!(
        printed[1],
        format!(
            "Formatting dynamic metadata voter directory {} with metadata.version 4.4-IV2.",
            a.display()
        )
    );
    assert_eq!(
        printed[2],
        format!(
            "Formatting data directory {} with metadata.version 4.4-IV2.",
            b.display()
        )
    );

    let meta = MetaProperties::read(&a).unwrap().unwrap();
    assert_eq!(
        (meta.cluster_id.as_str(), meta.node_id, meta.directory_id),
        ("cluster", 1, Some(Uuid::from_u128(7)))
    );
    let other = MetaProperties::read(&b).unwrap().unwrap();
    assert_ne!(other.directory_id, meta.directory_id);

    let path = a.join("__cluster_metadata-0/00000000000000000000-0000000000.checkpoint");
    // The sizes of Kafka 4.4's batches: control records 166, features 253, footer 75.
    assert_eq!(fs::metadata(&path).unwrap().len(), 494);
    let found = checkpoint::read(&path).unwrap().unwrap();
    assert_eq!(found.control.len(), 4);
    assert_eq!(
        BootstrapMetadata::from_records(found.records)
            .unwrap()
            .level("transaction.version"),
        2
    );
    assert!(!b.join("__cluster_metadata-0").exists());
}

#[test]
fn the_quorum_decides_what_the_checkpoint_says() {
    let size = |formatter: &Formatter| {
        run(formatter).unwrap();
        let path = Path::new(&formatter.metadata_log_dir)
            .join("__cluster_metadata-0/00000000000000000000-0000000000.checkpoint");
        fs::metadata(path).map(|found| found.len()).ok()
    };
    // Kafka 4.4: a controller that is to join a quorum knows kraft.version but no voters.
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(
        size(&Formatter::of(&node(dir.path(), ""), "cluster")),
        Some(99 + 253 + 75)
    );
    // One of a static quorum knows neither.
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().display();
    let fixed = server(&format!(
        "process.roles=controller\nnode.id=1\nlisteners=CONTROLLER://127.0.0.1:9093\ncontroller.listener.names=CONTROLLER\n\
         controller.quorum.voters=1@127.0.0.1:9093\nlog.dirs={at}/a"
    ));
    assert_eq!(size(&Formatter::of(&fixed, "cluster")), Some(83 + 253 + 75));
    // A broker has no checkpoint.
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().display();
    let broker = server(&format!(
        "process.roles=broker\nnode.id=2\nlisteners=PLAINTEXT://127.0.0.1:9092\ncontroller.listener.names=CONTROLLER\n\
         controller.quorum.bootstrap.servers=127.0.0.1:9093\nlog.dirs={at}/a"
    ));
    assert_eq!(size(&Formatter::of(&broker, "cluster")), None);
    let refused = Formatter::of(&broker, "cluster")
        .standalone(&broker, Uuid::from_u128(7))
        .unwrap_err();
    assert_eq!(refused.to_string(), "You can only use --standalone on a controller.");
}

#[test]
fn formatting_twice_is_refused_or_skipped() {
    let dir = tempfile::tempdir().unwrap();
    let mut formatter = standalone(&node(dir.path(), ""));
    run(&formatter).unwrap();
    let a = dir.path().join("a");
    let expected = format!(
        "Log directory {} is already formatted. Use --ignore-formatted to ignore this directory and format the others.",
        a.display()
    );
    assert_eq!(error(&formatter), expected);
    formatter.ignore_formatted = true;
    assert_eq!(
        run(&formatter).unwrap(),
        ["All of the log directories are already formatted."]
    );
    formatter.cluster_id = "other".to_owned();
    assert_eq!(
        error(&formatter),
        format!(
            "Invalid cluster.id in: {}/meta.properties. Expected other, but read cluster",
            a.display()
        )
    );
    formatter.cluster_id = "cluster".to_owned();
    formatter.node_id = 2;
    assert!(error(&formatter).starts_with("Stored node id 1 doesn't match previous node id 2 in "));
}

#[test]
fn versions_that_do_not_go_are_refused_before_anything_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let server = node(dir.path(), "");
    let with = |name: &str, level: i16| {
        let mut formatter = standalone(&server);
        formatter.feature_levels.insert(name.to_owned(), level);
        formatter
    };
    for (formatter, expected) in [
        (
            with("metadata.version", 34),
            "metadata.version 4.5-IV0 is not yet stable.",
        ),
        (
            with("metadata.version", 99),
            "No MetadataVersion with feature level 99. Valid feature levels are from 7 to 34.",
        ),
        (
            with("group.version", 9),
            "No feature:group.version with feature level 9",
        ),
        (
            with("foo", 1),
            "Unsupported feature: foo. Supported features are: eligible.leader.replicas.version, group.version, kraft.version, share.version, streams.version, transaction.version",
        ),
        (
            Formatter {
                release_version: MetadataVersion::from_name("3.9"),
                ..with("eligible.leader.replicas.version", 1)
            },
            "eligible.leader.replicas.version could not be set to 1 because it depends on metadata.version level 23",
        ),
        (
            Formatter {
                release_version: MetadataVersion::from_name("4.4"),
                ..with("metadata.version", 33)
            },
            "Use --release-version instead of --feature metadata.version=X to avoid ambiguity.",
        ),
    ] {
        assert_eq!(error(&formatter), expected);
    }
    assert!(
        error(&with("kraft.version", 0))
            .starts_with("Cannot set kraft.version to 0 if controller.quorum.voters is empty")
    );
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn info_tells_what_is_there_and_what_is_wrong() {
    let dir = tempfile::tempdir().unwrap();
    let server = node(dir.path(), "");
    let at = dir.path().display();
    let missing = [
        "Found problems:".to_owned(),
        format!("  {at}/a does not exist"),
        format!("  {at}/b does not exist"),
        String::new(),
    ];
    assert_eq!(Info::of(&server).lines(), missing);
    run(&standalone(&server)).unwrap();
    let expected = [
        "Found log directories:".to_owned(),
        format!("  {at}/a"),
        format!("  {at}/b"),
        String::new(),
        "Found metadata: {cluster.id=cluster, directory.id=AAAAAAAAAAAAAAAAAAAABw, node.id=1, version=1}".to_owned(),
        String::new(),
    ];
    assert_eq!(Info::of(&server).lines(), expected);
    fs::remove_file(dir.path().join("b/meta.properties")).unwrap();
    assert_eq!(Info::of(&server).problems, [format!("{at}/b is not formatted.")]);
}
