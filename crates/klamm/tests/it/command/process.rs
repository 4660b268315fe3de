//! Runs the binary and talks to it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Far longer than anything here takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn klamm(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_klamm"));
    command
        .args(arguments)
        .env_remove("XDG_DATA_HOME")
        .env("HOME", "/nonexistent");
    command
}

/// What a command said that was expected to end by itself.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

pub(crate) fn ended(command: &mut Command) -> Ended {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let status = wait(&mut child);
    let (mut stdout, mut stderr) = (String::new(), String::new());
    child.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    Ended {
        code: status.code(),
        stdout,
        stderr,
    }
}

fn wait(child: &mut Child) -> ExitStatus {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match child.try_wait().unwrap() {
            Some(status) => return status,
            None if Instant::now() > deadline => {
                child.kill().unwrap();
                panic!("the process did not end");
            }
            None => std::thread::sleep(Duration::from_millis(2)),
        }
    }
}

/// A node that has said that it is ready. Killed when dropped.
pub(crate) struct Running {
    child: Child,
    /// The lines up to the one that tells where to connect.
    pub(crate) greeting: String,
    pub(crate) address: SocketAddr,
}

impl Running {
    /// Starts a node on `data_dir` at a port that the system chooses.
    pub(crate) fn start(data_dir: &Path) -> Running {
        Running::start_with(&[
            "start",
            "--listen",
            "127.0.0.1:0",
            "--data-dir",
            data_dir.to_str().unwrap(),
        ])
    }

    pub(crate) fn start_with(arguments: &[&str]) -> Running {
        let mut child = klamm(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut greeting = String::new();
        let address = loop {
            let mut line = String::new();
            assert_ne!(
                stdout.read_line(&mut line).unwrap(),
                0,
                "the node ended: {:?}",
                child.wait()
            );
            greeting += &line;
            if let Some((_, address)) = line.split_once("bootstrap.servers=") {
                break address.trim().parse().unwrap();
            }
        };
        Running {
            child,
            greeting,
            address,
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by its name and waits for the end.
    pub(crate) fn signal(mut self, name: &str) -> ExitStatus {
        let sent = Command::new("kill")
            .args(["-s", name, &self.pid().to_string()])
            .status()
            .unwrap();
        assert!(sent.success());
        wait(&mut self.child)
    }

    /// An ApiVersions request of version 0 and the error code of its reply.
    pub(crate) fn api_versions(&self) -> i16 {
        api_versions(self.address).unwrap()
    }
}

pub(crate) fn api_versions(address: SocketAddr) -> std::io::Result<i16> {
    let mut stream = TcpStream::connect(address)?;
    //                  size         key    version  correlation  client id: null
    stream.write_all(&[0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 7, 0xff, 0xff])?;
    let mut head = [0; 10];
    stream.read_exact(&mut head)?;
    assert_eq!(head[4..8], [0, 0, 0, 7], "the correlation id comes back");
    Ok(i16::from_be_bytes([head[8], head[9]]))
}

impl Drop for Running {
    fn drop(&mut self) {
        let _already_gone = self.child.kill();
        let _already_reaped = self.child.wait();
    }
}
