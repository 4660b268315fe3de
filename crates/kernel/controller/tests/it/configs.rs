//! Changes of dynamic configuration.

use klamm_metadata::{ConfigResource, ConfigResourceType, MetadataRecord};
use klamm_protocol::ErrorCode;
use klamm_protocol::messages::{
    AlterConfigsRequest, IncrementalAlterConfigsRequest, alter_configs_request as legacy,
    incremental_alter_configs_request as incremental,
};

use crate::cluster::Cluster;

const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

fn resource(
    resource_type: ConfigResourceType,
    name: &str,
    ops: &[(&str, i8, &str)],
) -> incremental::AlterConfigsResource {
    let op = |&(name, config_operation, value): &(&str, i8, &str)| incremental::AlterableConfig {
        name: name.to_owned(),
        config_operation,
        value: (config_operation != DELETE).then(|| value.to_owned()),
        ..incremental::AlterableConfig::default()
    };
    incremental::AlterConfigsResource {
        resource_type: resource_type.0,
        resource_name: name.to_owned(),
        configs: ops.iter().map(op).collect(),
        ..incremental::AlterConfigsResource::default()
    }
}

fn alter(cluster: &mut Cluster, resources: Vec<incremental::AlterConfigsResource>) -> Vec<(ErrorCode, String)> {
    let request = IncrementalAlterConfigsRequest {
        resources,
        ..IncrementalAlterConfigsRequest::default()
    };
    let result = cluster.controller.incremental_alter_configs(&request).unwrap();
    let responses = cluster.apply(result).responses;
    responses
        .into_iter()
        .map(|r| (r.error_code, r.error_message.unwrap_or_default()))
        .collect()
}

fn ok() -> Vec<(ErrorCode, String)> {
    vec![(ErrorCode::NONE, String::new())]
}

#[test]
fn keys_are_set_extended_and_taken_away() {
    let mut cluster = Cluster::with_brokers(&[1]);
    cluster.topic("t", 1, 1);
    let topic = ConfigResource::topic("t");
    let ops = [("retention.ms", SET, "1000"), ("cleanup.policy", APPEND, "compact")];
    assert_eq!(
        alter(&mut cluster, vec![resource(ConfigResourceType::TOPIC, "t", &ops)]),
        ok()
    );
    assert_eq!(cluster.config_value(&topic, "retention.ms"), Some("1000"));
    assert_eq!(cluster.config_value(&topic, "cleanup.policy"), Some("delete,compact"));
    let before = cluster.log.len();
    let same = [("retention.ms", SET, "1000")];
    assert_eq!(
        alter(&mut cluster, vec![resource(ConfigResourceType::TOPIC, "t", &same)]),
        ok()
    );
    assert_eq!(cluster.log.len(), before, "nothing changed");
    let ops = [("retention.ms", DELETE, ""), ("cleanup.policy", SUBTRACT, "delete")];
    assert_eq!(
        alter(&mut cluster, vec![resource(ConfigResourceType::TOPIC, "t", &ops)]),
        ok()
    );
    assert_eq!(cluster.config_value(&topic, "retention.ms"), None);
    assert_eq!(cluster.config_value(&topic, "cleanup.policy"), Some("compact"));
    cluster.check();
}

#[test]
fn every_kind_of_resource_is_checked() {
    use ConfigResourceType as T;
    use ErrorCode as E;
    let mut cluster = Cluster::with_brokers(&[1, 2]);
    cluster.topic("t", 1, 1);
    let good = [
        (T::BROKER, "2", ("log.cleaner.threads", "2")),
        (T::BROKER, "", ("log.cleaner.threads", "2")),
        (T::CLIENT_METRICS, "m", ("interval.ms", "1000")),
        (T::GROUP, "g", ("consumer.session.timeout.ms", "50000")),
    ];
    for (kind, name, (key, value)) in good {
        assert_eq!(
            alter(&mut cluster, vec![resource(kind, name, &[(key, SET, value)])]),
            ok(),
            "{kind} {name}"
        );
        assert_eq!(cluster.config_value(&ConfigResource::new(kind, name), key), Some(value));
    }
    let bad = [
        (
            T::TOPIC,
            "",
            ("retention.ms", SET, "1"),
            E::INVALID_REQUEST,
            "Default topic resources are not allowed.",
        ),
        (
            T::TOPIC,
            "u",
            ("retention.ms", SET, "1"),
            E::UNKNOWN_TOPIC_OR_PARTITION,
            "The topic 'u' does not exist.",
        ),
        (
            T::TOPIC,
            "t",
            ("nope", SET, "1"),
            E::INVALID_CONFIG,
            "Unknown topic config name: nope",
        ),
        (
            T::TOPIC,
            "t",
            ("retention.ms", APPEND, "1"),
            E::INVALID_CONFIG,
            "Can't APPEND to key retention.ms because its type is not LIST.",
        ),
        (
            T::BROKER,
            "x",
            ("a", SET, "1"),
            E::INVALID_REQUEST,
            "Unable to parse broker name as a base 10 number.",
        ),
        (
            T::BROKER,
            "-2",
            ("a", SET, "1"),
            E::INVALID_REQUEST,
            "Invalid negative broker ID.",
        ),
        (
            T::BROKER,
            "9",
            ("a", SET, "1"),
            E::BROKER_ID_NOT_REGISTERED,
            "No node with id 9 found.",
        ),
        (
            T::BROKER_LOGGER,
            "1",
            ("a", SET, "INFO"),
            E::INVALID_REQUEST,
            "Unexpected resource type BROKER_LOGGER.",
        ),
        (
            T::GROUP,
            "",
            ("a", SET, "1"),
            E::INVALID_REQUEST,
            "Default group resources are not allowed.",
        ),
        (
            T(99),
            "",
            ("a", SET, "1"),
            E::UNSUPPORTED_VERSION,
            "Unknown resource type 99.",
        ),
    ];
    let before = cluster.log.len();
    for (kind, name, op, code, message) in bad {
        let outcome = alter(&mut cluster, vec![resource(kind, name, &[op])]);
        assert_eq!(outcome, [(code, message.to_owned())], "{kind} {name}");
    }
    let twice = resource(T::TOPIC, "t", &[("retention.ms", SET, "1")]);
    let outcome = alter(&mut cluster, vec![twice.clone(), twice]);
    assert_eq!(outcome, [(E::INVALID_REQUEST, "Duplicate resource.".to_owned())]);
    let unknown_operation = resource(T::TOPIC, "t", &[("retention.ms", 9, "1")]);
    assert_eq!(alter(&mut cluster, vec![unknown_operation])[0].0, E::INVALID_REQUEST);
    assert_eq!(cluster.log.len(), before);
    cluster.check();
}

#[test]
fn a_broker_may_be_told_the_same_again() {
    let mut cluster = Cluster::with_brokers(&[1]);
    let same = || {
        vec![resource(
            ConfigResourceType::BROKER,
            "1",
            &[("log.cleaner.threads", SET, "2")],
        )]
    };
    alter(&mut cluster, same());
    let before = cluster.log.len();
    alter(&mut cluster, same());
    assert_eq!(cluster.log.len(), before + 1);
    cluster.check();
}

#[test]
fn min_isr_is_one_for_all_brokers_while_elr_is_kept() {
    let mut cluster = Cluster::with_brokers(&[1, 2]);
    cluster.topic("t", 1, 2);
    let key = "min.insync.replicas";
    let of_broker = resource(ConfigResourceType::BROKER, "1", &[(key, SET, "2")]);
    let message = "Broker-level min.insync.replicas cannot be altered while ELR is enabled.".to_owned();
    assert_eq!(
        alter(&mut cluster, vec![of_broker]),
        [(ErrorCode::INVALID_CONFIG, message)]
    );
    let removed = resource(ConfigResourceType::BROKER, "", &[(key, DELETE, "")]);
    let message = "Cluster-level min.insync.replicas cannot be removed while ELR is enabled.".to_owned();
    assert_eq!(
        alter(&mut cluster, vec![removed]),
        [(ErrorCode::INVALID_CONFIG, message)]
    );

    let of_topic = resource(ConfigResourceType::TOPIC, "t", &[(key, SET, "2")]);
    assert_eq!(alter(&mut cluster, vec![of_topic]), ok());
    let MetadataRecord::ClearElr(clear) = cluster.log.last().unwrap() else {
        panic!("an ELR cleared")
    };
    assert_eq!(clear.topic_name, "t");
    // One of two fenced: the ISR is below the minimum, the other stays eligible.
    cluster.now_ms += 9_001;
    cluster.heartbeat(1, |_| {}).unwrap();
    cluster.tick();
    assert_eq!(cluster.leadership("t", 0), (1, &[1][..], &[2][..]));
    let of_cluster = resource(ConfigResourceType::BROKER, "", &[(key, SET, "1")]);
    assert_eq!(alter(&mut cluster, vec![of_cluster]), ok());
    assert_eq!(cluster.leadership("t", 0), (1, &[1][..], &[][..]));
    cluster.check();
}

#[test]
fn unclean_leaders_only_where_allowed() {
    let mut cluster = Cluster::started("3.9", &[]);
    cluster.start_broker(1);
    cluster.start_broker(2);
    cluster.topic("careful", 1, 2);
    cluster.topic("careless", 1, 2);
    let allow = [("unclean.leader.election.enable", SET, "true")];
    alter(
        &mut cluster,
        vec![resource(ConfigResourceType::TOPIC, "careless", &allow)],
    );
    for id in [2, 1] {
        let other = 3 - id;
        cluster.now_ms += 9_001;
        if cluster
            .image()
            .cluster()
            .broker(other)
            .is_some_and(|broker| !broker.fenced)
        {
            cluster.heartbeat(other, |_| {}).unwrap();
        }
        cluster.tick();
    }
    assert_eq!(cluster.leadership("careful", 0), (-1, &[1][..], &[][..]));
    cluster.heartbeat(2, |_| {}).unwrap();
    assert_eq!(cluster.leadership("careful", 0), (-1, &[1][..], &[][..]));
    assert_eq!(cluster.leadership("careless", 0), (2, &[2][..], &[][..]));
    cluster.heartbeat(1, |_| {}).unwrap();
    assert_eq!(cluster.leadership("careful", 0), (1, &[1][..], &[][..]));
    cluster.check();
}

#[test]
fn legacy_requests_replace_everything() {
    let mut cluster = Cluster::with_brokers(&[1]);
    cluster.topic("t", 1, 1);
    let set = |configs: &[(&str, &str)]| AlterConfigsRequest {
        resources: vec![legacy::AlterConfigsResource {
            resource_type: ConfigResourceType::TOPIC.0,
            resource_name: "t".to_owned(),
            configs: configs
                .iter()
                .map(|(name, value)| legacy::AlterableConfig {
                    name: (*name).to_owned(),
                    value: Some((*value).to_owned()),
                    ..legacy::AlterableConfig::default()
                })
                .collect(),
            ..legacy::AlterConfigsResource::default()
        }],
        ..AlterConfigsRequest::default()
    };
    let topic = ConfigResource::topic("t");
    let result = cluster
        .controller
        .alter_configs(&set(&[("retention.ms", "1"), ("segment.ms", "2")]))
        .unwrap();
    cluster.apply(result);
    let dry = AlterConfigsRequest {
        validate_only: true,
        ..set(&[("retention.ms", "3")])
    };
    assert_eq!(cluster.controller.alter_configs(&dry).unwrap().records, []);
    let result = cluster
        .controller
        .alter_configs(&set(&[("retention.ms", "1"), ("flush.ms", "3")]))
        .unwrap();
    let reply = cluster.apply(result);
    assert_eq!(reply.responses[0].error_code, ErrorCode::NONE);
    let keys: Vec<_> = cluster
        .image()
        .configs()
        .resource(&topic)
        .unwrap()
        .keys()
        .cloned()
        .collect();
    assert_eq!(keys, ["flush.ms", "retention.ms"]);
    let result = cluster
        .controller
        .alter_configs(&set(&[("retention.ms", "x")]))
        .unwrap();
    assert_eq!(cluster.apply(result).responses[0].error_code, ErrorCode::INVALID_CONFIG);
    cluster.check();
}
