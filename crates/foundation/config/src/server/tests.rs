//! Whole configurations: what a node makes of them, and every rule that keeps one from starting.

use super::*;
use crate::listener::SecurityProtocol;

/// The file that comes with Apache Kafka, without its comments.
const KAFKAS_OWN: &str = "\
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=localhost:9093
listeners=PLAINTEXT://:9092,CONTROLLER://:9093
inter.broker.listener.name=PLAINTEXT
advertised.listeners=PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL
num.network.threads=3
num.io.threads=8
socket.send.buffer.bytes=102400
socket.receive.buffer.bytes=102400
socket.request.max.bytes=104857600
log.dirs=/tmp/kraft-combined-logs
num.partitions=1
num.recovery.threads.per.data.dir=1
offsets.topic.replication.factor=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
log.retention.hours=168
log.segment.bytes=1073741824
log.retention.check.interval.ms=300000
";

fn load(text: &str) -> Result<(ServerConfig, Vec<Warning>), ConfigErrors> {
    ServerConfig::load(&Properties::parse(text.as_bytes(), "server.properties").unwrap())
}

/// Gives every listener of these tests a protocol.
const ALL_PLAINTEXT: &str =
    "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,X:PLAINTEXT,OTHER:PLAINTEXT\n";

/// A combined node; lines given here come after its own.
fn combined(lines: &str) -> Result<ServerConfig, ConfigErrors> {
    let own = "process.roles=broker,controller\nnode.id=1\ncontroller.quorum.bootstrap.servers=localhost:9093\n\
               controller.listener.names=CONTROLLER\nlisteners=PLAINTEXT://:9092,CONTROLLER://:9093\n";
    load(&format!("{own}{lines}")).map(|(server, _)| server)
}

fn broker_only(lines: &str) -> Result<ServerConfig, ConfigErrors> {
    let own =
        "process.roles=broker\nnode.id=1\ncontroller.quorum.voters=2@c:9093\ncontroller.listener.names=CONTROLLER\n";
    load(&format!("{own}{lines}")).map(|(server, _)| server)
}

/// The first lines of all errors.
#[track_caller]
fn rules(result: Result<ServerConfig, ConfigErrors>) -> Vec<String> {
    let errors = result.expect_err("should be refused");
    errors
        .iter()
        .map(|error| error.to_string().lines().next().unwrap_or_default().to_string())
        .collect()
}

#[test]
fn the_file_that_comes_with_kafka_starts_a_combined_node() {
    let (server, warnings) = load(KAFKAS_OWN).unwrap();
    assert_eq!(server.roles, [ProcessRole::Broker, ProcessRole::Controller]);
    assert_eq!((server.node_id, server.config.int("broker.id")), (1, 1));
    let plaintext = |name: &str, host: Option<&str>, port| Listener {
        name: name.to_string(),
        host: host.map(str::to_string),
        port,
        protocol: SecurityProtocol::Plaintext,
    };
    assert_eq!(
        server.listeners,
        [plaintext("PLAINTEXT", None, 9092), plaintext("CONTROLLER", None, 9093)]
    );
    assert_eq!(
        server.advertised_listeners,
        [plaintext("PLAINTEXT", Some("localhost"), 9092)]
    );
    assert_eq!(
        server.advertised_controller_listeners,
        [plaintext("CONTROLLER", Some("localhost"), 9093)]
    );
    assert_eq!(server.inter_broker_listener_name, "PLAINTEXT");
    assert_eq!(
        server.quorum_bootstrap_servers,
        [Endpoint {
            host: "localhost".to_string(),
            port: 9093
        }]
    );
    assert_eq!(server.quorum_voters, []);
    assert_eq!(
        (server.log_dirs.as_slice(), server.metadata_log_dir.as_str()),
        (
            &["/tmp/kraft-combined-logs".to_string()][..],
            "/tmp/kraft-combined-logs"
        )
    );
    assert!(server.is_broker() && server.is_controller());
    assert_eq!(server.broker_listeners().count(), 1);
    assert_eq!(server.controller_listeners().next().unwrap().name, "CONTROLLER");
    let told: Vec<String> = warnings
        .iter()
        .map(|warning| warning.to_string().lines().next().unwrap().to_string())
        .collect();
    let no_effect = |key: &str| format!("`{key}` has no effect yet");
    assert!(told.iter().all(|one| one.ends_with("has no effect yet")), "{told:?}");
    assert!(told.contains(&no_effect("transaction.state.log.min.isr")), "{told:?}");
}

#[test]
fn listeners_have_names_hosts_and_ports() {
    let server = combined("listeners=internal://127.0.0.1:19092,V6://[::1]:19092,CONTROLLER://:0\n\
        listener.security.protocol.map=INTERNAL:PLAINTEXT,V6:plaintext,CONTROLLER:PLAINTEXT\ninter.broker.listener.name=internal").unwrap();
    let shown: Vec<String> = server.listeners.iter().map(|listener| listener.to_string()).collect();
    assert_eq!(
        shown,
        ["INTERNAL://127.0.0.1:19092", "V6://[::1]:19092", "CONTROLLER://:0"]
    );
    assert_eq!(server.listeners[1].host.as_deref(), Some("::1"));
    assert_eq!(server.inter_broker_listener_name, "INTERNAL");
    // Not advertised otherwise, they are advertised as they are.
    assert_eq!(server.advertised_listeners, server.listeners[..2]);
}

#[test]
fn listeners_that_make_no_sense_are_refused() {
    for (lines, rule) in [
        (
            "listeners=PLAINTEXT:9092",
            "`PLAINTEXT:9092` is not of the form `NAME://host:port` in `listeners`",
        ),
        (
            "listeners=PLAINTEXT://:70000,CONTROLLER://:9093",
            "`70000` is not a port: ports go from 0 to 65535 in `listeners`",
        ),
        (
            "listeners=PLAINTEXT://:-1,CONTROLLER://:9093",
            "`-1` is not a port: ports go from 0 to 65535 in `listeners`",
        ),
        (
            "listeners=X://:1,CONTROLLER://:9093",
            "no security protocol is known for the listener `X`",
        ),
        (
            "listeners=PLAINTEXT://:1,PLAINTEXT://:2,CONTROLLER://:9093",
            "`listeners` names the listener `PLAINTEXT` more than once",
        ),
        (
            "listeners=PLAINTEXT://:9092,CONTROLLER://:9092",
            "the listeners PLAINTEXT, CONTROLLER share port 9092",
        ),
        (
            "listeners=PLAINTEXT://a:9092,CONTROLLER://b:9092",
            "the listeners PLAINTEXT, CONTROLLER share port 9092",
        ),
        (
            "listeners=PLAINTEXT://1.2.3.4:9092,CONTROLLER://1.2.3.5:9092",
            "the listeners PLAINTEXT, CONTROLLER share port 9092",
        ),
        (
            "listener.security.protocol.map=PLAINTEXT:PLAIN",
            "`PLAINTEXT:PLAIN` maps no listener name to a security protocol",
        ),
        (
            "listeners=PLAINTEXT://0.0.0.0:9092,CONTROLLER://:9093",
            "`PLAINTEXT://0.0.0.0:9092` cannot be advertised: `0.0.0.0` is no address a client could connect to",
        ),
        (
            "advertised.listeners=PLAINTEXT://0.0.0.0:9092",
            "`PLAINTEXT://0.0.0.0:9092` cannot be advertised: `0.0.0.0` is no address a client could connect to",
        ),
        (
            "early.start.listeners=OTHER",
            "`early.start.listeners` names `OTHER`, which is in neither `listeners` nor `controller.listener.names`",
        ),
    ] {
        assert_eq!(rules(combined(lines))[0], rule, "{lines}");
    }
}

#[test]
fn what_is_advertised_must_be_there() {
    let errors = combined(&format!("{ALL_PLAINTEXT}advertised.listeners=PLAINTEXT://h:1,X://h:2")).unwrap_err();
    let expected = "\
`advertised.listeners` has `X`, which is not among `listeners`
  from: `advertised.listeners=PLAINTEXT://h:1,X://h:2` in `server.properties`, line 7
  allowed: `PLAINTEXT`, `CONTROLLER`";
    assert_eq!(errors.to_string(), expected);
    let rule = "brokers are to use the listener `X` among themselves, which is not advertised";
    assert_eq!(
        rules(combined(&format!("{ALL_PLAINTEXT}inter.broker.listener.name=X"))),
        [rule]
    );
    let rule = "a broker needs a listener that it can advertise";
    assert_eq!(
        rules(combined("controller.listener.names=CONTROLLER,PLAINTEXT")),
        [rule]
    );
    let rule = "no security protocol is known for `inter.broker.listener.name=Y`";
    assert_eq!(rules(combined("inter.broker.listener.name=y"))[0], rule);
    let rule = "`inter.broker.listener.name` and `security.inter.broker.protocol` are both set";
    assert_eq!(
        rules(combined(
            "inter.broker.listener.name=PLAINTEXT\nsecurity.inter.broker.protocol=PLAINTEXT"
        )),
        [rule]
    );
}

#[test]
fn two_listeners_may_share_a_port_as_ipv4_and_ipv6() {
    combined("listeners=PLAINTEXT://127.0.0.1:9092,CONTROLLER://[::1]:9092").unwrap();
    combined("listeners=PLAINTEXT://:0,CONTROLLER://:0").unwrap();
    // What is advertised may share a port, behind a load balancer for one.
    combined(&format!(
        "{ALL_PLAINTEXT}listeners=PLAINTEXT://:1,X://:2,CONTROLLER://:3\nadvertised.listeners=PLAINTEXT://h:1,X://h:1"
    ))
    .unwrap();
}

#[test]
fn controllers_listen_where_their_names_say() {
    let rule = "the controller's listener `OTHER` is not among `listeners`";
    assert_eq!(
        rules(combined(&format!("{ALL_PLAINTEXT}controller.listener.names=OTHER"))),
        [rule]
    );
    let server = broker_only("").unwrap();
    assert!(!server.is_controller());
    assert_eq!(server.quorum_voters[0].to_string(), "2@c:9093");
    assert_eq!(server.listeners.len(), 1);
    let rule = "`listeners` has the controllers' listener `CONTROLLER`, and the node is only a broker";
    assert_eq!(
        rules(broker_only("listeners=PLAINTEXT://:9092,CONTROLLER://:9093")),
        [rule]
    );
    let rule = "no security protocol is known for the controllers' listener `CONTROLLER`";
    assert_eq!(
        rules(broker_only("listener.security.protocol.map=PLAINTEXT:PLAINTEXT")),
        [rule]
    );
    let controller = "process.roles=controller\nnode.id=1\ncontroller.quorum.voters=1@c:9093\ncontroller.listener.names=CONTROLLER\n";
    let only = |lines: &str| load(&format!("{controller}{lines}")).map(|(server, _)| server);
    let server = only("listeners=CONTROLLER://c:9093").unwrap();
    assert_eq!(
        (
            server.advertised_listeners.len(),
            server.advertised_controller_listeners.len()
        ),
        (0, 1)
    );
    let rule = "the listener `PLAINTEXT` is not the controller's, and the node is only a controller";
    assert_eq!(rules(only("listeners=CONTROLLER://c:9093,PLAINTEXT://:9092")), [rule]);
}

#[test]
fn a_node_knows_its_quorum() {
    let rule = "the node does not know its controllers: neither `controller.quorum.bootstrap.servers` nor `controller.quorum.voters` is set";
    assert_eq!(rules(combined("controller.quorum.bootstrap.servers=")), [rule]);
    let rule = "the node is a controller and its id 1 is not among `controller.quorum.voters`";
    assert_eq!(rules(combined("controller.quorum.voters=2@h:9093")), [rule]);
    let rule = "the node is only a broker and its id 1 is among `controller.quorum.voters`";
    assert_eq!(rules(broker_only("controller.quorum.voters=1@h:9093")), [rule]);
    let rule = "`controller.quorum.voters` has the id 1 more than once";
    assert_eq!(rules(combined("controller.quorum.voters=1@h:9093,1@g:9093")), [rule]);
    let rule = "`1@h` is not a value of `controller.quorum.voters`: `1@h` is not of the form `id@host:port`";
    assert_eq!(rules(combined("controller.quorum.voters=1@h")), [rule]);
}

#[test]
fn rules_between_keys_hold() {
    for (lines, key) in [
        ("broker.id=2", "broker.id"),
        ("log.retention.ms=0", "log.retention.ms"),
        ("log.roll.ms=0", "log.roll.ms"),
        ("log.roll.jitter.ms=-1", "log.roll.jitter.ms"),
        (
            "log.cleaner.min.compaction.lag.ms=5\nlog.cleaner.max.compaction.lag.ms=4",
            "log.cleaner.min.compaction.lag.ms",
        ),
        ("log.cleaner.threads=0", "log.cleaner.threads"),
        (
            "log.cleaner.dedupe.buffer.size=1048576",
            "log.cleaner.dedupe.buffer.size",
        ),
        ("cordoned.log.dirs=/elsewhere", "cordoned.log.dirs"),
        ("replica.fetch.wait.max.ms=30001", "replica.fetch.wait.max.ms"),
        ("queued.max.request.bytes=1000", "queued.max.request.bytes"),
        (
            "connections.max.idle.ms=100",
            "connection.failed.authentication.delay.ms",
        ),
        ("max.connections.per.ip=0", "max.connections.per.ip"),
        (
            "max.connections.per.ip.overrides=10.0.0.1",
            "max.connections.per.ip.overrides",
        ),
        (
            "max.connections.per.ip.overrides=a b:5",
            "max.connections.per.ip.overrides",
        ),
        (
            "group.consumer.session.timeout.ms=1000",
            "group.consumer.session.timeout.ms",
        ),
        (
            "group.streams.num.standby.replicas=3",
            "group.streams.num.standby.replicas",
        ),
        (
            "group.share.max.heartbeat.interval.ms=50000\ngroup.share.heartbeat.interval.ms=45000",
            "group.share.heartbeat.interval.ms",
        ),
        (
            "group.coordinator.rebalance.protocols=consumer",
            "group.coordinator.rebalance.protocols",
        ),
        ("offsets.topic.compression.codec=5", "offsets.topic.compression.codec"),
    ] {
        let errors = combined(lines).expect_err(lines);
        assert_eq!(errors.iter().next().unwrap().key, key, "{lines}: {errors}");
        assert!(
            errors.iter().all(|error| matches!(error.problem, Problem::Rule(_))),
            "{lines}: {errors}"
        );
    }
}

#[test]
fn limits_of_single_hosts_are_read() {
    let server =
        combined("max.connections.per.ip=0\nmax.connections.per.ip.overrides= 10.0.0.1:5, ::1:6 ,host:7").unwrap();
    let limit = |host: &str| server.max_connections_per_ip_overrides.get(host).copied();
    assert_eq!(
        [limit("10.0.0.1"), limit("::1"), limit("host"), limit("other")],
        [Some(5), Some(6), Some(7), None]
    );
}

#[test]
fn both_names_of_the_id_and_of_the_directories_work() {
    let text = KAFKAS_OWN
        .replace("node.id=1", "broker.id=7")
        .replace("log.dirs=", "log.dir=");
    let (server, _) = load(&text).unwrap();
    assert_eq!((server.node_id, server.config.int("node.id")), (7, 7));
    assert_eq!(server.log_dirs, ["/tmp/kraft-combined-logs"]);
    let server = combined("log.dirs=/a,/b\nmetadata.log.dir=/m").unwrap();
    assert_eq!((server.log_dirs.len(), server.metadata_log_dir.as_str()), (2, "/m"));
}

#[test]
fn protection_that_is_not_there_keeps_a_node_from_starting() {
    let refused =
        combined("authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer").unwrap_err();
    let expected = "\
`authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer` asks for authorization, which is not supported yet
  from: `authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer` in `server.properties`, line 6
  hint: leave it out; every client may do everything then";
    assert_eq!(refused.to_string(), expected);
    for lines in [
        "listeners=SSL://:9092,CONTROLLER://:9093\nsecurity.inter.broker.protocol=SSL\nlistener.security.protocol.map=SSL:SSL,CONTROLLER:PLAINTEXT",
        "listeners=SASL_SSL://:9092,CONTROLLER://:9093\nlistener.security.protocol.map=SASL_SSL:SASL_SSL,CONTROLLER:PLAINTEXT",
        "listener.security.protocol.map=PLAINTEXT:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT",
        "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:SSL",
        "security.inter.broker.protocol=SASL_PLAINTEXT",
        "ssl.client.auth=required",
        "ssl.client.auth=requested",
        "ssl.keystore.location=/k",
        "ssl.keystore.key=pem",
        "ssl.keystore.certificate.chain=pem",
        "ssl.truststore.location=/t",
        "ssl.truststore.certificates=pem",
        "sasl.enabled.mechanisms=PLAIN",
        "sasl.enabled.mechanisms=GSSAPI",
        "sasl.jaas.config=module",
        "listener.name.plaintext.ssl.client.auth=required",
        "listener.name.plaintext.plain.sasl.jaas.config=module",
        "delegation.token.secret.key=s",
        "connections.max.reauth.ms=1000",
        "principal.builder.class=com.example.Builder",
        "create.topic.policy.class.name=com.example.Policy",
        "alter.config.policy.class.name=com.example.Policy",
        "config.providers=file",
        "remote.log.storage.system.enable=true",
    ] {
        let errors = combined(lines).expect_err(lines);
        assert!(
            errors
                .iter()
                .any(|error| matches!(error.problem, Problem::NotSupportedYet(_))),
            "{lines}: {errors}"
        );
    }
    let broker = broker_only("controller.listener.names=SSL").expect_err("a controller over TLS");
    assert!(
        broker
            .iter()
            .any(|error| matches!(error.problem, Problem::NotSupportedYet(_))),
        "{broker}"
    );
}

#[test]
fn settings_that_ask_for_no_protection_start() {
    let server = combined(
        "authorizer.class.name=\nssl.client.auth=none\nsasl.enabled.mechanisms=\nconnections.max.reauth.ms=0\n\
         ssl.keystore.location=\nremote.log.storage.system.enable=false\nconfig.providers=\n\
         principal.builder.class=org.apache.kafka.common.security.authenticator.DefaultKafkaPrincipalBuilder",
    );
    assert_eq!(server.map(|server| server.node_id), Ok(1));
}

#[test]
fn secrets_stay_hidden_when_they_are_refused() {
    for key in [
        "delegation.token.secret.key",
        "listener.name.plaintext.plain.sasl.jaas.config",
    ] {
        let text = combined(&format!("{key}=tell-nobody")).unwrap_err().to_string();
        assert!(text.contains("[hidden]") && !text.contains("tell-nobody"), "{text}");
    }
}
