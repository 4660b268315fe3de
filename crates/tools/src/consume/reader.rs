//! Where the records come from, and when there are no more.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use klamm_client::consumer::{ConsumerRecord, RebalanceListener, Records};
use klamm_client::{Client, Consumer, ConsumerError, ErrorCode, MetadataTopics, TopicPartition};
use regex_lite::Regex;
use tokio::time::timeout;

use super::options::Options;
use super::range::{Ends, Until};
use crate::call::Call;
use crate::output::{Failure, Messages};
use crate::settings;

/// Most bytes that are fetched at once, so that it stays small.
const FETCH_MAX_BYTES: &str = "8388608";
/// So many records are printed between two looks at what has come.
const MAX_POLL_RECORDS: &str = "5000";
/// How often partitions that came into being are looked for.
const METADATA_MAX_AGE: &str = "30000";

/// A consumer, and how far it is to go.
pub(super) struct Reader {
    consumer: Consumer,
    client: Client,
    is_member: bool,
    exit: bool,
    progress: Progress,
    /// The partitions that have not come to their end.
    open: BTreeMap<TopicPartition, Until>,
    /// Topics of which new partitions are read too.
    growing: Vec<(Arc<str>, usize)>,
}

impl Reader {
    pub(super) async fn new(options: &Options) -> Result<Reader, Failure> {
        let mut properties = options.properties.clone();
        properties.set_default("fetch.max.bytes", FETCH_MAX_BYTES);
        properties.set_default("max.poll.records", MAX_POLL_RECORDS);
        properties.set_default("metadata.max.age.ms", METADATA_MAX_AGE);
        let client = klamm_client::ClientBuilder::from_properties(properties)
            .build()
            .map_err(|error| settings::failure(&error).code(2))?;
        let topics = found_topics(&client, options).await?;
        let builder = Consumer::builder(&client);
        let builder = match &options.group {
            Some(group) => subscribed(builder.group(group), options),
            None => builder,
        };
        let progress = Progress {
            tells: options.tells,
            untold: Arc::default(),
        };
        let builder = match options.tells {
            true => builder.listener(progress.clone()),
            false => builder,
        };
        let consumer = builder
            .build()
            .await
            .map_err(|error| settings::failure(&error).code(2))?;
        let mut reader = Reader {
            consumer,
            client,
            is_member: options.group.is_some(),
            exit: options.exit,
            progress,
            open: BTreeMap::new(),
            growing: Vec::new(),
        };
        if !reader.is_member {
            reader.begin(options, topics).await?;
        }
        Ok(reader)
    }

    async fn begin(&mut self, options: &Options, topics: Vec<(Arc<str>, usize)>) -> Result<(), Failure> {
        let partitions = chosen(options, &topics)?;
        let client = self
            .client
            .with_api_timeout(options.patience.max(Duration::from_secs(30)));
        let ends = Ends::ask(&client, options, &partitions).await?;
        let mut begins = Vec::new();
        for partition in partitions {
            let span = ends.span(&partition, options.range, options.exit, options.now_ms);
            if !span.is_empty() {
                begins.push((partition.clone(), span.from));
                self.open.insert(partition, span.until);
            } else {
                self.progress.end(&partition);
            }
        }
        let failed = |error: ConsumerError| Failure::own(error.to_string());
        self.consumer.assign(self.open.keys().cloned()).map_err(failed)?;
        for (partition, from) in begins {
            if let Some(offset) = from {
                self.consumer.seek(&partition, offset).map_err(failed)?;
            }
        }
        if options.partitions.is_none() && self.open.values().all(Until::is_never) {
            self.growing = topics;
        }
        Ok(())
    }

    /// The next records; none when all is read. What was printed goes out before it waits.
    pub(super) async fn next(&mut self, call: &mut Call) -> Result<Option<Records>, Failure> {
        let mut patience = Duration::ZERO;
        // Of an end that is no record's nobody tells: it is looked for.
        let idle = match self.exit || !self.open.values().all(Until::is_never) {
            true => Duration::from_millis(50),
            false => Duration::from_secs(1),
        };
        while !self.is_done() {
            self.progress.tell(&mut call.err);
            let polled = self.consumer.poll(patience).await;
            let records = polled.map_err(|error| told(&error))?;
            if !records.is_empty() {
                return Ok(Some(records));
            }
            self.settle().await?;
            self.grow()?;
            call.out.flush()?;
            patience = idle;
        }
        Ok(None)
    }

    fn is_done(&self) -> bool {
        if !self.is_member {
            return self.open.is_empty();
        }
        let owned = self.consumer.assignment();
        self.exit && !owned.is_empty() && owned.iter().all(|partition| self.consumer.lag(partition) == Some(0))
    }

    /// How many of these records, all of one partition, lie before its end.
    pub(super) fn before_end(&mut self, records: &[ConsumerRecord]) -> usize {
        let (Some(last), false) = (records.last(), self.is_member) else {
            return records.len();
        };
        let partition = partition_of(last);
        let Some(until) = self.open.get(&partition) else {
            // Fetched before its end was seen.
            return 0;
        };
        let count = until.before(records);
        if count < records.len() || until.is_reached(last.offset() + 1) {
            self.close_partition(&partition);
        }
        count
    }

    /// Ends partitions whose last offsets are no records: those of transactions, and what was compacted away.
    async fn settle(&mut self) -> Result<(), Failure> {
        let bounded = self.open.iter().filter(|(_, until)| !until.is_never());
        let bounded: Vec<TopicPartition> = bounded.map(|(partition, _)| partition.clone()).collect();
        for partition in bounded {
            let Ok(position) = timeout(Duration::ZERO, self.consumer.position(&partition)).await else {
                continue;
            };
            let position = position.map_err(|error| told(&error))?;
            if self.open[&partition].is_reached(position) {
                self.close_partition(&partition);
            }
        }
        Ok(())
    }

    fn close_partition(&mut self, partition: &TopicPartition) {
        self.open.remove(partition);
        // It may be gone already.
        let _ = self.consumer.pause([partition]);
        self.progress.end(partition);
    }

    /// Takes up partitions that topics have got meanwhile, from their first record on.
    fn grow(&mut self) -> Result<(), Failure> {
        if self.growing.is_empty() {
            return Ok(());
        }
        let known = self.client.known_metadata();
        let mut fresh = Vec::new();
        for (topic, count) in &mut self.growing {
            let now = known.topic(topic).map_or(0, |topic| topic.partitions.len());
            fresh.extend((*count..now).map(|index| TopicPartition::new(topic.clone(), index as i32)));
            *count = now.max(*count);
        }
        if fresh.is_empty() {
            return Ok(());
        }
        self.open
            .extend(fresh.iter().map(|partition| (partition.clone(), Until::NEVER)));
        let all = self.open.keys().cloned();
        let begun = self
            .consumer
            .assign(all)
            .and_then(|()| self.consumer.seek_to_beginning(&fresh));
        begun.map_err(|error| told(&error))
    }

    /// The records were not shown: nobody shall believe that they were.
    pub(super) fn unread(&self, records: &[ConsumerRecord]) {
        if let Some(first) = records.first() {
            // It may be another's by now, who then reads it.
            let _ = self.consumer.seek(&partition_of(first), first.offset());
        }
    }

    pub(super) async fn close(self, err: &mut Messages) {
        // What was read is shown; who goes on begins where the last commit is.
        let _ = self.consumer.close().await;
        self.progress.tell(err);
    }
}

fn partition_of(record: &ConsumerRecord) -> TopicPartition {
    TopicPartition::new(record.shared_topic(), record.partition())
}

fn told(error: &ConsumerError) -> Failure {
    match error {
        ConsumerError::Client(error) => settings::failure(error),
        other => Failure::own(other.to_string()),
    }
}

/// The topics that are meant with the number of their partitions, in their order.
async fn found_topics(client: &Client, options: &Options) -> Result<Vec<(Arc<str>, usize)>, Failure> {
    let wanted = &options.topics;
    let asked = match wanted.patterns.is_empty() {
        true => MetadataTopics::names(&wanted.names),
        false => MetadataTopics::All,
    };
    let client = client.with_api_timeout(options.patience);
    let known = client.refresh_metadata(asked).await;
    let known = known.map_err(|error| settings::failure(&error))?;
    let mut found = Vec::new();
    for name in &wanted.names {
        match known.topic(name) {
            Some(topic) if topic.error.is_none() => found.push((topic.name.clone(), topic.partitions.len())),
            Some(topic) if topic.error != ErrorCode::UNKNOWN_TOPIC_OR_PARTITION => {
                return Err(Failure::own(format!("topic `{name}`: {}", topic.error.message())));
            }
            _ => return Err(unknown_topic(name)),
        }
    }
    let patterns = wanted
        .patterns
        .iter()
        .map(|pattern| Regex::new(&format!("^(?:{pattern})$")));
    // They have been read before.
    let patterns: Vec<Regex> = patterns.filter_map(Result::ok).collect();
    for topic in known.topics().filter(|topic| !topic.is_internal) {
        let meant = patterns.iter().any(|pattern| pattern.is_match(&topic.name));
        if meant && !wanted.names.iter().any(|name| **name == *topic.name) {
            found.push((topic.name.clone(), topic.partitions.len()));
        }
    }
    // A group's member waits for topics that match.
    match found.is_empty() && options.group.is_none() {
        true => Err(Failure::own("no topic matches").hint("`klamm topics --list` shows those there are")),
        false => Ok(found),
    }
}

/// A topic that does not exist.
pub(crate) fn unknown_topic(name: &str) -> Failure {
    Failure::own(format!("topic `{name}` does not exist"))
        .hint("`klamm topics --list` shows those there are, `klamm topics --create` makes one")
}

fn subscribed(builder: klamm_client::ConsumerBuilder, options: &Options) -> klamm_client::ConsumerBuilder {
    let topics = &options.topics;
    if topics.patterns.is_empty() {
        return builder.subscribe(&topics.names);
    }
    let names = topics.names.iter().map(|name| regex_lite::escape(name));
    let all: Vec<String> = topics.patterns.iter().cloned().chain(names).collect();
    builder.subscribe_pattern(all.join("|"))
}

fn chosen(options: &Options, topics: &[(Arc<str>, usize)]) -> Result<Vec<TopicPartition>, Failure> {
    let mut partitions = Vec::new();
    for (topic, count) in topics {
        let count = *count as i32;
        let Some(wanted) = &options.partitions else {
            partitions.extend((0..count).map(|index| TopicPartition::new(topic.clone(), index)));
            continue;
        };
        if let Some(missing) = wanted.iter().find(|index| **index >= count) {
            return Err(missing_partition(topic, *missing, count as usize));
        }
        partitions.extend(wanted.iter().map(|index| TopicPartition::new(topic.clone(), *index)));
    }
    Ok(partitions)
}

/// A partition that does not exist.
pub(crate) fn missing_partition(topic: &str, partition: i32, count: usize) -> Failure {
    let those = match count {
        1 => "partition 0 only".to_owned(),
        count => format!("partitions 0 to {}", count.saturating_sub(1)),
    };
    Failure::own(format!("topic `{topic}` has no partition {partition}")).hint(format!("it has {those}"))
}

/// Where the reader is and what the group does, to be told by the tool.
#[derive(Clone)]
struct Progress {
    tells: bool,
    untold: Arc<Mutex<Vec<String>>>,
}

impl Progress {
    fn note(&self, line: String) {
        if self.tells {
            self.untold.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        }
    }

    fn end(&self, partition: &TopicPartition) {
        self.note(format!("% reached the end of {partition}"));
    }

    fn tell(&self, err: &mut Messages) {
        let untold = std::mem::take(&mut *self.untold.lock().unwrap_or_else(PoisonError::into_inner));
        untold.into_iter().for_each(|line| err.line(line));
    }
}

impl RebalanceListener for Progress {
    async fn assigned(&self, _: &Consumer, partitions: &[TopicPartition]) {
        self.note(format!("% the group assigned {}", list(partitions)));
    }

    async fn revoked(&self, _: &Consumer, partitions: &[TopicPartition]) {
        self.note(format!("% the group revoked {}", list(partitions)));
    }
}

fn list(partitions: &[TopicPartition]) -> String {
    match partitions {
        [] => "nothing".to_owned(),
        partitions => partitions
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(", "),
    }
}
