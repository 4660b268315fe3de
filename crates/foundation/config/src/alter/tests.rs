//! What may be changed, and what Kafka says where it may not.

use super::*;
use crate::config::Config;
use crate::dynamic::BrokerLayers;
use crate::keys::topic_keys;
use crate::properties::Properties;
use crate::server::ServerConfig;
use AlterOperation::{Append, Delete, Set, Subtract};

fn node(file: &str) -> Config {
    let text = format!(
        "process.roles=broker,controller\nnode.id=1\ncontroller.listener.names=C\nlisteners=PLAINTEXT://:1,C://:2\n\
         controller.quorum.bootstrap.servers=h:1\n{file}"
    );
    ServerConfig::load(&Properties::parse(text.as_bytes(), "f").unwrap())
        .unwrap()
        .0
        .config
}

fn overrides(settings: &[(&str, &str)]) -> Overrides {
    settings
        .iter()
        .map(|(key, value)| (key.to_string(), value.to_string()))
        .collect()
}

fn invalid_config(text: &str) -> Result<(), AlterError> {
    Err(AlterError::InvalidConfig(text.to_string()))
}

fn invalid_request(text: &str) -> Result<(), AlterError> {
    Err(AlterError::InvalidRequest(text.to_string()))
}

#[test]
fn operations_set_delete_append_and_subtract() {
    let table = topic_keys();
    let now = overrides(&[("cleanup.policy", "compact")]);
    let after = |key: &str, operation, value| altered(table, &now, key, operation, value).unwrap();
    assert_eq!(after("retention.ms", Set, Some("5")).as_deref(), Some("5"));
    assert_eq!(after("cleanup.policy", Delete, None), None);
    assert_eq!(
        after("cleanup.policy", Append, Some("delete,compact")).as_deref(),
        Some("compact,delete")
    );
    assert_eq!(
        after("cleanup.policy", Subtract, Some("compact,delete")).as_deref(),
        Some("")
    );
    // A list that is not set begins with its default.
    let unset = overrides(&[]);
    let appended = altered(table, &unset, "cleanup.policy", Append, Some("compact")).unwrap();
    assert_eq!(appended.as_deref(), Some("delete,compact"));
    for (key, operation, name) in [
        ("retention.ms", Append, "APPEND"),
        ("no.such.key", Subtract, "SUBTRACT"),
    ] {
        let text = format!("Can't {name} to key {key} because its type is not LIST.");
        assert_eq!(
            altered(table, &now, key, operation, Some("1")),
            Err(AlterError::InvalidConfig(text))
        );
    }
    assert_eq!(
        (0..5).map(AlterOperation::from_id).collect::<Vec<_>>(),
        [Some(Set), Some(Delete), Some(Append), Some(Subtract), None]
    );
}

#[test]
fn a_topic_takes_what_its_keys_take() {
    let broker = node("");
    let check = |new: &[(&str, &str)]| validate_topic(&broker, &overrides(&[]), &overrides(new));
    assert_eq!(check(&[]), Ok(()));
    assert_eq!(
        check(&[
            ("retention.ms", "-1"),
            ("cleanup.policy", "delete,compact"),
            ("segment.bytes", "1048576")
        ]),
        Ok(())
    );
    assert_eq!(check(&[("cleanup.policy", "")]), Ok(()));
    assert_eq!(
        check(&[("retention.m", "1")]),
        invalid_config("Unknown topic config name: retention.m")
    );
    assert_eq!(
        check(&[("retention.ms", "soon")]),
        invalid_config("Invalid value soon for configuration retention.ms: Not a number of type LONG")
    );
    assert_eq!(
        check(&[("segment.bytes", "14")]),
        invalid_config("Invalid value 14 for configuration segment.bytes: Value must be at least 1048576")
    );
    assert_eq!(
        check(&[("min.compaction.lag.ms", "5"), ("max.compaction.lag.ms", "4")]),
        invalid_config("conflict topic config setting min.compaction.lag.ms (5) > max.compaction.lag.ms (4)")
    );
    let strict = node("log.cleaner.max.compaction.lag.ms=3");
    assert!(validate_topic(&strict, &overrides(&[]), &overrides(&[("min.compaction.lag.ms", "4")])).is_err());
}

#[test]
fn a_topic_does_not_get_tiered_storage() {
    let broker = node("");
    let check = |old: &[(&str, &str)], new: &[(&str, &str)]| {
        validate_topic(&broker, &overrides(old), &overrides(new)).map_err(|error| error.to_string())
    };
    let on = [("remote.storage.enable", "true")];
    assert!(
        check(&[], &on)
            .unwrap_err()
            .starts_with("Tiered Storage functionality is disabled in the broker.")
    );
    // One that has it, from another cluster, keeps it or gives it up with what is stored.
    assert!(
        check(&on, &[])
            .unwrap_err()
            .starts_with("It is invalid to disable remote storage without deleting remote data.")
    );
    assert_eq!(check(&on, &[("remote.log.delete.on.disable", "true")]), Ok(()));
}

struct Broker {
    own: Config,
    all_brokers: Overrides,
    this_broker: Overrides,
}

impl Broker {
    fn with(file: &str) -> Self {
        Broker {
            own: node(file),
            all_brokers: Overrides::new(),
            this_broker: Overrides::new(),
        }
    }

    fn check(&self, for_one: bool, new: &[(&str, &str)]) -> Result<(), AlterError> {
        let layers = BrokerLayers {
            own: &self.own,
            all_brokers: &self.all_brokers,
            this_broker: &self.this_broker,
        };
        validate_broker(&layers, for_one, &overrides(new))
    }
}

#[test]
fn a_broker_changes_only_what_may_change() {
    let broker = Broker::with("");
    for for_one in [true, false] {
        assert_eq!(
            broker.check(for_one, &[("log.retention.ms", "5"), ("log.cleaner.threads", "2")]),
            Ok(())
        );
        assert_eq!(
            broker.check(for_one, &[("leader.replication.throttled.rate", "5")]),
            Ok(())
        );
        assert_eq!(broker.check(for_one, &[("somebody.s.plugin", "x")]), Ok(()));
        assert_eq!(
            broker.check(
                for_one,
                &[
                    ("num.partitions", "5"),
                    ("log.retention.hours", "1"),
                    ("log.retention.ms", "1")
                ]
            ),
            invalid_request("Cannot update these configs dynamically: [log.retention.hours, num.partitions]")
        );
        assert_eq!(
            broker.check(for_one, &[("ssl.keystore.location", "/k")]),
            invalid_request(
                "These security configs can be dynamically updated only per-listener using the listener prefix: [ssl.keystore.location]"
            )
        );
        assert_eq!(
            broker.check(for_one, &[("log.retention.ms", "soon")]),
            invalid_request("Invalid value soon for configuration log.retention.ms: Not a number of type LONG")
        );
        assert_eq!(
            broker.check(for_one, &[("leader.replication.throttled.rate", "-1")]),
            invalid_request(
                "Invalid value -1 for configuration leader.replication.throttled.rate: Value must be at least 0"
            )
        );
        assert_eq!(
            broker.check(for_one, &[("listener.name.plaintext.max.connections", "many")]),
            invalid_request("Invalid value many for configuration max.connections: Not a number of type INT")
        );
    }
}

#[test]
fn some_keys_change_only_for_one_broker() {
    let broker = Broker::with("");
    let text = "Cannot update these configs at default cluster level, broker id must be specified: ";
    assert_eq!(broker.check(true, &[("sasl.kerberos.service.name", "kafka")]), Ok(()));
    let refused = invalid_request(&format!("{text}[sasl.kerberos.service.name]"));
    assert_eq!(broker.check(false, &[("sasl.kerberos.service.name", "kafka")]), refused);
    assert_eq!(
        broker.check(false, &[("listener.name.plaintext.max.connections", "5")]),
        Ok(())
    );
    let refused = invalid_request(&format!("{text}[listener.name.plaintext.ssl.keystore.type]"));
    assert_eq!(
        broker.check(false, &[("listener.name.plaintext.ssl.keystore.type", "PEM")]),
        refused
    );
}

#[test]
fn numbers_of_threads_change_step_by_step() {
    let broker = Broker::with("");
    let text = |value: i32, should: &str| {
        format!(
            "Invalid value org.apache.kafka.common.config.ConfigException: Dynamic thread count update validation failed \
             for num.io.threads={value}, value should {should} for configuration Invalid dynamic configuration"
        )
    };
    assert_eq!(broker.check(true, &[("num.io.threads", "16")]), Ok(()));
    assert_eq!(broker.check(true, &[("num.io.threads", "4")]), Ok(()));
    let refused = invalid_request(&text(17, "not be greater than double the current value 8"));
    assert_eq!(broker.check(true, &[("num.io.threads", "17")]), refused);
    let refused = invalid_request(&text(3, "be at least half the current value 8"));
    assert_eq!(broker.check(true, &[("num.io.threads", "3")]), refused);
}

#[test]
fn a_change_is_checked_together_with_what_stays() {
    let broker = Broker::with("log.retention.ms=1000\nlog.cleaner.max.compaction.lag.ms=9");
    let text = |error: Result<(), AlterError>| error.unwrap_err().to_string();
    let refused = text(broker.check(true, &[("log.local.retention.ms", "1001")]));
    assert!(
        refused.contains("Value must not be more than log.retention.ms property value: 1000"),
        "{refused}"
    );
    let refused = text(broker.check(true, &[("log.local.retention.ms", "-1")]));
    assert!(
        refused.contains("Value must not be -1 as log.retention.ms value is set as 1000."),
        "{refused}"
    );
    let refused = text(broker.check(true, &[("log.cleaner.min.compaction.lag.ms", "10")]));
    assert_eq!(
        refused,
        "`log.cleaner.min.compaction.lag.ms` must not be above `log.cleaner.max.compaction.lag.ms`"
    );
    let refused = text(broker.check(true, &[("listeners", "PLAINTEXT://:7,C://:2")]));
    assert!(refused.contains("Advertised listeners cannot be altered"), "{refused}");
}

#[test]
fn protection_that_is_not_there_is_refused_at_run_time_too() {
    let broker = Broker::with("");
    for key in [
        "sasl.enabled.mechanisms",
        "listener.name.plaintext.ssl.keystore.location",
        "sasl.jaas.config",
    ] {
        let refused = broker.check(true, &[(key, "x")]).unwrap_err().to_string();
        assert!(refused.ends_with("which is not supported yet"), "{refused}");
    }
}

#[test]
fn a_group_stays_within_the_limits_of_the_brokers() {
    let broker = node("");
    let check = |new: &[(&str, &str)]| validate_group(&broker, &overrides(new));
    assert_eq!(
        check(&[
            ("consumer.session.timeout.ms", "50000"),
            ("share.auto.offset.reset", "by_duration:PT1H")
        ]),
        Ok(())
    );
    assert_eq!(
        check(&[("session.timeout.ms", "5")]),
        invalid_config("Unknown group config name: session.timeout.ms")
    );
    assert_eq!(
        check(&[("consumer.session.timeout.ms", "44999")]),
        invalid_config("consumer.session.timeout.ms must be in the range 45000 to 60000 inclusive.")
    );
    assert_eq!(
        check(&[("streams.num.standby.replicas", "3")]),
        invalid_config("streams.num.standby.replicas must be less than or equal to 2")
    );
    assert_eq!(
        check(&[("streams.task.offset.interval.ms", "14999")]),
        invalid_config("streams.task.offset.interval.ms must be greater than or equal to 15000")
    );
    assert_eq!(
        check(&[("errors.deadletterqueue.topic.name", "__dlq")]),
        invalid_config("errors.deadletterqueue.topic.name: DLQ topic name must not start with '__'")
    );
    assert_eq!(
        check(&[("share.heartbeat.interval.ms", "0")]),
        invalid_config("Invalid value 0 for configuration share.heartbeat.interval.ms: Value must be at least 1")
    );
    let wide = node("group.consumer.max.heartbeat.interval.ms=50000");
    assert_eq!(
        validate_group(&wide, &overrides(&[("consumer.heartbeat.interval.ms", "45000")])),
        invalid_config("consumer.session.timeout.ms must be greater than consumer.heartbeat.interval.ms")
    );
}

#[test]
fn a_client_metrics_subscription_has_an_interval_and_patterns() {
    let check = |new: &[(&str, &str)]| validate_client_metrics("sub", &overrides(new));
    assert_eq!(
        check(&[
            ("interval.ms", "100"),
            ("metrics", "*"),
            ("match", "client_id=.*,client_source_port=1")
        ]),
        Ok(())
    );
    assert_eq!(
        check(&[("intervall", "1")]),
        invalid_request("Unknown client metrics configuration: intervall")
    );
    assert_eq!(
        check(&[("interval.ms", "99")]),
        invalid_request("Invalid value 99 for interval.ms, interval must be between 100 and 3600000 (1 hour)")
    );
    for pattern in ["client_id", "client_id=", "client=x", "client_id=a=b"] {
        assert_eq!(
            check(&[("match", pattern)]),
            invalid_config(&format!("Illegal client matching pattern: {pattern}"))
        );
    }
    assert_eq!(
        validate_client_metrics("", &overrides(&[])),
        invalid_request("Subscription name can't be empty")
    );
}
