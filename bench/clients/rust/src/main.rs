//! Owns load by Klamm's client: `produce BOOTSTRAP TOPIC RECORDS SIZE CODEC` or `consume BOOTSTRAP TOPIC RECORDS`.
//! Knows nothing of brokers or of measuring; prints how many records it handled and how many bytes their values had.
//! Entry: `main`.
//! Driven by `cargo xtask bench clients`, which compares its processor time with that of the programs in Go and C beside it.
//! Tests: none of its own; a run fails when a record is missing.

mod values;

use std::collections::VecDeque;
use std::error::Error;
use std::time::Duration;

use klamm_client::producer::Delivery;
use klamm_client::{Acks, Client, Consumer, MetadataTopics, Producer, Record, TopicPartition};

/// What all programs of the comparison set alike.
const BATCH_BYTES: usize = 1_000_000;
const BUFFER_BYTES: usize = 32 << 20;
const BUFFER_RECORDS: usize = 100_000;
const LINGER: Duration = Duration::from_millis(10);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let (records, bytes) = match args[..] {
        ["produce", bootstrap, topic, records, size, codec] => {
            produce(bootstrap, topic, records.parse()?, size.parse()?, codec).await?
        }
        ["consume", bootstrap, topic, records] => consume(bootstrap, topic, records.parse()?).await?,
        _ => return Err("usage: produce BOOTSTRAP TOPIC RECORDS SIZE CODEC | consume BOOTSTRAP TOPIC RECORDS".into()),
    };
    println!("{records} {bytes}");
    Ok(())
}

/// Produces, looking at the outcome of every record.
async fn produce(
    bootstrap: &str,
    topic: &str,
    records: usize,
    size: usize,
    codec: &str,
) -> Result<(usize, usize), Box<dyn Error>> {
    let values = values::make(size);
    let producer = Producer::builder(bootstrap)
        .acks(Acks::All)
        .property("compression.type", codec)
        .batch_size(BATCH_BYTES)
        .linger(LINGER)
        .buffer_memory(BUFFER_BYTES)
        .buffer_records(BUFFER_RECORDS)
        .build()
        .await?;
    let mut deliveries: VecDeque<Delivery> = VecDeque::with_capacity(BUFFER_RECORDS);
    let (mut placed, mut bytes) = (0, 0);
    for n in 0..records {
        if deliveries.len() == BUFFER_RECORDS
            && let Some(delivery) = deliveries.pop_front()
        {
            placed += usize::from(delivery.await?.has_offset());
        }
        let value = &values[n % values.len()];
        bytes += value.len();
        deliveries.push_back(producer.enqueue(Record::to(topic).value(value)).await?);
    }
    producer.flush().await?;
    for delivery in deliveries {
        placed += usize::from(delivery.await?.has_offset());
    }
    producer.close().await?;
    Ok((placed, bytes))
}

/// Reads a topic from its beginning.
async fn consume(bootstrap: &str, topic: &str, records: usize) -> Result<(usize, usize), Box<dyn Error>> {
    let client = Client::connect(bootstrap).await?;
    let known = client.metadata(MetadataTopics::names([topic])).await?;
    let partitions = known.topic(topic).map_or(0, |topic| topic.partitions.len() as i32);
    let consumer = Consumer::builder(&client)
        .assign((0..partitions).map(|partition| TopicPartition::new(topic, partition)))
        .property("auto.offset.reset", "earliest")
        .build()
        .await?;
    let (mut count, mut bytes) = (0, 0);
    while count < records {
        for record in &consumer.poll(Duration::from_secs(10)).await? {
            count += 1;
            bytes += record.value().map_or(0, <[u8]>::len);
        }
    }
    consumer.close().await?;
    Ok((count, bytes))
}
