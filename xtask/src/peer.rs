//! `cargo xtask peer`: the API differential test (`peer` in klamm's tests) against Apache Kafka.
//!
//! Apache Kafka comes from Maven Central, as `tests/peer/pom.xml` names it, into the target directory. It runs as one
//! node, broker and controller, on free ports and an empty directory, and is killed when the test is over however it ends.

use std::fs::File;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The most that a start may take, on a machine that does other things too.
const START_LIMIT: Duration = Duration::from_secs(90);
/// The test's random part: enough to reach every kind of request, always the same.
const RANDOM: [(&str, &str); 2] = [("KLAMM_TEST_SEED", "4"), ("KLAMM_PEER_REQUESTS", "400")];

/// Fetches and starts Apache Kafka and runs the test beside it; returns what failed.
pub(crate) fn run(root: &Path) -> Result<Vec<String>, String> {
    let libs = fetch(root)?;
    let peer = Peer::start(root, &libs)?;
    let mut test = crate::cargo_command(root, &["test", "--package", "klamm", "--test", "it", "--"]);
    test.args(["peer::", "--nocapture"]);
    for (name, value) in RANDOM {
        if std::env::var_os(name).is_none() {
            test.env(name, value);
        }
    }
    test.env("KLAMM_TEST_PEER", peer.address.to_string());
    let result = crate::succeed(&mut test);
    drop(peer);
    Ok(result.err().into_iter().collect())
}

fn work_dir(root: &Path) -> PathBuf {
    crate::target_dir(root).join("peer")
}

/// Apache Kafka's jars.
fn fetch(root: &Path) -> Result<PathBuf, String> {
    let libs = work_dir(root).join("libs");
    crate::succeed(
        Command::new("mvn")
            .args(["--quiet", "--batch-mode", "--file"])
            .arg(root.join("tests/peer/pom.xml"))
            .args(["dependency:copy-dependencies", "-DincludeScope=runtime"])
            .arg(format!("-DoutputDirectory={}", libs.display())),
    )?;
    Ok(libs)
}

/// An Apache Kafka broker; killed when dropped.
struct Peer {
    process: Child,
    address: SocketAddr,
    data: PathBuf,
}

impl Peer {
    fn start(root: &Path, libs: &Path) -> Result<Self, String> {
        let work = work_dir(root);
        let data = work.join(format!("data-{}", std::process::id()));
        std::fs::create_dir_all(&data).map_err(|error| format!("{}: {error}", data.display()))?;
        let port = free_port()?;
        let settings = work.join("server.properties");
        write(&settings, &properties(port, &data))?;
        let java = |class: &str| {
            let mut java = Command::new("java");
            java.args(["-Xmx512M", "-Djava.awt.headless=true"])
                .arg(format!(
                    "-Dlog4j2.configurationFile={}",
                    root.join("tests/peer/log4j2.yaml").display()
                ))
                .args(["-cp", &format!("{}/*", libs.display()), class])
                .stdin(Stdio::null());
            java
        };
        crate::succeed(
            java("kafka.tools.StorageTool")
                .args(["format", "--standalone", "-t", "MDEyMzQ1Njc4OWFiY2RlZg", "-c"])
                .arg(&settings)
                .stdout(Stdio::null()),
        )?;
        let log_path = work.join("kafka.log");
        let log = File::create(&log_path).map_err(|error| format!("{}: {error}", log_path.display()))?;
        let errors = log.try_clone().map_err(|error| error.to_string())?;
        let process = java("kafka.Kafka")
            .arg(&settings)
            .stdout(log)
            .stderr(errors)
            .spawn()
            .map_err(|error| format!("java: {error}"))?;
        let mut peer = Peer {
            process,
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
            data,
        };
        peer.wait_until_it_serves(&log_path)?;
        Ok(peer)
    }

    /// The client's port refuses connections until the broker is registered.
    fn wait_until_it_serves(&mut self, log: &Path) -> Result<(), String> {
        let deadline = Instant::now() + START_LIMIT;
        while TcpStream::connect(self.address).is_err() {
            if let Some(status) = self.process.try_wait().map_err(|error| error.to_string())? {
                return Err(format!("Apache Kafka ended with {status}, see {}", log.display()));
            }
            if Instant::now() > deadline {
                return Err(format!("Apache Kafka does not serve, see {}", log.display()));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.process.kill(); // it may have ended by itself
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.data); // what stays lies in the target directory
    }
}

fn properties(port: u16, data: &Path) -> String {
    let controller = port + 1;
    format!(
        "process.roles=broker,controller\n\
         node.id=1\n\
         listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}\n\
         controller.listener.names=CONTROLLER\n\
         controller.quorum.bootstrap.servers=127.0.0.1:{controller}\n\
         log.dirs={}\n\
         offsets.topic.replication.factor=1\n\
         transaction.state.log.replication.factor=1\n\
         transaction.state.log.min.isr=1\n\
         share.coordinator.state.topic.replication.factor=1\n\
         share.coordinator.state.topic.min.isr=1\n\
         group.initial.rebalance.delay.ms=0\n",
        data.display()
    )
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    let file = File::create(path).and_then(|mut file| file.write_all(text.as_bytes()));
    file.map_err(|error| format!("{}: {error}", path.display()))
}

/// A port that is free together with the next one, below those that the system gives to connections.
fn free_port() -> Result<u16, String> {
    let free = |port: u16| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
    let first = 10_000 + (std::process::id() % 1000) as u16 * 2;
    let mut ports = (first..32_000).step_by(2);
    ports
        .find(|port| free(*port) && free(port + 1))
        .ok_or_else(|| "no two neighbouring ports are free".to_owned())
}
