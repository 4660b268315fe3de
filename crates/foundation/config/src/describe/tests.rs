//! DescribeConfigs as Kafka answers it: values, sources, synonyms, what shows and what does not.

use super::*;
use crate::properties::Properties;
use crate::server::ServerConfig;
use ConfigSource::{Default, DynamicBroker, DynamicDefaultBroker, DynamicTopic, Group, StaticBroker};

/// A broker with a file and dynamic settings.
struct Broker {
    own: Config,
    all_brokers: Overrides,
    this_broker: Overrides,
}

impl Broker {
    fn with(file: &str) -> Self {
        let text = format!(
            "process.roles=broker,controller\nnode.id=1\ncontroller.listener.names=C\nlisteners=PLAINTEXT://:1,C://:2\n\
             controller.quorum.bootstrap.servers=h:1\n{file}"
        );
        let (server, _) = ServerConfig::load(&Properties::parse(text.as_bytes(), "f").unwrap()).unwrap();
        Broker {
            own: server.config,
            all_brokers: Overrides::new(),
            this_broker: Overrides::new(),
        }
    }

    fn all(mut self, key: &str, value: &str) -> Self {
        self.all_brokers.insert(key.to_string(), value.to_string());
        self
    }

    fn this(mut self, key: &str, value: &str) -> Self {
        self.this_broker.insert(key.to_string(), value.to_string());
        self
    }

    fn layers(&self) -> BrokerLayers<'_> {
        BrokerLayers {
            own: &self.own,
            all_brokers: &self.all_brokers,
            this_broker: &self.this_broker,
        }
    }

    fn broker(&self, key: &str) -> Option<Entry> {
        only(broker(&self.layers(), Some(&[key.to_string()])))
    }

    fn topic(&self, key: &str, own: &[(&str, &str)]) -> Option<Entry> {
        only(topic(&self.layers(), &overrides(own), Some(&[key.to_string()])))
    }

    fn group(&self, key: &str, own: &[(&str, &str)]) -> Option<Entry> {
        only(group(&self.layers(), &overrides(own), Some(&[key.to_string()])))
    }
}

fn only(mut entries: Vec<Entry>) -> Option<Entry> {
    assert!(entries.len() <= 1, "{entries:?}");
    entries.pop()
}

fn overrides(settings: &[(&str, &str)]) -> Overrides {
    settings
        .iter()
        .map(|(key, value)| (key.to_string(), value.to_string()))
        .collect()
}

type Told<'a> = (
    Option<&'a str>,
    ConfigSource,
    Vec<(&'a str, Option<&'a str>, ConfigSource)>,
);

/// Value, source and synonyms of an entry.
fn told(entry: &Option<Entry>) -> Told<'_> {
    let entry = entry.as_ref().expect("the key shows");
    let synonyms = entry
        .synonyms
        .iter()
        .map(|synonym| (synonym.name.as_str(), synonym.value.as_deref(), synonym.source));
    (entry.value.as_deref(), entry.source, synonyms.collect())
}

#[test]
fn a_default_is_its_own_synonym() {
    let entry = Broker::with("").broker("num.partitions");
    assert_eq!(
        told(&entry),
        (Some("1"), Default, vec![("num.partitions", Some("1"), Default)])
    );
    let entry = entry.unwrap();
    assert!(entry.is_default() && entry.read_only && !entry.is_sensitive);
    assert_eq!(
        (entry.type_code(), entry.documentation),
        (3, Some(broker_keys().get("num.partitions").unwrap().doc))
    );
}

#[test]
fn sources_rank_from_this_broker_down_to_the_default() {
    let node = Broker::with("log.cleaner.threads=2")
        .all("log.cleaner.threads", "3")
        .this("log.cleaner.threads", "4");
    let entry = node.broker("log.cleaner.threads");
    let key = "log.cleaner.threads";
    assert_eq!(
        told(&entry),
        (
            Some("4"),
            DynamicBroker,
            vec![
                (key, Some("4"), DynamicBroker),
                (key, Some("3"), DynamicDefaultBroker),
                (key, Some("2"), StaticBroker),
                (key, Some("1"), Default),
            ]
        )
    );
    assert!(!entry.unwrap().read_only);
}

#[test]
fn an_unset_key_shows_without_value() {
    let entry = Broker::with("").broker("broker.rack");
    assert_eq!(told(&entry), (None, Default, vec![]));
}

#[test]
fn lists_are_joined_and_the_text_as_written_stays_in_the_synonym() {
    let node = Broker::with("log.dirs= /a , /b");
    let entry = node.broker("log.dirs");
    assert_eq!(
        told(&entry),
        (
            Some("/a,/b"),
            StaticBroker,
            vec![("log.dirs", Some("/a , /b"), StaticBroker)]
        )
    );
    let entry = node.broker("log.cleaner.io.max.bytes.per.second");
    assert_eq!(entry.unwrap().value.as_deref(), Some("1.7976931348623157E308"));
}

#[test]
fn synonyms_come_by_source_and_then_by_rank() {
    let node = Broker::with("log.retention.hours=2\nlog.retention.minutes=90");
    let hours = node.broker("log.retention.hours");
    assert_eq!(
        told(&hours),
        (
            Some("2"),
            StaticBroker,
            vec![
                ("log.retention.hours", Some("2"), StaticBroker),
                ("log.retention.hours", Some("168"), Default)
            ]
        )
    );
    // Kafka tells synonyms from the key itself on, so nothing is left where only lower ranks are set.
    assert_eq!(told(&node.broker("log.retention.ms")), (None, Default, vec![]));
    let node = Broker::with("log.retention.hours=2").all("log.retention.ms", "5");
    let ms = node.broker("log.retention.ms");
    assert_eq!(
        told(&ms),
        (
            Some("5"),
            DynamicDefaultBroker,
            vec![
                ("log.retention.ms", Some("5"), DynamicDefaultBroker),
                ("log.retention.hours", Some("2"), StaticBroker),
                ("log.retention.hours", Some("168"), Default),
            ]
        )
    );
}

#[test]
fn secrets_and_keys_nobody_knows_show_without_value() {
    let node = Broker::with("my.plugin.key=v\nssl.key.password=secret");
    let entry = node.broker("ssl.key.password");
    assert_eq!(
        told(&entry),
        (None, StaticBroker, vec![("ssl.key.password", None, StaticBroker)])
    );
    assert!(entry.unwrap().is_sensitive);
    let entry = node.broker("my.plugin.key").unwrap();
    assert_eq!(
        (entry.value, entry.is_sensitive, entry.read_only, entry.config_type),
        (None, true, true, None)
    );
    assert_eq!((entry.source, entry.documentation), (StaticBroker, None));
}

#[test]
fn internal_keys_show_only_where_they_are_set() {
    assert_eq!(Broker::with("").broker("log.initial.task.delay.ms"), None);
    let entry = Broker::with("log.initial.task.delay.ms=5").broker("log.initial.task.delay.ms");
    assert_eq!(entry.unwrap().value.as_deref(), Some("5"));
    let shown = broker(&Broker::with("").layers(), None);
    let expected = broker_keys().iter().filter(|key| !key.internal).count();
    assert_eq!(shown.len(), expected);
    assert_eq!(
        broker(&Broker::with("").layers(), Some(&[])).len(),
        expected,
        "asking for no keys asks for all"
    );
}

#[test]
fn a_setting_of_one_listener_goes_before_that_of_all() {
    let node = Broker::with("listener.name.c.max.connections=5\nmax.connections=7");
    let entry = node.broker("listener.name.c.max.connections");
    assert_eq!(
        told(&entry),
        (
            Some("5"),
            StaticBroker,
            vec![
                ("listener.name.c.max.connections", Some("5"), StaticBroker),
                ("max.connections", Some("7"), StaticBroker),
                ("max.connections", Some("2147483647"), Default),
            ]
        )
    );
    assert_eq!(entry.unwrap().config_type, Some(ConfigType::Int));
}

#[test]
fn all_brokers_are_described_by_what_is_set_for_them() {
    let node = Broker::with("log.cleaner.threads=2")
        .all("log.cleaner.threads", "3")
        .this("log.cleaner.threads", "4");
    let entry = only(all_brokers(&node.layers(), None));
    assert_eq!(
        told(&entry),
        (
            Some("3"),
            DynamicDefaultBroker,
            vec![("log.cleaner.threads", Some("3"), DynamicDefaultBroker)]
        )
    );
}

#[test]
fn a_throttle_shows_where_it_is_set() {
    assert_eq!(Broker::with("").broker("leader.replication.throttled.rate"), None);
    let entry = Broker::with("")
        .this("leader.replication.throttled.rate", "9")
        .broker("leader.replication.throttled.rate");
    let entry = entry.unwrap();
    assert_eq!(
        (entry.value.as_deref(), entry.source, entry.read_only),
        (Some("9"), DynamicBroker, false)
    );
}

#[test]
fn a_topic_tells_its_own_setting_and_those_of_the_broker() {
    let node = Broker::with("log.segment.bytes=2000000").all("log.segment.bytes", "3000000");
    let entry = node.topic("segment.bytes", &[]);
    let below = vec![
        ("log.segment.bytes", Some("3000000"), DynamicDefaultBroker),
        ("log.segment.bytes", Some("2000000"), StaticBroker),
        ("log.segment.bytes", Some("1073741824"), Default),
    ];
    assert_eq!(told(&entry), (Some("3000000"), DynamicDefaultBroker, below.clone()));
    let entry = node.topic("segment.bytes", &[("segment.bytes", "4000000")]);
    let mut own = vec![("segment.bytes", Some("4000000"), DynamicTopic)];
    own.extend(below);
    assert_eq!(told(&entry), (Some("4000000"), DynamicTopic, own));
    assert!(!entry.unwrap().read_only);
}

#[test]
fn a_topic_s_retention_in_hours_is_told_as_kafka_tells_it() {
    // The value is in force, and yet the source says default, for synonyms count from `log.retention.ms` on.
    let entry = Broker::with("log.retention.hours=1").topic("retention.ms", &[]);
    assert_eq!(told(&entry), (Some("3600000"), Default, vec![]));
}

#[test]
fn a_topic_shows_all_its_keys_but_internal_ones() {
    let shown = topic(&Broker::with("").layers(), &overrides(&[]), None);
    assert_eq!(shown.len(), topic_keys().iter().filter(|key| !key.internal).count());
    assert!(
        shown
            .iter()
            .all(|entry| entry.source == Default && entry.config_type.is_some() && entry.documentation.is_some())
    );
    let entry = Broker::with("").topic("internal.segment.bytes", &[("internal.segment.bytes", "1000")]);
    assert_eq!(entry.unwrap().value.as_deref(), Some("1000"));
    let entry = Broker::with("").topic("leader.replication.throttled.replicas", &[]);
    assert_eq!(told(&entry), (Some(""), Default, vec![]));
}

#[test]
fn a_group_tells_its_own_setting_and_that_of_the_broker() {
    let key = "consumer.session.timeout.ms";
    let node = Broker::with("group.consumer.session.timeout.ms=50000");
    let below = vec![
        ("group.consumer.session.timeout.ms", Some("50000"), StaticBroker),
        ("group.consumer.session.timeout.ms", Some("45000"), Default),
    ];
    assert_eq!(
        told(&node.group(key, &[])),
        (Some("50000"), StaticBroker, below.clone())
    );
    let mut own = vec![(key, Some("46000"), Group)];
    own.extend(below);
    assert_eq!(told(&node.group(key, &[(key, "46000")])), (Some("46000"), Group, own));
    let entry = node.group("share.isolation.level", &[]);
    let default = vec![("share.isolation.level", Some("read_uncommitted"), Default)];
    assert_eq!(told(&entry), (Some("read_uncommitted"), Default, default));
    assert_eq!(
        node.group("streams.assignor.name", &[]).unwrap().value.as_deref(),
        Some("sticky")
    );
}

#[test]
fn an_internal_key_of_a_group_shows_if_its_broker_key_is_set() {
    let key = "streams.num.warmup.replicas";
    assert_eq!(Broker::with("").group(key, &[]), None);
    let entry = Broker::with("group.streams.num.warmup.replicas=3").group(key, &[]);
    assert_eq!(entry.unwrap().value.as_deref(), Some("3"));
    assert_eq!(
        Broker::with("").group(key, &[(key, "4")]).unwrap().value.as_deref(),
        Some("4")
    );
}

#[test]
fn a_client_metrics_subscription_shows_defaults_and_settings() {
    let shown = client_metrics(&overrides(&[("interval.ms", "100")]), None);
    let values: Vec<Told<'_>> = shown
        .iter()
        .map(|entry| (entry.value.as_deref(), entry.source, vec![]))
        .collect();
    assert_eq!(
        values,
        [
            (Some("100"), ConfigSource::ClientMetrics, vec![]),
            (Some(""), Default, vec![]),
            (Some(""), Default, vec![])
        ]
    );
}

#[test]
fn a_created_topic_is_told_where_its_values_come_from() {
    let node = Broker::with("log.retention.hours=1\nlog.segment.bytes=2000000").this("log.roll.hours", "2");
    let entries = created_topic(&node.layers(), &overrides(&[("flush.ms", "7")]));
    let entry = |key: &str| {
        let entry = entries.iter().find(|entry| entry.name == key).unwrap();
        (entry.value.as_deref(), entry.source)
    };
    assert_eq!(entry("retention.ms"), (Some("3600000"), StaticBroker));
    assert_eq!(entry("segment.ms"), (Some("7200000"), DynamicBroker));
    assert_eq!(entry("segment.bytes"), (Some("2000000"), StaticBroker));
    assert_eq!(entry("flush.ms"), (Some("7"), DynamicTopic));
    assert_eq!(entry("min.insync.replicas"), (Some("1"), Default));
}
