use std::collections::BTreeSet;
use std::sync::Arc;

use klamm_log::RecoveryProgress;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::MetricsEndpoint;
use super::endpoint::host_and_port;
use super::http::{Asked, asked};
use super::table::{TABLE, markdown};
use super::text::{Kind, Text};

#[test]
fn the_reference_is_current() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/metrics.md");
    let written = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        written == markdown(),
        "docs/reference/metrics.md is stale: run `cargo xtask docs`"
    );
}

/// What Prometheus' JMX exporter makes of an MBean with Strimzi's rules.
fn exported(mbean: &str) -> String {
    let (domain, attributes) = mbean.split_once(":type=").unwrap();
    let (kind, name) = attributes.split_once(",name=").unwrap();
    format!("{domain}_{kind}_{name}")
        .replace(['.', '-'], "_")
        .to_lowercase()
}

#[test]
fn names_are_kafkas_or_begin_with_ours() {
    for metric in TABLE {
        match metric.mbean {
            "" => assert!(metric.name.starts_with("klamm_"), "{}", metric.name),
            mbean => assert_eq!(exported(mbean), metric.name),
        }
        let is_total = metric.name.ends_with("_total");
        assert_eq!(is_total, metric.kind == Kind::Counter, "{}", metric.name);
    }
    let names: BTreeSet<&str> = TABLE.iter().map(|metric| metric.name).collect();
    assert_eq!(names.len(), TABLE.len());
}

#[test]
fn values_are_written_with_their_labels_and_metrics_without_values_not_at_all() {
    let mut text = Text::default();
    let mut samples = text.metric("a", Kind::Gauge, "Of a\\b.", &["dir", "n"]);
    samples.add(&[&"/x \"y\"\\z\n", &7], 3);
    drop(samples);
    drop(text.metric("b", Kind::Counter, "Of b.", &[]));
    text.metric("c_total", Kind::Counter, "Of c.", &[]).add(&[], 0.5);
    let expected = "# HELP a Of a\\\\b.\n# TYPE a gauge\na{dir=\"/x \\\"y\\\"\\\\z\\n\",n=\"7\"} 3\n\
                    # HELP c_total Of c.\n# TYPE c_total counter\nc_total 0.5\n";
    assert_eq!(String::from_utf8(text.into_bytes()).unwrap(), expected);
}

#[test]
fn a_port_alone_is_this_machines_own() {
    let of = |text| host_and_port(text).map(|(host, port)| format!("{host} {port}"));
    assert_eq!(of("9404").as_deref(), Some("127.0.0.1 9404"));
    assert_eq!(of("0.0.0.0:0").as_deref(), Some("0.0.0.0 0"));
    assert_eq!(of("[::1]:9404").as_deref(), Some("::1 9404"));
    assert_eq!(of("host:1").as_deref(), Some("host 1"));
    for wrong in ["", ":9404", "::1:9404", "host", "host:", "host:x", "70000", "[::1:1"] {
        assert_eq!(of(wrong), None, "{wrong}");
    }
}

#[test]
fn only_metrics_are_there_and_only_to_be_read() {
    let refused = |status: &'static str| Asked::Refused(status);
    let cases = [
        ("GET /metrics HTTP/1.1\r\nHost: x", Asked::Metrics { body: true }),
        ("GET /metrics?name[]=a HTTP/1.0", Asked::Metrics { body: true }),
        ("HEAD /metrics HTTP/1.1", Asked::Metrics { body: false }),
        ("POST /metrics HTTP/1.1", refused("405 Method Not Allowed")),
        ("GET / HTTP/1.1", refused("404 Not Found")),
        ("GET /metrics/x HTTP/1.1", refused("404 Not Found")),
        ("GET /metrics HTTP/2", refused("505 HTTP Version Not Supported")),
        ("GET /metrics", refused("400 Bad Request")),
        ("GET  /metrics HTTP/1.1", refused("400 Bad Request")),
        ("\u{16}\u{3}\u{1}", refused("400 Bad Request")),
        ("", refused("400 Bad Request")),
    ];
    for (head, expected) in cases {
        assert_eq!(asked(head.as_bytes()), expected, "{head:?}");
    }
    assert_eq!(asked(b"GET /\xff HTTP/1.1"), refused("400 Bad Request"));
}

#[tokio::test]
async fn the_endpoint_tells_of_the_start_before_there_is_a_node() {
    let endpoint = MetricsEndpoint::open("0", Arc::<RecoveryProgress>::default())
        .await
        .unwrap();
    let mut stream = TcpStream::connect(endpoint.address()).await.unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(
        answer.contains("\nklamm_log_recovery_lost_records_total 0\n"),
        "{answer}"
    );
    assert!(!answer.contains("offlinelogdirectorycount"), "{answer}");
    let address = endpoint.address();
    endpoint.close().await;
    assert!(TcpStream::connect(address).await.is_err());
}
