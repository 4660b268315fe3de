use super::*;

#[test]
fn levels_have_no_gaps() {
    for (index, known) in LEVELS.iter().enumerate() {
        assert_eq!(known.level, 7 + i16::try_from(index).unwrap());
        assert!(known.name.starts_with(known.release));
    }
    assert_eq!(MetadataVersion::all().last(), Some(MetadataVersion::LATEST_TESTING));
}

#[test]
fn names_are_levels_or_releases() {
    let level = |name| MetadataVersion::from_name(name).map(MetadataVersion::level);
    assert_eq!(level("4.4-IV2"), Some(33));
    assert_eq!(level("4.4-IV0"), Some(31));
    assert_eq!(level("4.4"), Some(33));
    assert_eq!(level("4.4.0"), Some(33));
    assert_eq!(level("3.7"), Some(19));
    assert_eq!(level("3.3"), Some(7));
    assert_eq!(level("3.3-IV0"), None);
    assert_eq!(level("4.5-IV0"), Some(34));
    assert_eq!(level("4.5"), None, "not in production yet");
    assert_eq!(level("2.8"), None);
    assert_eq!(level(""), None);
    assert_eq!(MetadataVersion::LATEST_PRODUCTION.to_string(), "4.4-IV2");
}

#[test]
fn a_downgrade_is_lossy_when_it_crosses_a_changing_level() {
    let v = |level| MetadataVersion::from_level(level).unwrap();
    assert!(MetadataVersion::metadata_changed_between(v(33), v(32)));
    assert!(!MetadataVersion::metadata_changed_between(v(31), v(30)));
    assert!(!MetadataVersion::metadata_changed_between(v(29), v(23)));
    assert!(MetadataVersion::metadata_changed_between(v(23), v(22)));
    assert!(!MetadataVersion::metadata_changed_between(v(33), v(33)));
}
