//! Topics made one after the other, and whether a broker serves yet.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use klamm_client::{Client, NewTopic};
use klamm_protocol::frame;
use klamm_protocol::messages::{MetadataRequest, MetadataResponse};

use crate::batches::{Kind, Request};
use crate::connection::Connection;
use crate::figures;
use crate::options::Options;
use crate::produce::accepted;

/// How often a broker is asked, and how long.
const ASK: Duration = Duration::from_millis(1);
const PATIENCE: Duration = Duration::from_secs(300);
const METADATA_VERSION: i16 = 9;

/// Makes `--topics` topics of `--partitions`, each after the one before was made.
pub(crate) async fn create(options: &Options<'_>) -> Result<(), String> {
    let bootstrap: String = options.get("bootstrap")?;
    let client = Client::connect(bootstrap.as_str())
        .await
        .map_err(|error| error.to_string())?;
    let topics: usize = options.get("topics")?;
    let partitions: i32 = options.get("partitions")?;
    let begun = Instant::now();
    for at in 0..topics {
        let topic = NewTopic::new(format!("topic-{at}")).partitions(partitions);
        let made = client.admin().create_topics(&[topic], false).await;
        for (name, made) in made.map_err(|error| error.to_string())? {
            made.map_err(|error| format!("{name}: {error}"))?;
        }
    }
    figures::print(&[("topics", topics as f64), ("seconds", begun.elapsed().as_secs_f64())]);
    Ok(())
}

/// Waits until a broker says of whom the cluster consists, or took a record for each of the `--partitions` of `--topic`, and
/// prints when that was.
pub(crate) async fn ready(options: &Options<'_>) -> Result<(), String> {
    let bootstrap: String = options.get("bootstrap")?;
    let topic: String = options.get_or("topic", String::new())?;
    let mut missing: Vec<i32> = (0..options.get_or("partitions", 1)?).collect();
    let deadline = Instant::now() + PATIENCE;
    loop {
        let outcome = match topic.as_str() {
            "" => knows_itself(&bootstrap).await,
            topic => takes_records(&bootstrap, topic, &mut missing).await,
        };
        match outcome {
            Ok(()) => break,
            Err(error) if Instant::now() > deadline => return Err(error),
            Err(_) => tokio::time::sleep(ASK).await,
        }
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    figures::print(&[("ready_at", now.as_secs_f64())]);
    Ok(())
}

async fn knows_itself(bootstrap: &str) -> Result<(), String> {
    let mut connection = Connection::open(bootstrap).await?;
    let request = MetadataRequest {
        topics: Some(Vec::new()),
        ..Default::default()
    };
    let request = frame::encode_request(0, None, METADATA_VERSION, &request).map_err(|error| error.to_string())?;
    connection.send(&request.bytes).await?;
    let answer = connection.receive().await?;
    let (_, answer) =
        frame::decode_response::<MetadataResponse>(answer, METADATA_VERSION).map_err(|error| error.to_string())?;
    match answer.brokers.is_empty() {
        true => Err("it knows no broker".to_owned()),
        false => Ok(()),
    }
}

/// Sends a record to each partition that has taken none yet.
async fn takes_records(bootstrap: &str, topic: &str, missing: &mut Vec<i32>) -> Result<(), String> {
    let mut connection = Connection::open(bootstrap).await?;
    let kind = Kind {
        record_size: 100,
        batch_size: 200,
        codec: klamm_client::Compression::None,
    };
    let mut request = Request::encode(topic, -1, &kind, 0)?;
    for partition in missing.iter() {
        request.address(*partition, *partition);
        connection.send(&request.frame).await?;
    }
    let mut refused = Vec::new();
    let mut reason = String::new();
    for partition in missing.iter() {
        if let Err(error) = accepted(connection.receive().await?, *partition) {
            refused.push(*partition);
            reason = error;
        }
    }
    *missing = refused;
    if missing.is_empty() { Ok(()) } else { Err(reason) }
}
