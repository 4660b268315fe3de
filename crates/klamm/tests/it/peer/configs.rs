//! Configuration of topics, brokers, groups and all else that has one.

use klamm_protocol::messages::*;

use super::pair::Pair;

const TOPIC: i8 = 2;
const BROKER: i8 = 4;
const BROKER_LOGGER: i8 = 8;
const CLIENT_METRICS: i8 = 16;
const GROUP: i8 = 32;

/// Values of topics' settings, good and bad.
pub(super) const TOPIC_VALUES: &[(&str, &str)] = &[
    ("retention.ms", "-1"),
    ("retention.ms", "-2"),
    ("retention.ms", "1.5"),
    ("retention.ms", ""),
    ("retention.bytes", "x"),
    ("retention.ms", "9223372036854775808"),
    ("cleanup.policy", "COMPACT"),
    ("cleanup.policy", ""),
    ("cleanup.policy", "none"),
    ("cleanup.policy", "delete,delete"),
    ("max.message.bytes", "-5"),
    ("max.message.bytes", "2147483648"),
    ("compression.type", "ZSTD"),
    ("compression.gzip.level", "0"),
    ("compression.zstd.level", "99"),
    ("message.timestamp.type", "Now"),
    ("min.insync.replicas", "0"),
    ("min.insync.replicas", "2"),
    ("segment.bytes", "13"),
    ("segment.ms", "0"),
    ("preallocate", "maybe"),
    ("min.cleanable.dirty.ratio", "1.5"),
    ("min.cleanable.dirty.ratio", "NaN"),
    ("message.format.version", "3.0"),
    ("follower.replication.throttled.replicas", "*"),
    ("follower.replication.throttled.replicas", "one"),
    ("remote.storage.enable", "true"),
    ("local.retention.ms", "5"),
    ("max.compaction.lag.ms", "0"),
    ("", "1"),
    ("No.Such", "1"),
];

pub(super) async fn ask(pair: &mut Pair) {
    let topic = pair
        .topic(
            "configured",
            1,
            &[("retention.ms", "1000"), ("segment.bytes", "1048576")],
        )
        .await;
    describe(pair, &topic).await;
    incremental(pair, &topic).await;
    operations(pair, &topic).await;
    alter(pair, &topic).await;
    loggers(pair).await;
    group_settings(pair).await;
    list(pair).await;
}

/// Resources of all kinds, there and not there.
fn resources(topic: &str) -> Vec<(&'static str, i8, String)> {
    [
        ("topic", TOPIC, topic),
        ("topic that is not there", TOPIC, "none"),
        ("topic without a name", TOPIC, ""),
        ("topic with a bad name", TOPIC, "a/b"),
        ("broker", BROKER, "1"),
        ("broker that is not there", BROKER, "7"),
        ("broker -1", BROKER, "-1"),
        ("default of brokers", BROKER, ""),
        ("broker x", BROKER, "x"),
        ("broker too large", BROKER, "99999999999"),
        ("logger", BROKER_LOGGER, "1"),
        ("logger of another broker", BROKER_LOGGER, "7"),
        ("logger without a name", BROKER_LOGGER, ""),
        ("logger x", BROKER_LOGGER, "x"),
        ("metrics", CLIENT_METRICS, "subscription"),
        ("metrics without a name", CLIENT_METRICS, ""),
        ("group", GROUP, "g"),
        ("group without a name", GROUP, ""),
        ("unknown kind", 0, "x"),
        ("kind 1", 1, "x"),
        ("kind 77", 77, "x"),
        ("kind -1", -1, "x"),
    ]
    .map(|(case, kind, name)| (case, kind, name.to_owned()))
    .to_vec()
}

fn describing(kind: i8, name: &str, keys: Option<&[&str]>) -> DescribeConfigsRequest {
    DescribeConfigsRequest {
        resources: vec![describe_configs_request::DescribeConfigsResource {
            resource_type: kind,
            resource_name: name.to_owned(),
            configuration_keys: keys.map(|keys| keys.iter().map(|key| (*key).to_owned()).collect()),
            ..Default::default()
        }],
        ..Default::default()
    }
}

async fn describe(pair: &mut Pair, topic: &str) {
    for (case, kind, name) in resources(topic) {
        pair.each(case, |_| describing(kind, &name, None)).await;
        pair.each(&format!("{case}, synonyms"), |_| DescribeConfigsRequest {
            include_synonyms: true,
            ..describing(kind, &name, None)
        })
        .await;
        pair.each(&format!("{case}, one key"), |_| {
            describing(kind, &name, Some(&["retention.ms", "nix", "node.id"]))
        })
        .await;
        pair.each(&format!("{case}, no keys"), |_| describing(kind, &name, Some(&[])))
            .await;
    }
    pair.each("documentation", |_| DescribeConfigsRequest {
        include_documentation: true,
        ..describing(TOPIC, topic, Some(&["retention.ms"]))
    })
    .await;
    pair.each("none", |_| DescribeConfigsRequest::default()).await;
    pair.each("twice", |_| {
        let mut request = describing(TOPIC, topic, Some(&["retention.ms"]));
        request.resources.push(request.resources[0].clone());
        request
    })
    .await;
}

type Change<'a> = (&'a str, i8, Option<&'a str>);

fn changing(kind: i8, name: &str, changes: &[Change<'_>]) -> IncrementalAlterConfigsRequest {
    let change = |(name, operation, value): &Change<'_>| incremental_alter_configs_request::AlterableConfig {
        name: (*name).to_owned(),
        config_operation: *operation,
        value: value.map(str::to_owned),
        ..Default::default()
    };
    IncrementalAlterConfigsRequest {
        resources: vec![incremental_alter_configs_request::AlterConfigsResource {
            resource_type: kind,
            resource_name: name.to_owned(),
            configs: changes.iter().map(change).collect(),
            ..Default::default()
        }],
        ..Default::default()
    }
}

async fn incremental(pair: &mut Pair, topic: &str) {
    for (case, kind, name) in resources(topic) {
        for (what, changes) in [
            ("nothing", &[][..]),
            ("a key of topics", &[("retention.ms", 0, Some("5"))]),
            ("a key that is not there", &[("nix", 0, Some("5"))]),
            ("delete", &[("retention.ms", 1, None)]),
        ] {
            for validate_only in [false, true] {
                let only = if validate_only { ", validate only" } else { "" };
                pair.each(&format!("{case}: {what}{only}"), |_| IncrementalAlterConfigsRequest {
                    validate_only,
                    ..changing(kind, &name, changes)
                })
                .await;
            }
        }
    }
    for (key, value) in TOPIC_VALUES {
        pair.each(&format!("{key}={value}"), |_| IncrementalAlterConfigsRequest {
            validate_only: true,
            ..changing(TOPIC, topic, &[(key, 0, Some(value))])
        })
        .await;
    }
    for (key, value) in [
        ("log.cleaner.threads", "2"),
        ("log.cleaner.threads", "0"),
        ("log.retention.ms", "-2"),
        ("log.retention.ms", "60000"),
        ("num.io.threads", "100"),
        ("num.io.threads", "x"),
        ("node.id", "3"),
        ("broker.id", "3"),
        ("log.dirs", "/nowhere"),
        ("listeners", "PLAINTEXT://127.0.0.1:1"),
        ("max.connections", "5000"),
        ("metric.reporters", "no.Such"),
        ("background.threads", "1"),
        ("unclean.leader.election.enable", "perhaps"),
        ("follower.replication.throttled.rate", "5"),
        ("leader.replication.throttled.rate", "-1"),
    ] {
        for name in ["1", ""] {
            let of = if name.is_empty() { "all brokers" } else { "a broker" };
            pair.each(&format!("{of}: {key}={value}"), |_| IncrementalAlterConfigsRequest {
                validate_only: true,
                ..changing(BROKER, name, &[(key, 0, Some(value))])
            })
            .await;
        }
    }
    pair.settle().await;
    pair.each("topic after changes", |_| describing(TOPIC, topic, None))
        .await;
}

/// Without operations that are not there and null to append: Apache Kafka's controller throws and resigns.
async fn operations(pair: &mut Pair, topic: &str) {
    const CHANGES: &[(&str, &[Change<'static>])] = &[
        ("set", &[("retention.ms", 0, Some("77"))]),
        ("set null", &[("retention.ms", 0, None)]),
        ("delete what is not set", &[("flush.ms", 1, None)]),
        ("delete with a value", &[("retention.ms", 1, Some("5"))]),
        ("append", &[("cleanup.policy", 2, Some("compact"))]),
        ("append again", &[("cleanup.policy", 2, Some("compact"))]),
        ("append to no list", &[("retention.ms", 2, Some("5"))]),
        ("append what is bad", &[("cleanup.policy", 2, Some("x"))]),
        ("subtract", &[("cleanup.policy", 3, Some("compact"))]),
        ("subtract what is not in it", &[("cleanup.policy", 3, Some("compact"))]),
        ("subtract the last", &[("cleanup.policy", 3, Some("delete"))]),
        ("subtract from no list", &[("retention.ms", 3, Some("5"))]),
        (
            "a key twice",
            &[("retention.ms", 0, Some("5")), ("retention.ms", 1, None)],
        ),
        (
            "good and bad",
            &[("flush.ms", 0, Some("5")), ("segment.ms", 0, Some("x"))],
        ),
    ];
    for (case, changes) in CHANGES {
        pair.each(case, |_| changing(TOPIC, topic, changes)).await;
        pair.settle().await;
        pair.each(&format!("after: {case}"), |_| {
            describing(TOPIC, topic, Some(&["cleanup.policy", "retention.ms", "flush.ms"]))
        })
        .await;
    }
    pair.each("resource twice", |_| {
        let mut request = changing(TOPIC, topic, &[("flush.ms", 0, Some("6"))]);
        request.resources.push(request.resources[0].clone());
        request
    })
    .await;
    pair.each("no resources", |_| IncrementalAlterConfigsRequest::default())
        .await;
}

/// Without a resource named twice: Apache Kafka never answers that.
async fn alter(pair: &mut Pair, topic: &str) {
    let replacing = |kind, name: &str, configs: &[(&str, Option<&str>)]| AlterConfigsRequest {
        resources: vec![alter_configs_request::AlterConfigsResource {
            resource_type: kind,
            resource_name: name.to_owned(),
            configs: configs
                .iter()
                .map(|(name, value)| alter_configs_request::AlterableConfig {
                    name: (*name).to_owned(),
                    value: value.map(str::to_owned),
                    ..Default::default()
                })
                .collect(),
            ..Default::default()
        }],
        ..Default::default()
    };
    for (case, kind, name) in resources(topic) {
        for (what, configs) in [
            ("nothing", &[][..]),
            ("a key of topics", &[("retention.ms", Some("5"))]),
            ("a key that is not there", &[("nix", Some("5"))]),
            ("null", &[("retention.ms", None)]),
            ("a key twice", &[("flush.ms", Some("5")), ("flush.ms", Some("6"))]),
        ] {
            pair.each(&format!("{case}: {what}"), |_| replacing(kind, &name, configs))
                .await;
        }
    }
    pair.settle().await;
    pair.each("topic replaced", |_| {
        describing(TOPIC, topic, Some(&["retention.ms", "cleanup.policy"]))
    })
    .await;
}

async fn loggers(pair: &mut Pair) {
    const CHANGES: &[(&str, &[Change<'static>])] = &[
        ("root to DEBUG", &[("root", 0, Some("DEBUG"))]),
        ("ROOT to WARN", &[("ROOT", 0, Some("WARN"))]),
        ("root deleted", &[("root", 1, None)]),
        ("kafka", &[("kafka", 0, Some("INFO"))]),
        ("level in lower case", &[("kafka", 0, Some("info"))]),
        ("no such level", &[("kafka", 0, Some("LOUD"))]),
        ("null", &[("kafka", 0, None)]),
        ("append", &[("kafka", 2, Some("INFO"))]),
        ("subtract", &[("kafka", 3, Some("INFO"))]),
        ("no such logger", &[("no.such.logger", 0, Some("INFO"))]),
        ("twice", &[("kafka", 0, Some("INFO")), ("kafka", 0, Some("WARN"))]),
        ("nothing", &[]),
        ("kafka deleted", &[("kafka", 1, None)]),
    ];
    for (case, changes) in CHANGES {
        pair.each(&format!("logger: {case}"), |_| changing(BROKER_LOGGER, "1", changes))
            .await;
        let case = format!("after logger: {case}");
        pair.each(&case, |_| {
            describing(BROKER_LOGGER, "1", Some(&["root", "kafka", "nix"]))
        })
        .await;
    }
}

async fn group_settings(pair: &mut Pair) {
    for (key, value) in [
        ("consumer.session.timeout.ms", "46000"),
        ("consumer.session.timeout.ms", "1"),
        ("consumer.session.timeout.ms", "x"),
        ("consumer.heartbeat.interval.ms", "6000"),
        ("share.auto.offset.reset", "earliest"),
        ("share.auto.offset.reset", "never"),
        ("share.record.lock.duration.ms", "1"),
        ("streams.num.standby.replicas", "1"),
        ("retention.ms", "1"),
    ] {
        let group = pair.name("group");
        pair.each(&format!("group: {key}={value}"), |_| {
            changing(GROUP, &group, &[(key, 0, Some(value))])
        })
        .await;
        pair.settle().await;
        pair.each(&format!("after group: {key}={value}"), |_| DescribeConfigsRequest {
            include_synonyms: true,
            ..describing(GROUP, &group, Some(&[key]))
        })
        .await;
    }
    for (key, value) in [
        ("interval.ms", "5000"),
        ("interval.ms", "5"),
        ("metrics", "org.apache.kafka.producer."),
        ("match", "client_id=x"),
        ("match", "nix=x"),
        ("match", "["),
    ] {
        let subscription = pair.name("subscription");
        let case = format!("metrics: {key}={value}");
        pair.each(&case, |_| {
            changing(CLIENT_METRICS, &subscription, &[(key, 0, Some(value))])
        })
        .await;
        pair.settle().await;
        pair.each(&format!("after {case}"), |_| {
            describing(CLIENT_METRICS, &subscription, None)
        })
        .await;
        pair.each(&format!("{case} deleted"), |_| {
            changing(CLIENT_METRICS, &subscription, &[(key, 1, None)])
        })
        .await;
    }
}

async fn list(pair: &mut Pair) {
    for kind in [TOPIC, BROKER, BROKER_LOGGER, CLIENT_METRICS, GROUP, 0, 1, 77, -1] {
        pair.each(&format!("kind {kind}"), |_| ListConfigResourcesRequest {
            resource_types: vec![kind],
            ..Default::default()
        })
        .await;
    }
    pair.each("all kinds", |_| ListConfigResourcesRequest::default()).await;
    pair.each("a kind twice", |_| ListConfigResourcesRequest {
        resource_types: vec![GROUP, GROUP],
        ..Default::default()
    })
    .await;
}
