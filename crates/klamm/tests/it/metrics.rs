//! What a node tells Prometheus: how its start went, its directories and logs, and what it makes of requests that are none.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use klamm_records::{BatchBuilder, Compression};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::client::*;
use crate::node::{Node, free_port};

/// Sends bytes to the endpoint and reads to the connection's end.
async fn exchange(endpoint: SocketAddr, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(endpoint).await.unwrap();
    let mut answer = Vec::new();
    let exchanged = async {
        stream.write_all(request).await.unwrap();
        stream.read_to_end(&mut answer).await.unwrap();
    };
    tokio::time::timeout(REPLY_WITHIN, exchanged).await.expect("an answer");
    String::from_utf8(answer).unwrap()
}

/// The metrics of now.
async fn scrape(endpoint: SocketAddr) -> String {
    let answer = exchange(endpoint, b"GET /metrics HTTP/1.1\r\nHost: test\r\n\r\n").await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())), "{head}");
    body.to_owned()
}

fn value(metrics: &str, series: &str) -> u64 {
    let mut lines = metrics.lines();
    let found = lines.find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    found
        .unwrap_or_else(|| panic!("no {series} in\n{metrics}"))
        .parse()
        .unwrap()
}

/// Flips a bit in a file.
fn damage(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 1;
    let mut file = fs::OpenOptions::new().write(true).open(path).unwrap();
    std::io::Seek::seek(&mut file, std::io::SeekFrom::Start(at as u64)).unwrap();
    std::io::Write::write_all(&mut file, &bytes[at..=at]).unwrap();
}

fn keyed(value: &[u8]) -> bytes::Bytes {
    let mut builder = BatchBuilder::new(Compression::None);
    builder.push(now_ms(), Some(b"key"), Some(value), &[]).unwrap();
    builder.build()
}

#[tokio::test]
async fn prometheus_is_told_how_a_start_went_and_how_the_logs_are() {
    let endpoint = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let listener = format!("klamm.metrics.listener={}", endpoint.port());
    let mut node = Node::start_with(&[&listener, "log.cleaner.backoff.ms=20"]).await;
    let mut connection = node.connect().await;
    connection.create("t", 2).await;
    for partition in [0, 1] {
        for _ in 0..5 {
            connection.append("t", partition, &["a", "b"]).await;
        }
    }
    let metrics = scrape(endpoint).await;
    assert_eq!(value(&metrics, "klamm_log_recovery_lost_records_total"), 0);
    assert_eq!(
        value(&metrics, "kafka_log_log_logendoffset{topic=\"t\",partition=\"0\"}"),
        10
    );

    node.kill();
    let segment = node.data().join("t-0/00000000000000000000.log");
    let size = fs::metadata(&segment).unwrap().len();
    damage(&segment, size as usize / 5 + 70); // in the second of five batches
    node.start_again().await;
    let metrics = scrape(endpoint).await;
    let dir = node.data().display().to_string();
    let of_dir = |name: &str, label: &str| value(&metrics, &format!("{name}{{{label}=\"{dir}\"}}"));
    let of_t =
        |name: &str, partition: i32| value(&metrics, &format!("{name}{{topic=\"t\",partition=\"{partition}\"}}"));
    assert_eq!(of_dir("kafka_log_logmanager_remaininglogstorecover", "dir"), 0);
    assert_eq!(of_dir("klamm_log_recovery_checked_bytes_total", "dir"), 2 * size);
    assert_eq!(value(&metrics, "klamm_log_recovery_lost_records_total"), 6);
    assert_eq!(value(&metrics, "klamm_log_recovery_lost_bytes_total"), size / 5 * 4);
    assert_eq!(value(&metrics, "kafka_log_logmanager_offlinelogdirectorycount"), 0);
    assert_eq!(of_dir("kafka_log_logmanager_logdirectoryoffline", "logDirectory"), 0);
    assert_eq!(
        of_dir(
            "kafka_log_logcleanermanager_uncleanable_partitions_count",
            "logDirectory"
        ),
        0
    );
    assert_eq!(
        (
            of_t("kafka_log_log_logendoffset", 0),
            of_t("kafka_log_log_logendoffset", 1)
        ),
        (2, 10)
    );
    assert_eq!(
        (of_t("kafka_log_log_size", 0), of_t("kafka_log_log_size", 1)),
        (size / 5, size)
    );
    assert_eq!(
        (
            of_t("kafka_log_log_logstartoffset", 1),
            of_t("kafka_log_log_numlogsegments", 1)
        ),
        (0, 1)
    );
    for name in ["partitioncount", "leadercount"] {
        assert_eq!(
            value(&metrics, &format!("kafka_server_replicamanager_{name}")),
            2,
            "{name}"
        );
    }
    let head = exchange(endpoint, b"HEAD /metrics HTTP/1.1\r\n\r\n").await;
    assert!(
        head.starts_with("HTTP/1.1 200 OK\r\n") && head.ends_with("\r\n\r\n"),
        "{head}"
    );

    // A batch that is damaged before its segment is full, so that the cleaner can't have been there.
    let mut connection = node.connect().await;
    let settings = [
        ("cleanup.policy", "compact"),
        ("segment.bytes", "1048576"),
        ("min.cleanable.dirty.ratio", "0"),
    ];
    connection.create_with("c", 1, &settings).await;
    connection.produce("c", 0, keyed(&[7; 100_000])).await;
    damage(&node.data().join("c-0/00000000000000000000.log"), 50_000);
    for _ in 0..12 {
        connection.produce("c", 0, keyed(&[8; 100_000])).await;
    }
    let uncleanable = |metrics: &str, what: &str| {
        let name = format!("kafka_log_logcleanermanager_uncleanable_{what}");
        value(metrics, &format!("{name}{{logDirectory=\"{dir}\"}}"))
    };
    let mut metrics = scrape(endpoint).await;
    for _ in 0..1_000 {
        if uncleanable(&metrics, "partitions_count") > 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
        metrics = scrape(endpoint).await;
    }
    assert_eq!(uncleanable(&metrics, "partitions_count"), 1);
    assert!(uncleanable(&metrics, "bytes") > 900_000, "{metrics}");
    assert_eq!(node.terminate().code(), Some(0));
    assert!(TcpStream::connect(endpoint).await.is_err());
}

#[tokio::test]
async fn whoever_asks_for_metrics_wrongly_is_told_so_and_disturbs_nobody() {
    let endpoint = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let mut node = Node::start_with(&[&format!("klamm.metrics.listener={endpoint}")]).await;
    let mut silent = Vec::new();
    for _ in 0..4 {
        silent.push(TcpStream::connect(endpoint).await.unwrap());
    }
    let long = [b"GET /metrics HTTP/1.1\r\nX: ".as_slice(), &[b'x'; 100_000]].concat();
    let with_body = [
        b"POST /metrics HTTP/1.1\r\nContent-Length: 50000\r\n\r\n".as_slice(),
        &[0; 50_000],
    ]
    .concat();
    let cases: [(&[u8], &str); 8] = [
        (b"GET / HTTP/1.1\r\n\r\n", "404"),
        (b"GET /metrics/../etc/passwd HTTP/1.1\r\n\r\n", "404"),
        (b"DELETE /metrics HTTP/1.1\r\n\r\n", "405"),
        (&with_body, "405"),
        (b"GET /metrics HTTP/3.0\r\n\r\n", "505"),
        (b"metrics\r\n\r\n", "400"),
        (b"\x00\x00\x00\x14\xff\xfe\r\n\r\n", "400"),
        (&long, "431"),
    ];
    for (request, status) in cases {
        let answer = exchange(endpoint, request).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{status}: {answer}");
        assert!(!answer.contains("kafka_"), "{status}");
    }
    // Half a request, and gone.
    let mut stream = TcpStream::connect(endpoint).await.unwrap();
    stream.write_all(b"GET /met").await.unwrap();
    drop(stream);
    assert_eq!(
        value(&scrape(endpoint).await, "kafka_log_logmanager_offlinelogdirectorycount"),
        0
    );
    assert_eq!(
        node.terminate().code(),
        Some(0),
        "whoever is silent keeps no node from stopping"
    );
}

#[tokio::test]
async fn an_address_for_metrics_that_is_none_ends_the_start() {
    let home = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let in_use = taken.local_addr().unwrap().to_string();
    for (address, expected) in [
        ("nowhere", "`nowhere` is neither a port nor `HOST:PORT`"),
        (&in_use, "in use"),
    ] {
        let mut command = crate::node::klamm(home.path());
        command
            .args(["start", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(home.path().join("data"));
        command.args(["--override", &format!("klamm.metrics.listener={address}")]);
        let mut process = crate::node::Process::spawn(&mut command);
        assert_eq!(process.end().unwrap().code(), Some(1));
        let stderr = process.stderr();
        assert!(
            stderr.contains(expected) && stderr.contains("klamm.metrics.listener"),
            "{stderr}"
        );
        assert!(!home.path().join("data").exists(), "nothing is written before");
    }
}
