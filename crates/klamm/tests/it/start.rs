//! `klamm start` in directories that others have used before, with files that ask for what is not there, and its end
//! under load. What it says to simpler mistakes is in `command`.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use klamm_protocol::messages::{CreateTopicsRequest, FetchRequest, MetadataRequest};
use rustix::process::Signal;
use tempfile::TempDir;

use crate::client::*;
use crate::node::{Node, Process, free_port, klamm, tree};

const CLUSTER: &str = "4L6g3nShT-eMCtK--X86sw";
const OTHER_CLUSTER: &str = "q1Sh-9_ISia_zwGINzRvyQ";

/// A node as administrators set one up: a file, and directories that are formatted by the command.
struct Installed {
    root: TempDir,
    file: PathBuf,
    port: u16,
}

impl Installed {
    fn new(more: &str) -> Self {
        let root = tempfile::tempdir().unwrap();
        let (a, b) = (root.path().join("a"), root.path().join("b"));
        let port = free_port();
        let text = format!(
            "process.roles=broker,controller\nnode.id=1\n\
             listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}\n\
             controller.listener.names=CONTROLLER\ncontroller.quorum.bootstrap.servers=127.0.0.1:{controller}\n\
             log.dirs={},{}\n{more}",
            a.display(),
            b.display(),
            controller = port + 1,
        );
        let file = root.path().join("server.properties");
        fs::write(&file, text).unwrap();
        Installed { root, file, port }
    }

    fn formatted(self) -> Self {
        let mut format = klamm(self.root.path());
        format
            .args(["storage", "format", "--standalone", "--cluster-id", CLUSTER, "--config"])
            .arg(&self.file);
        let mut process = Process::spawn(&mut format);
        assert!(process.end().unwrap().success(), "{}", process.stderr());
        self
    }

    fn directory(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn start(&self) -> Process {
        Process::spawn(klamm(self.root.path()).args(["start", "--config"]).arg(&self.file))
    }

    /// Starts it, and holds the refusal against the words it has to have. Nothing may be touched.
    fn assert_refused(&self, words: &[&str]) {
        let before = tree(self.root.path());
        let mut process = self.start();
        let status = process.end().unwrap();
        let stderr = process.stderr();
        assert_eq!(status.code(), Some(1), "{stderr}");
        assert_eq!(
            stderr.lines().filter(|line| line.starts_with("error: ")).count(),
            1,
            "{stderr}"
        );
        for word in words {
            assert!(stderr.contains(word), "no `{word}` in:\n{stderr}");
        }
        assert_eq!(process.stdout(), "");
        assert_eq!(tree(self.root.path()), before);
    }
}

/// Waits until the process says on stdout that it is ready.
fn wait_until_ready(process: &mut Process) {
    let give_up = Instant::now() + Duration::from_secs(30);
    while !process.stdout().contains("bootstrap.servers=") {
        assert!(process.is_running() && Instant::now() < give_up, "{}", process.stderr());
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn replace(file: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(file).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(file, text.replace(from, to)).unwrap();
}

#[tokio::test]
async fn a_formatted_directory_starts_from_a_file() {
    let node = Installed::new("num.partitions=7\n").formatted();
    let mut process = node.start();
    wait_until_ready(&mut process);
    for directory in ["a", "b"] {
        assert!(
            process.stdout().contains(node.directory(directory).to_str().unwrap()),
            "{}",
            process.stdout()
        );
    }
    assert!(process.stdout().contains(CLUSTER), "{}", process.stdout());
    let mut connection = Connection::open(SocketAddr::from((Ipv4Addr::LOCALHOST, node.port))).await;
    let topics = vec![creatable("t", -1, &[])];
    connection
        .call(&CreateTopicsRequest {
            topics,
            ..Default::default()
        })
        .await;
    let partitions = connection.metadata("t").await.partitions.len();
    assert_eq!(partitions, 7);
    // Both directories hold some of them.
    process.signal(Signal::TERM);
    assert_eq!(process.end().unwrap().code(), Some(0), "{}", process.stderr());
    for directory in ["a", "b"] {
        let held = fs::read_dir(node.directory(directory)).unwrap();
        let held = held.filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with("t-"));
        assert!([3, 4].contains(&held.count()));
        assert!(node.directory(directory).join(".kafka_cleanshutdown").exists());
    }
}

#[test]
fn whoever_sees_the_brokers_port_finds_the_controller() {
    let node = Installed::new("").formatted();
    let mut process = node.start();
    wait_until_ready(&mut process);
    process.signal(Signal::TERM);
    assert!(process.end().unwrap().success(), "{}", process.stderr());
    let stderr = process.stderr();
    let opened = |listener: &str| stderr.find(&format!("listening listener=\"{listener}\""));
    let (controller, broker) = (opened("CONTROLLER"), opened("PLAINTEXT"));
    assert!(controller.is_some() && controller < broker, "{stderr}");
}

#[test]
fn without_a_directory_data_goes_home() {
    let home = tempfile::tempdir().unwrap();
    let other = tempfile::tempdir().unwrap();
    for xdg in [None, Some(other.path())] {
        let port = free_port();
        let mut command = klamm(home.path());
        command.args(["start", "--listen", &format!("127.0.0.1:{port}")]);
        if let Some(xdg) = xdg {
            command.env("XDG_DATA_HOME", xdg);
        }
        let mut process = Process::spawn(&mut command);
        wait_until_ready(&mut process);
        let data = xdg.map_or(home.path().join(".local/share/klamm"), |xdg| xdg.join("klamm"));
        assert!(data.join("meta.properties").is_file());
        assert!(
            process.stdout().contains(data.to_str().unwrap()),
            "{}",
            process.stdout()
        );
        assert!(
            process
                .stdout()
                .contains(&format!("bootstrap.servers=127.0.0.1:{port}")),
            "{}",
            process.stdout()
        );
    }
}

#[test]
fn an_unknown_key_is_a_warning_with_the_nearest_name() {
    let node = Installed::new("num.partition=3\n").formatted();
    let mut process = node.start();
    wait_until_ready(&mut process);
    for word in [
        "unknown key `num.partition`",
        "server.properties`, line 7",
        "`num.partitions`",
    ] {
        assert!(process.stderr().contains(word), "no `{word}` in:\n{}", process.stderr());
    }
}

#[test]
fn what_asks_for_protection_that_is_not_there_is_refused() {
    for protocol in ["SSL", "SASL_PLAINTEXT"] {
        let node = Installed::new("").formatted();
        let map = "listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,MORE:";
        replace(&node.file, "log.dirs=", &format!("{map}{protocol}\nlog.dirs="));
        replace(
            &node.file,
            "listeners=PLAINTEXT:",
            "listeners=MORE://127.0.0.1:0,PLAINTEXT:",
        );
        node.assert_refused(&[protocol, "server.properties`, line", "hint: "]);
    }
    for line in [
        "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "ssl.client.auth=required",
    ] {
        let node = Installed::new("").formatted();
        replace(&node.file, "log.dirs=", &format!("{line}\nlog.dirs="));
        node.assert_refused(&[line.split_once('=').unwrap().0, "server.properties`, line 6"]);
    }
}

#[test]
fn directories_of_two_clusters_are_refused() {
    let node = Installed::new("").formatted();
    replace(&node.directory("b").join("meta.properties"), CLUSTER, OTHER_CLUSTER);
    node.assert_refused(&[CLUSTER, OTHER_CLUSTER, node.directory("b").to_str().unwrap(), "hint: "]);
}

#[test]
fn a_directory_of_another_node_is_refused() {
    let node = Installed::new("").formatted();
    replace(&node.file, "node.id=1", "node.id=2");
    node.assert_refused(&["node 1", "2", node.directory("a").to_str().unwrap()]);
}

/// As Apache Kafka does.
#[test]
fn a_directory_that_says_nothing_sensible_is_offline_and_without_the_metadatas_no_node_starts() {
    let node = Installed::new("").formatted();
    let [meta, other] = ["a", "b"].map(|name| node.directory(name).join("meta.properties"));
    let intact = fs::read(&other).unwrap();
    for nonsense in [b"version=9\nnode.id=1\n".as_slice(), &[0xff, 0xfe, 0, 1]] {
        fs::write(&other, nonsense).unwrap();
        let mut process = node.start();
        wait_until_ready(&mut process);
        let stderr = process.stderr();
        assert!(
            stderr.contains("goes offline") && stderr.contains(other.to_str().unwrap()),
            "{stderr}"
        );
        drop(process);
        assert_eq!(fs::read(&other).unwrap(), nonsense);
    }
    fs::write(&other, intact).unwrap();
    for nonsense in [b"version=9\nnode.id=1\n".as_slice(), &[0xff, 0xfe, 0, 1]] {
        fs::write(&meta, nonsense).unwrap();
        node.assert_refused(&[meta.to_str().unwrap()]);
    }
}

#[test]
fn one_directory_that_is_not_formatted_is_refused() {
    let node = Installed::new("").formatted();
    fs::remove_dir_all(node.directory("b")).unwrap();
    fs::create_dir(node.directory("b")).unwrap();
    node.assert_refused(&[node.directory("b").to_str().unwrap(), "klamm storage format"]);
}

#[test]
fn ports_in_use_are_refused_also_the_controllers() {
    let node = Installed::new("").formatted();
    for port in [node.port, node.port + 1] {
        let _taken = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
        node.assert_refused(&[&format!("127.0.0.1:{port}"), "in use", "server.properties`, line 3"]);
    }
}

#[test]
fn a_second_node_on_the_same_directory_is_refused_and_the_first_goes_on() {
    let node = Installed::new("").formatted();
    let mut first = node.start();
    wait_until_ready(&mut first);
    let ports = free_port();
    let mut second = klamm(node.root.path());
    second.args(["start", "--config"]).arg(&node.file);
    let listeners = format!(
        "listeners=PLAINTEXT://127.0.0.1:{ports},CONTROLLER://127.0.0.1:{}",
        ports + 1
    );
    let mut second = Process::spawn(second.args(["--override", &listeners]));
    assert_eq!(second.end().unwrap().code(), Some(1), "{}", second.stderr());
    assert!(second.stderr().contains("in use"), "{}", second.stderr());
    assert!(first.is_running());
}

#[tokio::test]
async fn sigterm_under_load_is_a_clean_end() {
    let mut node = Node::start().await;
    let mut connection = node.connect().await;
    connection.create("t", 3).await;
    connection.find_coordinator("g").await;
    assert!(connection.commit("g", "t", 0, 4711).await.is_none());
    let address = node.address();
    let load = tokio::spawn(async move {
        let mut acknowledged = Vec::new();
        let mut connection = Connection::open(address).await;
        loop {
            let value = format!("{}", acknowledged.len());
            let request = produce_request("t", 0, -1, batch(&[&value]));
            match connection.client.call(&request, PRODUCE_BY_NAME).await {
                Ok(reply) if reply.responses[0].partition_responses[0].error_code.is_none() => {
                    acknowledged.push((acknowledged.len() as i64, value.into_bytes()));
                }
                _ => return acknowledged,
            }
        }
    });
    // A client that waits must not hold up the end.
    let waiting = tokio::spawn(async move {
        let mut connection = Connection::open(address).await;
        let request = FetchRequest {
            max_wait_ms: 60_000,
            ..fetch_request("t", 1, 0)
        };
        connection.client.call(&request, FETCH_BY_NAME).await.is_ok()
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    let told = Instant::now();
    let status = tokio::task::spawn_blocking(move || {
        let status = node.terminate();
        (node, status)
    });
    let (mut node, status) = status.await.unwrap();
    let took = told.elapsed();
    assert_eq!(status.code(), Some(0), "{}", node.process().stderr());
    assert!(took < Duration::from_secs(50), "{took:?}");
    println!("SIGTERM to the end: {took:?}");
    let acknowledged = load.await.unwrap();
    let _whatever = waiting.await.unwrap();
    assert!(acknowledged.len() > 10);
    assert!(node.data().join(".kafka_cleanshutdown").exists());

    node.start_again().await;
    assert!(
        !node.data().join(".kafka_cleanshutdown").exists(),
        "it is not clean while it runs"
    );
    let mut connection = node.connect().await;
    let there = connection.fetch_all("t", 0).await;
    assert_eq!(there[..acknowledged.len()], acknowledged);
    assert!(there.len() <= acknowledged.len() + 1);
    connection.find_coordinator("g").await;
    let offsets = connection.committed_offsets("g").await.1;
    assert_eq!(offsets, [("t".to_owned(), 0, 4711)]);
    let brokers = connection.call(&MetadataRequest::default()).await.brokers;
    assert_eq!(brokers.len(), 1);
}

#[test]
fn a_node_may_open_as_many_files_as_the_system_lets_it() {
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new("sh");
    let script = "ulimit -Sn 200 && ulimit -Hn 900 && exec \"$@\"";
    command.args(["-c", script, "sh", env!("CARGO_BIN_EXE_klamm"), "start", "--listen"]);
    command.arg(format!("127.0.0.1:{}", free_port()));
    command.env("HOME", home.path()).env_remove("XDG_DATA_HOME");
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = Process::spawn(&mut command);
    wait_until_ready(&mut process);
    let limits = fs::read_to_string(format!("/proc/{}/limits", process.id())).unwrap();
    let open_files = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let numbers: Vec<&str> = open_files.split_whitespace().skip(3).take(2).collect();
    assert_eq!(numbers, ["900", "900"]);
}

#[tokio::test]
async fn a_thousand_partitions_come_back() {
    let mut node = Node::start().await;
    let mut connection = node.connect().await;
    connection.create("many", 1000).await;
    connection.append("many", 999, &["x"]).await;
    let memory = node.resident_memory() >> 20;
    node.kill();
    node.start_again().await;
    let after_crash = node.ready_after();
    let mut connection = node.connect().await;
    assert_eq!(connection.metadata("many").await.partitions.len(), 1000);
    assert_eq!(connection.fetch_all("many", 999).await, [(0, b"x".to_vec())]);
    assert_eq!(node.terminate().code(), Some(0));
    node.start_again().await;
    let after_shutdown = node.ready_after();
    println!("1,000 partitions: {memory} MiB, ready {after_crash:?} after kill -9, {after_shutdown:?} after SIGTERM");
}
