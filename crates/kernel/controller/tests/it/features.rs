//! Feature levels up and down.

use klamm_metadata::{ConfigResource, MetadataVersion};
use klamm_protocol::ErrorCode;
use klamm_protocol::messages::update_features_request::FeatureUpdateKey;
use klamm_protocol::messages::{ControllerRegistrationRequest, UpdateFeaturesRequest, UpdateFeaturesResponse};

use crate::cluster::{Cluster, KRAFT_VERSION};

const UPGRADE: i8 = 1;
const SAFE_DOWNGRADE: i8 = 2;
const UNSAFE_DOWNGRADE: i8 = 3;

fn request(updates: &[(&str, i16, i8)]) -> UpdateFeaturesRequest {
    let update = |&(feature, max_version_level, upgrade_type): &(&str, i16, i8)| FeatureUpdateKey {
        feature: feature.to_owned(),
        max_version_level,
        upgrade_type,
        ..FeatureUpdateKey::default()
    };
    UpdateFeaturesRequest {
        feature_updates: updates.iter().map(update).collect(),
        ..UpdateFeaturesRequest::default()
    }
}

fn update(cluster: &mut Cluster, updates: &[(&str, i16, i8)]) -> UpdateFeaturesResponse {
    let result = cluster
        .controller
        .update_features(&request(updates), KRAFT_VERSION, false);
    cluster.apply(result)
}

#[test]
fn levels_rise_together() {
    let mut cluster = Cluster::started("3.9", &[("min.insync.replicas", "2")]);
    cluster.start_broker(1);
    let wanted = [
        ("metadata.version", 33, UPGRADE),
        ("eligible.leader.replicas.version", 1, UPGRADE),
        ("group.version", 1, UPGRADE),
    ];
    let dry = UpdateFeaturesRequest {
        validate_only: true,
        ..request(&wanted)
    };
    assert_eq!(
        cluster.controller.update_features(&dry, KRAFT_VERSION, false).records,
        []
    );
    let reply = update(&mut cluster, &wanted);
    assert_eq!((reply.error_code, reply.error_message), (ErrorCode::NONE, None));
    let features = cluster.image().features();
    assert_eq!(features.metadata_version(), Some(MetadataVersion::LATEST_PRODUCTION));
    assert_eq!(features.level("group.version"), 1);
    assert!(features.is_elr_enabled());
    let pinned = cluster.config_value(&ConfigResource::default_broker(), "min.insync.replicas");
    assert_eq!(pinned, Some("2"));
    let reply = update(&mut cluster, &[("group.version", 0, SAFE_DOWNGRADE)]);
    assert_eq!(reply.error_code, ErrorCode::NONE);
    assert_eq!(cluster.image().features().level("group.version"), 0);
    cluster.check();
}

#[test]
fn levels_that_nobody_can_have_are_refused() {
    let mut cluster = Cluster::started("3.9", &[]);
    cluster.start_broker(1);
    let prefix = "The update failed for all features since the following feature had an error: ";
    let cases = [
        (
            ("metadata.version", 34, UPGRADE),
            "Invalid update version 34 for feature metadata.version. Local controller 1 only supports versions 7-33",
        ),
        (
            ("metadata.version", 20, UPGRADE),
            "Invalid update version 20 for feature metadata.version. Can't downgrade the version of this feature \
             without setting the upgrade type to either safe or unsafe downgrade.",
        ),
        (
            ("metadata.version", 16, SAFE_DOWNGRADE),
            "Unsupported metadata.version downgrade from 21 to 16. Refusing to perform the requested downgrade because \
             it might delete metadata information.",
        ),
        (
            ("metadata.version", 16, UNSAFE_DOWNGRADE),
            "Unsupported metadata.version downgrade from 21 to 16. Unsafe metadata downgrade is not supported in this \
             version.",
        ),
        (
            ("metadata.version", 25, SAFE_DOWNGRADE),
            "Invalid update version 25 for feature metadata.version. Can't downgrade to a newer version.",
        ),
        (
            ("eligible.leader.replicas.version", 1, UPGRADE),
            "Invalid update version 1 for feature eligible.leader.replicas.version. \
             eligible.leader.replicas.version could not be set to 1 because it depends on metadata.version level 23",
        ),
        (
            ("no.such.version", 1, UPGRADE),
            "Invalid update version 1 for feature no.such.version. Local controller 1 does not support this feature.",
        ),
        (
            ("group.version", 1, 0),
            "Invalid update version 1 for feature group.version. The controller does not support the given upgrade \
             type.",
        ),
        (
            ("group.version", -1, SAFE_DOWNGRADE),
            "Invalid update version -1 for feature group.version. A feature version cannot be less than 0.",
        ),
        (
            ("kraft.version", 0, SAFE_DOWNGRADE),
            "Invalid update version 0 for feature kraft.version. Can't downgrade the version of this feature.",
        ),
    ];
    let before = cluster.log.len();
    for (wanted, message) in cases {
        let reply = update(&mut cluster, &[wanted]);
        assert_eq!(reply.error_code, ErrorCode::INVALID_UPDATE_VERSION);
        assert_eq!(reply.error_message.unwrap(), format!("{prefix}{message}"));
    }
    let mixed = update(
        &mut cluster,
        &[("group.version", 1, UPGRADE), ("metadata.version", 34, UPGRADE)],
    );
    assert_eq!(mixed.error_code, ErrorCode::INVALID_UPDATE_VERSION);
    assert_eq!(cluster.log.len(), before, "all or none");
    let reply = update(&mut cluster, &[("metadata.version", 20, SAFE_DOWNGRADE)]);
    assert_eq!(reply.error_code, ErrorCode::NONE, "nothing is lost");
    assert_eq!(
        update(&mut cluster, &[("kraft.version", 1, UPGRADE)]).error_code,
        ErrorCode::NONE
    );
    cluster.check();
}

#[test]
fn every_broker_has_to_support_the_level() {
    let mut cluster = Cluster::started("3.9", &[]);
    let mut old = cluster.registration(2, 20);
    for feature in old
        .features
        .iter_mut()
        .filter(|feature| feature.name == "metadata.version")
    {
        feature.max_supported_version = 25;
    }
    cluster.register(&old).unwrap();
    let reply = update(&mut cluster, &[("metadata.version", 33, UPGRADE)]);
    assert!(
        reply
            .error_message
            .unwrap()
            .ends_with("Broker 2 only supports versions 7-25")
    );
    assert_eq!(
        update(&mut cluster, &[("metadata.version", 25, UPGRADE)]).error_code,
        ErrorCode::NONE
    );
    cluster.check();
}

#[test]
fn older_replies_list_each_feature() {
    let cluster = Cluster::started("4.4", &[]);
    let result = cluster
        .controller
        .update_features(&request(&[("group.version", 1, UPGRADE)]), KRAFT_VERSION, true);
    assert_eq!(result.reply.results[0].feature, "group.version");
    assert_eq!(result.reply.results[0].error_code, ErrorCode::NONE);
}

#[test]
fn controllers_register() {
    let request = ControllerRegistrationRequest {
        controller_id: 7,
        ..ControllerRegistrationRequest::default()
    };
    let mut cluster = Cluster::started("4.4", &[]);
    let result = cluster.controller.register_controller(&request).unwrap();
    cluster.apply(result);
    assert!(cluster.image().cluster().controllers().contains_key(&7));
    cluster.check();
    let old = Cluster::started("3.6", &[]);
    assert_eq!(
        old.controller.register_controller(&request).unwrap_err().code,
        ErrorCode::UNSUPPORTED_VERSION
    );
}
