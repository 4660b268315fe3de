//! Requests to a node that runs in this process with one worker thread. They come from the main thread, one after the other over
//! one connection; it allocates nothing meanwhile.

use std::error::Error;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use klamm_protocol::ErrorCode;
use klamm_protocol::messages::*;
use klamm_testkit::Cluster;

use crate::samples;

/// One request again and again.
pub(crate) struct Script {
    pub(crate) name: &'static str,
    request: fn(now_ms: i64) -> Bytes,
    /// Least bytes of its answer: it has what was asked for.
    answer_bytes: usize,
}

pub(crate) const ALL: &[Script] = &[
    Script {
        name: "Produce, one record, acks=1",
        request: |now_ms| samples::frame(&samples::produce(1, 1, &samples::batch(1, now_ms)), samples::PRODUCE),
        answer_bytes: 40,
    },
    Script {
        name: "Produce, 100 records, acks=all",
        request: |now_ms| samples::frame(&samples::produce(-1, 1, &samples::batch(100, now_ms)), samples::PRODUCE),
        answer_bytes: 40,
    },
    Script {
        name: "Fetch, a batch of 100 records",
        request: |_| samples::frame(&samples::fetch(1), samples::FETCH),
        answer_bytes: 10_000,
    },
    Script {
        name: "Metadata, one topic",
        request: |_| samples::frame(&samples::metadata(), samples::METADATA),
        answer_bytes: 40,
    },
];

/// Requests before those that count.
const WARM_UP: u64 = 100;

/// Runs a script; returns by how much `count` rose with each request.
pub(crate) fn run(name: &str, requests: u64, count: impl Fn() -> u64) -> Result<f64, String> {
    let script = ALL.iter().find(|script| script.name == name);
    let script = script.ok_or_else(|| format!("there is no script `{name}`"))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    let cluster = runtime.block_on(prepare()).map_err(|error| error.to_string())?;
    let counted = send(&cluster, script, requests, count).map_err(|error| error.to_string())?;
    runtime.block_on(async {
        let mut cluster = cluster;
        cluster.kill().await;
    });
    Ok(counted)
}

fn send(cluster: &Cluster, script: &Script, requests: u64, count: impl Fn() -> u64) -> std::io::Result<f64> {
    let request = (script.request)(now_ms());
    let mut stream = TcpStream::connect(cluster.address())?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    let mut answer = vec![0; 1 << 16];
    let mut before = 0;
    for n in 0..WARM_UP + requests {
        if n == WARM_UP {
            before = count();
        }
        stream.write_all(&request)?;
        stream.read_exact(&mut answer[..4])?;
        let length = u32::from_be_bytes([answer[0], answer[1], answer[2], answer[3]]) as usize;
        assert!(length >= script.answer_bytes, "{}: {length} bytes", script.name);
        stream.read_exact(&mut answer[..length])?;
    }
    Ok((count() - before) as f64 / requests as f64)
}

/// A node that does little by itself, and has the topic with a batch in it.
async fn prepare() -> Result<Cluster, Box<dyn Error>> {
    let cluster = Cluster::builder()
        .set("metadata.max.idle.interval.ms", "0")
        .set("log.cleaner.enable", "false")
        .start()
        .await?;
    let mut client = cluster.client().await?;
    let topic = create_topics_request::CreatableTopic {
        name: samples::TOPIC.to_owned(),
        num_partitions: 1,
        replication_factor: 1,
        ..Default::default()
    };
    let create = CreateTopicsRequest {
        topics: vec![topic],
        timeout_ms: 30_000,
        ..Default::default()
    };
    let created = client.call(&create, 7).await?.topics[0].error_code;
    assert_eq!(created, ErrorCode::NONE);
    loop {
        let request = samples::produce(-1, 1, &samples::batch(100, now_ms()));
        let reply = client.call(&request, samples::PRODUCE).await?;
        match reply.responses[0].partition_responses[0].error_code {
            ErrorCode::NONE => return Ok(cluster),
            error => assert!(error.is_retriable(), "{}", error.name()),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(0)
}
