use super::*;

fn defaults(version: &str) -> Vec<(&'static str, i16)> {
    default_levels(MetadataVersion::from_name(version).unwrap())
        .into_iter()
        .filter(|&(_, level)| level > 0)
        .collect()
}

#[test]
fn defaults_follow_the_metadata_version() {
    assert_eq!(defaults("3.3-IV3"), []);
    assert_eq!(defaults("3.9"), [("kraft.version", 1)]);
    assert_eq!(
        defaults("4.0-IV2"),
        [("group.version", 1), ("kraft.version", 1), ("transaction.version", 2)]
    );
    assert_eq!(
        defaults("4.4"),
        [
            ("eligible.leader.replicas.version", 1),
            ("group.version", 1),
            ("kraft.version", 1),
            ("share.version", 2),
            ("streams.version", 1),
            ("transaction.version", 2),
        ]
    );
}

#[test]
fn the_advertised_ranges_are_kafka_4_4s() {
    let text = |unstable| {
        supported_features(unstable)
            .iter()
            .map(|(name, range)| format!("{name}={}-{}", range.min, range.max))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let rest = "share.version=0-2, streams.version=0-1, transaction.version=0-2";
    let first = "eligible.leader.replicas.version=0-1, group.version=0-1, kraft.version=0-1";
    assert_eq!(text(false), format!("{first}, metadata.version=7-33, {rest}"));
    assert_eq!(text(true), format!("{first}, metadata.version=7-34, {rest}"));
}

#[test]
fn a_level_needs_its_dependencies() {
    let elr = Feature::by_name("eligible.leader.replicas.version").unwrap();
    let at = |level: i16| BTreeMap::from([("metadata.version".to_owned(), level)]);
    assert_eq!(elr.validate(1, &at(23)), Ok(()));
    assert_eq!(
        elr.validate(1, &at(22)).unwrap_err().to_string(),
        "eligible.leader.replicas.version could not be set to 1 because it depends on metadata.version level 23"
    );
    assert_eq!(elr.validate(0, &at(7)), Ok(()));
    assert_eq!(
        elr.validate(2, &at(33)).unwrap_err().to_string(),
        "No feature:eligible.leader.replicas.version with feature level 2"
    );
}
