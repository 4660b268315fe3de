//! A broker of either kind, Apache Kafka's or ours: one node, broker and controller, from the same `server.properties`.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use crate::apache_kafka::{self, Jvm};

/// The most that a start or a stop may take, on a machine that does other things too.
const LIMIT: Duration = Duration::from_secs(240);
/// One for all, so that it need not be replaced in what is compared.
const CLUSTER_ID: &str = "4L6g3nShT-eMCtK--X86sw";
/// The exit status of a JVM that stopped because of SIGTERM.
const TERMINATED: i32 = 143;

/// Whose broker, or whose tools.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Apache,
    Klamm,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Side::Apache => "apache",
            Side::Klamm => "klamm",
        })
    }
}

/// Where a node lives: its configuration, its log directories and its ports. Brokers of both kinds may run there in turn.
#[derive(Clone, Debug)]
pub(crate) struct Home {
    root: PathBuf,
    klamm: PathBuf,
    jars: PathBuf,
    /// How Apache Kafka's broker is started.
    jvm: Jvm,
    /// The directory of everything.
    pub(crate) dir: PathBuf,
    /// `log.dirs`, relative to it `data`, `data-2`, ...
    pub(crate) log_dirs: Vec<PathBuf>,
    /// The clients' port; the controller has the next one.
    pub(crate) port: u16,
}

impl Home {
    /// Prepares an empty directory; `more` are further lines of `server.properties`.
    pub(crate) fn create(root: &Path, dir: &Path, klamm: &Path, log_dirs: usize, more: &str) -> Result<Home, String> {
        match std::fs::remove_dir_all(dir) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(format!("{}: {error}", dir.display()));
            }
            _ => {}
        }
        let io = |error: std::io::Error| format!("{}: {error}", dir.display());
        std::fs::create_dir_all(dir).map_err(io)?;
        let name = |at: usize| if at == 1 { "data".into() } else { format!("data-{at}") };
        let home = Home {
            root: root.to_owned(),
            klamm: klamm.to_owned(),
            jars: apache_kafka::broker_jars(root)?,
            jvm: Jvm::Quick,
            dir: dir.to_owned(),
            log_dirs: (1..=log_dirs).map(|at| dir.join(name(at))).collect(),
            port: free_ports()?,
        };
        std::fs::write(home.config(), home.properties() + more).map_err(io)?;
        Ok(home)
    }

    /// Apache Kafka's broker as it is served with, for figures: slower to start than what is quick, and faster in the end.
    pub(crate) fn with_server_jvm(self) -> Home {
        Home {
            jvm: Jvm::Server,
            ..self
        }
    }

    fn config(&self) -> PathBuf {
        self.dir.join("server.properties")
    }

    fn properties(&self) -> String {
        let (port, controller) = (self.port, self.port + 1);
        let log_dirs: Vec<String> = self.log_dirs.iter().map(|dir| dir.display().to_string()).collect();
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
            log_dirs.join(",")
        )
    }

    /// A command of either side, by Apache Kafka's class and our name for it.
    fn command(&self, side: Side, jvm: Jvm, class: &str, ours: &str) -> Command {
        match side {
            Side::Klamm => {
                let mut command = Command::new(&self.klamm);
                command.arg(ours);
                command
            }
            Side::Apache => {
                let mut command = jvm.java(
                    &format!("{}/*", self.jars.display()),
                    &self.root.join("tests/peer/log4j2.yaml"),
                );
                command.arg(class);
                command
            }
        }
    }

    /// Formats the log directories.
    pub(crate) fn format(&self, side: Side) -> Result<(), String> {
        let mut format = self.command(side, Jvm::Quick, "kafka.tools.StorageTool", "storage");
        format
            .args(["format", "--standalone", "-t", CLUSTER_ID, "-c"])
            .arg(self.config());
        crate::succeed(format.stdout(Stdio::null()))
    }

    /// What `klamm log verify` says of a log directory of a broker that has ended.
    pub(crate) fn verify(&self, log_dir: &Path) -> Result<String, String> {
        let mut verify = Command::new(&self.klamm);
        verify.args(["log", "verify"]).arg(log_dir);
        let said = verify.output().map_err(|error| format!("{verify:?}: {error}"))?;
        Ok(String::from_utf8_lossy(&said.stdout).into_owned() + &String::from_utf8_lossy(&said.stderr))
    }

    /// Starts a broker and waits until it serves. What it logs goes to `log`, a file of the home.
    pub(crate) fn start(&self, side: Side, log: &str) -> Result<Broker, String> {
        let mut start = self.command(side, self.jvm, "kafka.Kafka", "start");
        if let Side::Klamm = side {
            start.arg("--config");
        }
        let log = self.dir.join(log);
        let file = || std::fs::File::create(&log).map_err(|error| format!("{}: {error}", log.display()));
        let out = file()?;
        let err = out.try_clone().map_err(|error| error.to_string())?;
        let process = start
            .arg(self.config())
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            .spawn()
            .map_err(|error| format!("{start:?}: {error}"))?;
        let mut broker = Broker { side, process, log };
        broker.wait_until_it_serves(SocketAddr::from((Ipv4Addr::LOCALHOST, self.port)))?;
        Ok(broker)
    }
}

/// A running broker. Dropped, it is killed.
#[derive(Debug)]
pub(crate) struct Broker {
    side: Side,
    process: Child,
    /// What it logs.
    pub(crate) log: PathBuf,
}

impl Broker {
    /// A broker opens the port for clients when it is registered.
    fn wait_until_it_serves(&mut self, address: SocketAddr) -> Result<(), String> {
        let deadline = Instant::now() + LIMIT;
        while TcpStream::connect(address).is_err() {
            if let Some(status) = self.process.try_wait().map_err(|error| error.to_string())? {
                return Err(self.complaint(&format!("ended with {status} instead of serving")));
            }
            if Instant::now() > deadline {
                return Err(self.complaint(&format!("does not serve after {} s", LIMIT.as_secs())));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Asks it to stop and waits for that.
    pub(crate) fn stop(mut self) -> Result<(), String> {
        let pid = self.process.id().to_string();
        crate::succeed(Command::new("kill").args(["-TERM", &pid]))?;
        let deadline = Instant::now() + LIMIT;
        loop {
            match self.process.try_wait().map_err(|error| error.to_string())? {
                Some(status) if self.is_clean(status) => return Ok(()),
                Some(status) => return Err(self.complaint(&format!("ended with {status} after SIGTERM"))),
                None if Instant::now() > deadline => return Err(self.complaint("does not stop after SIGTERM")),
                None => std::thread::sleep(Duration::from_millis(10)),
            }
        }
    }

    fn is_clean(&self, status: ExitStatus) -> bool {
        status.success() || self.side == Side::Apache && status.code() == Some(TERMINATED)
    }

    /// Kills it with SIGKILL.
    pub(crate) fn kill(mut self) -> Result<(), String> {
        self.process.kill().map_err(|error| error.to_string())?;
        self.process.wait().map(drop).map_err(|error| error.to_string())
    }

    fn complaint(&self, what: &str) -> String {
        format!("the {} broker {what}, see {}", self.side, self.log.display())
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.process.kill(); // it may have ended already
        let _ = self.process.wait();
    }
}

/// Two neighbouring ports of five digits each, below the range from which the system takes ports for connections.
pub(crate) fn free_ports() -> Result<u16, String> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = (std::process::id() % 400) as u16 * 40;
    let free = |port: u16| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
    for _ in 0..10_000 {
        let step = NEXT.fetch_add(2, Ordering::Relaxed);
        let port = 12_000 + start.wrapping_add(step) % 20_000;
        if free(port) && free(port + 1) {
            return Ok(port);
        }
    }
    Err("no two neighbouring ports are free".to_owned())
}
