//! Configs of topics and brokers.

use klamm_protocol::messages::*;

use super::{BROKER, TOPIC};
use crate::answers::Answers;
use crate::client::*;
use crate::node::Broker;

async fn alter(
    connection: &mut Connection,
    (resource_type, name): (i8, &str),
    configs: &[(&str, i8, Option<&str>)],
) -> String {
    let config = |&(name, config_operation, value): &(&str, i8, Option<&str>)| {
        incremental_alter_configs_request::AlterableConfig {
            name: name.to_owned(),
            config_operation,
            value: value.map(str::to_owned),
            ..Default::default()
        }
    };
    let resource = incremental_alter_configs_request::AlterConfigsResource {
        resource_type,
        resource_name: name.to_owned(),
        configs: configs.iter().map(config).collect(),
        ..Default::default()
    };
    let reply = connection
        .call(&IncrementalAlterConfigsRequest {
            resources: vec![resource],
            ..Default::default()
        })
        .await;
    let errors: Vec<_> = reply
        .responses
        .iter()
        .map(|response| response.error_code.name())
        .collect();
    errors.join(" ")
}

async fn describe(connection: &mut Connection, resource_type: i8, name: &str, key: &str) -> String {
    let resource = describe_configs_request::DescribeConfigsResource {
        resource_type,
        resource_name: name.to_owned(),
        configuration_keys: Some(vec![key.to_owned()]),
        ..Default::default()
    };
    let reply = connection
        .call(&DescribeConfigsRequest {
            resources: vec![resource],
            ..Default::default()
        })
        .await;
    let result = &reply.results[0];
    match result.configs.first() {
        None => result.error_code.name().to_owned(),
        Some(config) => {
            format!(
                "{} {:?} from {}",
                result.error_code.name(),
                config.value.as_deref(),
                config.config_source
            )
        }
    }
}

#[tokio::test]
async fn alter_configs_answers_as_kafka_does() {
    const SET: i8 = 0;
    const DELETE: i8 = 1;
    const APPEND: i8 = 2;
    const SUBTRACT: i8 = 3;
    let broker = Broker::start().await;
    let mut node = broker.connect().await;
    let (t, nowhere) = (unique("t"), unique("nowhere"));
    node.create(&t, 1).await;
    let mut answers = Answers::to("IncrementalAlterConfigs");
    for (question, resource, configs, kafka) in [
        (
            "an unknown topic",
            (TOPIC, &*nowhere),
            vec![("retention.ms", SET, Some("1"))],
            "UNKNOWN_TOPIC_OR_PARTITION",
        ),
        (
            "an invalid topic",
            (TOPIC, "a/b"),
            vec![("retention.ms", SET, Some("1"))],
            "INVALID_TOPIC_EXCEPTION",
        ),
        (
            "an empty topic",
            (TOPIC, ""),
            vec![("retention.ms", SET, Some("1"))],
            "INVALID_REQUEST",
        ),
        (
            "an unknown key",
            (TOPIC, &*t),
            vec![("no.such.key", SET, Some("1"))],
            "INVALID_CONFIG",
        ),
        (
            "no number",
            (TOPIC, &*t),
            vec![("retention.ms", SET, Some("soon"))],
            "INVALID_CONFIG",
        ),
        (
            "too small",
            (TOPIC, &*t),
            vec![("segment.bytes", SET, Some("1"))],
            "INVALID_CONFIG",
        ),
        (
            "null",
            (TOPIC, &*t),
            vec![("retention.ms", SET, None)],
            "INVALID_REQUEST",
        ),
        (
            "append to no list",
            (TOPIC, &*t),
            vec![("retention.ms", APPEND, Some("1"))],
            "INVALID_CONFIG",
        ),
        (
            "the same key twice",
            (TOPIC, &*t),
            vec![("retention.ms", SET, Some("1")), ("retention.ms", DELETE, None)],
            "INVALID_REQUEST",
        ),
        ("nothing", (TOPIC, &*t), vec![], "NONE"),
        (
            "delete what is not set",
            (TOPIC, &*t),
            vec![("retention.ms", DELETE, None)],
            "NONE",
        ),
        (
            "set",
            (TOPIC, &*t),
            vec![("retention.ms", SET, Some("86400000"))],
            "NONE",
        ),
        (
            "append to a list",
            (TOPIC, &*t),
            vec![("cleanup.policy", APPEND, Some("compact"))],
            "NONE",
        ),
        (
            "an unknown resource type",
            (77, "x"),
            vec![("a", SET, Some("1"))],
            "INVALID_REQUEST",
        ),
        (
            "another broker",
            (BROKER, "77"),
            vec![("log.cleaner.threads", SET, Some("2"))],
            "INVALID_REQUEST",
        ),
        (
            "a broker that is no number",
            (BROKER, "x"),
            vec![("log.cleaner.threads", SET, Some("2"))],
            "INVALID_REQUEST",
        ),
        (
            "a key that can't change",
            (BROKER, "1"),
            vec![("broker.id", SET, Some("2"))],
            "INVALID_REQUEST",
        ),
        (
            "a key per broker for all",
            (BROKER, ""),
            vec![("listeners", SET, Some("PLAINTEXT://:1"))],
            "INVALID_REQUEST",
        ),
        (
            "an unknown key of a broker",
            (BROKER, ""),
            vec![("my.own.key", SET, Some("2"))],
            "NONE",
        ),
        (
            "no number for a broker",
            (BROKER, ""),
            vec![("log.cleaner.threads", SET, Some("x"))],
            "INVALID_REQUEST",
        ),
        (
            "a value of all brokers",
            (BROKER, ""),
            vec![("log.retention.ms", SET, Some("77777777"))],
            "NONE",
        ),
    ] {
        answers.row(question, alter(&mut node, resource, &configs).await, kafka);
    }
    // A broker may answer before it has seen what it has decided itself.
    tokio::time::sleep(std::time::Duration::from_millis(if broker.is_ours() { 0 } else { 500 })).await;
    let set = describe(&mut node, TOPIC, &t, "retention.ms").await;
    answers.row("what is set", set, "NONE Some(\"86400000\") from 1");
    let appended = describe(&mut node, TOPIC, &t, "cleanup.policy").await;
    answers.row("what is appended", appended, "NONE Some(\"delete,compact\") from 1");
    let answer = alter(&mut node, (TOPIC, &t), &[("cleanup.policy", SUBTRACT, Some("delete"))]).await;
    answers.row("subtract from a list", answer, "NONE");
    let answer = alter(&mut node, (TOPIC, &t), &[("retention.ms", DELETE, None)]).await;
    answers.row("delete what is set", answer, "NONE");
    tokio::time::sleep(std::time::Duration::from_millis(if broker.is_ours() { 0 } else { 500 })).await;
    let subtracted = describe(&mut node, TOPIC, &t, "cleanup.policy").await;
    answers.row("what is left", subtracted, "NONE Some(\"compact\") from 1");
    let inherited = describe(&mut node, TOPIC, &t, "retention.ms").await;
    answers.row("what the topic inherits", inherited, "NONE Some(\"77777777\") from 3");
    let answer = alter(
        &mut node,
        (BROKER, ""),
        &[("log.retention.ms", DELETE, None), ("my.own.key", DELETE, None)],
    )
    .await;
    answers.row("and no more", answer, "NONE");
    tokio::time::sleep(std::time::Duration::from_millis(if broker.is_ours() { 0 } else { 500 })).await;
    let default = describe(&mut node, TOPIC, &t, "retention.ms").await;
    answers.row("the default", default, "NONE Some(\"604800000\") from 5");
    answers.done();
}

#[tokio::test]
async fn describe_configs_answers_as_kafka_does() {
    let broker = Broker::start().await;
    let mut node = broker.connect().await;
    let t = unique("t");
    node.create(&t, 1).await;
    let mut answers = Answers::to("DescribeConfigs");
    for (question, resource_type, name, key, kafka) in [
        (
            "an unknown topic",
            TOPIC,
            "nowhere",
            "retention.ms",
            "UNKNOWN_TOPIC_OR_PARTITION",
        ),
        (
            "an invalid topic",
            TOPIC,
            "a/b",
            "retention.ms",
            "INVALID_TOPIC_EXCEPTION",
        ),
        ("an unknown key", TOPIC, &*t, "no.such.key", "NONE"),
        (
            "a topic's default",
            TOPIC,
            &*t,
            "max.message.bytes",
            "NONE Some(\"1048588\") from 5",
        ),
        (
            "a broker's default",
            BROKER,
            "1",
            "default.replication.factor",
            "NONE Some(\"1\") from 5",
        ),
        (
            "a broker's own",
            BROKER,
            "1",
            "offsets.topic.replication.factor",
            "NONE Some(\"1\") from 4",
        ),
        ("another broker", BROKER, "77", "num.partitions", "INVALID_REQUEST"),
        ("no number", BROKER, "x", "num.partitions", "INVALID_REQUEST"),
        ("all brokers, not set", BROKER, "", "num.partitions", "NONE"),
        ("an unknown resource type", 77, "x", "x", "INVALID_REQUEST"),
    ] {
        answers.row(question, describe(&mut node, resource_type, name, key).await, kafka);
    }
    for (resource_type, name, least) in [(TOPIC, t.as_str(), 30), (BROKER, "1", 200)] {
        let resource = describe_configs_request::DescribeConfigsResource {
            resource_type,
            resource_name: name.to_owned(),
            configuration_keys: None,
            ..Default::default()
        };
        let request = DescribeConfigsRequest {
            resources: vec![resource],
            include_synonyms: true,
            include_documentation: true,
            ..Default::default()
        };
        let result = node.call(&request).await.results.remove(0);
        let configs = &result.configs;
        answers.row(&format!("all of type {resource_type}"), configs.len() >= least, "true");
        let undocumented: Vec<_> = configs
            .iter()
            .filter(|config| config.name != "my.own.key")
            .filter(|config| config.config_type == 0 || config.documentation.as_deref().unwrap_or_default().is_empty())
            .map(|config| config.name.as_str())
            .collect();
        answers.row(
            &format!("type or documentation missing in type {resource_type}"),
            undocumented.join(" "),
            "",
        );
    }
    answers.done();
}
