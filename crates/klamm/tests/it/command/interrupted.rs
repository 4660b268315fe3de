//! A signal while a tool waits for a broker: one message, the code of the signal, and what may have been done is said.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use klamm_testkit::{Cluster, Fault, Proxy};

use super::process::{PATIENCE, klamm};

const MAY: &str = "the change may have been made or not: look before you make it again";
const NOTHING: &str = "nothing was changed";

/// A node behind a proxy, with a runtime that both live on.
struct Bed {
    runtime: tokio::runtime::Runtime,
    proxy: Option<Proxy>,
    cluster: Option<Cluster>,
}

impl Bed {
    fn start() -> Bed {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).enable_all().build().unwrap();
        let cluster = runtime.block_on(Cluster::start()).unwrap();
        let _inside = runtime.enter();
        let proxy = cluster.proxy().unwrap();
        Bed {
            proxy: Some(proxy),
            cluster: Some(cluster),
            runtime,
        }
    }

    fn proxy(&self) -> &Proxy {
        self.proxy.as_ref().unwrap()
    }

    /// `klamm LINE` with `BROKER` replaced.
    fn spawn(&self, line: &str) -> Child {
        let line = line.replace("BROKER", self.proxy().bootstrap());
        let words: Vec<&str> = line.split_whitespace().collect();
        let mut command = klamm(&words);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command.spawn().unwrap()
    }

    fn wait_for(&self, fault: &Fault) {
        let hit = fault.wait_for_hits(1);
        self.runtime
            .block_on(async { tokio::time::timeout(PATIENCE, hit).await })
            .unwrap();
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        let _inside = self.runtime.enter();
        drop(self.proxy.take());
        drop(self.cluster.take());
    }
}

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill")
        .args(["-s", name, &child.id().to_string()])
        .status();
    assert!(sent.unwrap().success());
}

struct Ended {
    code: Option<i32>,
    out: String,
    err: String,
}

fn ended(mut child: Child) -> Ended {
    let begun = Instant::now();
    let status = loop {
        match child.try_wait().unwrap() {
            Some(status) => break status,
            None if begun.elapsed() > PATIENCE => {
                child.kill().unwrap();
                panic!("the process did not end");
            }
            None => std::thread::sleep(Duration::from_millis(2)),
        }
    };
    let (mut out, mut err) = (String::new(), String::new());
    child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    Ended {
        code: status.code(),
        out,
        err,
    }
}

#[test]
fn a_tool_that_waits_says_what_it_has_not_done() {
    let bed = Bed::start();
    let dir = tempfile::tempdir().unwrap();
    let records = dir.path().join("records.json");
    std::fs::write(&records, r#"{"partitions":[{"topic":"t","partition":0,"offset":0}]}"#).unwrap();
    let records = format!(
        "delete-records --bootstrap-server BROKER --offset-json-file {}",
        records.display()
    );
    for (line, hint) in [
        ("topics --bootstrap-server BROKER --list", NOTHING),
        ("topics --bootstrap-server BROKER --delete --topic t", MAY),
        ("topics --bootstrap-server BROKER --create --topic t", MAY),
        ("configs --bootstrap-server BROKER --describe --topic t", NOTHING),
        (
            "configs --bootstrap-server BROKER --alter --topic t --add-config retention.ms=1",
            MAY,
        ),
        (&records, MAY),
        ("get-offsets --bootstrap-server BROKER", NOTHING),
        ("broker-api-versions --bootstrap-server BROKER", NOTHING),
        ("consumer-groups --bootstrap-server BROKER --list", NOTHING),
        ("consumer-groups --bootstrap-server BROKER --delete --group g", MAY),
        ("groups --bootstrap-server BROKER --list", NOTHING),
        ("log-dirs --bootstrap-server BROKER --describe", NOTHING),
        ("cluster cluster-id --bootstrap-server BROKER", NOTHING),
        ("cluster unregister --bootstrap-server BROKER --id 7", MAY),
        ("features --bootstrap-server BROKER describe", NOTHING),
        ("features --bootstrap-server BROKER upgrade --release-version 4.0", MAY),
        ("metadata-quorum --bootstrap-server BROKER describe --status", NOTHING),
    ] {
        let held = bed.proxy().on_any().hold_reply();
        let child = bed.spawn(line);
        bed.wait_for(&held);
        signal(&child, "INT");
        let ended = ended(child);
        assert_eq!(ended.code, Some(130), "{line}: {}", ended.err);
        assert_eq!(ended.err, format!("error: interrupted\n  hint: {hint}\n"), "{line}");
        assert!(!ended.out.contains("Created"), "{line}: {}", ended.out);
    }
}

#[test]
fn a_change_whose_reply_is_held_is_one_that_may_have_been_made() {
    let bed = Bed::start();
    let held = bed
        .proxy()
        .on::<klamm_protocol::messages::CreateTopicsRequest>()
        .hold_reply();
    let child = bed.spawn("topics --bootstrap-server BROKER --create --topic made --json");
    bed.wait_for(&held);
    signal(&child, "TERM");
    let stopped = ended(child);
    assert_eq!((stopped.code, &*stopped.out), (Some(143), ""));
    assert_eq!(
        stopped.err,
        format!("{{\"error\":\"interrupted\",\"hint\":\"{MAY}\"}}\n")
    );
    drop(held);
    // The broker may hear of it later than the controller answers.
    let give_up = Instant::now() + Duration::from_secs(20);
    loop {
        let listed = ended(bed.spawn("topics --bootstrap-server BROKER --list"));
        if listed.out == "made\n" {
            break;
        }
        assert!(Instant::now() < give_up, "{}{}", listed.out, listed.err);
    }
}

#[test]
fn tools_that_stream_end_in_order() {
    let bed = Bed::start();
    let created = ended(bed.spawn("topics --bootstrap-server BROKER --create --topic t"));
    assert_eq!(created.code, Some(0), "{}", created.err);

    // What was read is delivered, and said.
    let mut child = bed.spawn("produce -b BROKER t -X linger.ms=0");
    let mut input = child.stdin.take().unwrap();
    input.write_all(b"one\ntwo\nhalf").unwrap();
    input.flush().unwrap();
    let mut following = bed.spawn("consume -b BROKER t");
    let mut lines = BufReader::new(following.stdout.take().unwrap());
    let mut read = String::new();
    while read.lines().count() < 2 {
        assert_ne!(lines.read_line(&mut read).unwrap(), 0, "{read}");
    }
    signal(&child, "INT");
    let produced = ended(child);
    assert_eq!((produced.code, &*produced.out), (Some(130), ""));
    assert_eq!(
        produced.err,
        "error: interrupted\n  hint: 2 records were delivered; the rest of the input was not read\n"
    );
    drop(input);
    signal(&following, "INT");
    following.stdout = Some(lines.into_inner());
    let followed = ended(following);
    assert_eq!((followed.code, &*read), (Some(130), "one\ntwo\n"));
    assert_eq!(followed.err, "error: interrupted\n");

    // Also while it connects, and as a member of a group that has not formed.
    for line in ["consume -b BROKER t", "consume -b BROKER -G g t", "produce -b BROKER t"] {
        let held = bed.proxy().on_any().hold_reply();
        let child = bed.spawn(line);
        bed.wait_for(&held);
        signal(&child, "INT");
        let ended = ended(child);
        assert_eq!((ended.code, &*ended.out), (Some(130), ""), "{line}: {}", ended.err);
        assert!(ended.err.starts_with("error: interrupted\n"), "{line}: {}", ended.err);
    }
}

#[test]
fn records_in_flight_at_a_signal_are_not_called_delivered() {
    let bed = Bed::start();
    let created = ended(bed.spawn("topics --bootstrap-server BROKER --create --topic t"));
    assert_eq!(created.code, Some(0), "{}", created.err);
    for (line, hint) in [
        (
            "produce -b BROKER t",
            "0 records were delivered; what became of 2 records is not known",
        ),
        (
            "console-producer --bootstrap-server BROKER --topic t --request-timeout-ms 60000",
            "0 of the 2 lines read before it are delivered; what became of 2 is not known",
        ),
    ] {
        let held = bed
            .proxy()
            .on::<klamm_protocol::messages::ProduceRequest>()
            .hold_reply();
        let mut child = bed.spawn(line);
        child.stdin.take().unwrap().write_all(b"one\ntwo\n").unwrap();
        bed.wait_for(&held);
        // The input has ended: the first signal may find it finishing already, or not yet.
        signal(&child, "INT");
        signal(&child, "INT");
        let begun = Instant::now();
        while child.try_wait().unwrap().is_none() && begun.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(20));
            signal(&child, "INT");
        }
        let ended = ended(child);
        assert_eq!((ended.code, &*ended.out), (Some(130), ""), "{line}: {}", ended.err);
        let expected = format!("error: interrupted\n  hint: {hint}");
        assert!(ended.err.starts_with(&expected), "{line}: {}", ended.err);
    }
}

#[test]
fn tools_that_go_on_trying_say_so_and_can_be_stopped() {
    // Nobody listens here.
    let nowhere = "127.0.0.1:1";
    for line in [
        "console-consumer --bootstrap-server BROKER --topic t",
        "console-producer --bootstrap-server BROKER --topic t",
        "consumer-perf-test --bootstrap-server BROKER --topic t --num-records 1",
        "producer-perf-test --bootstrap-server BROKER --topic t --num-records 1 --record-size 9 --throughput -1",
        "verifiable-producer --bootstrap-server BROKER --topic t",
        "verifiable-consumer --bootstrap-server BROKER --topic t --group-id g",
    ] {
        let line = line.replace("BROKER", nowhere);
        let words: Vec<&str> = line.split_whitespace().collect();
        let mut command = klamm(&words);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(b"a line\n").unwrap();
        let mut err = BufReader::new(child.stderr.take().unwrap());
        let mut said = String::new();
        while !said.contains(nowhere) {
            assert_ne!(err.read_line(&mut said).unwrap(), 0, "{line}: {said}");
        }
        signal(&child, "INT");
        child.stderr = Some(err.into_inner());
        let ended = ended(child);
        assert_eq!(ended.code, Some(130), "{line}: {said}{}", ended.err);
        assert!(
            ended.err.contains("error: interrupted\n"),
            "{line}: {said}{}",
            ended.err
        );
        assert!(!ended.err.contains("panicked"), "{line}: {}", ended.err);
    }
}
