//! From what `--offset` says to offsets.

use std::collections::BTreeMap;

use klamm_client::consumer::ConsumerRecord;
use klamm_client::{Client, ErrorCode, IsolationLevel, OffsetSpec, TopicPartition};

use super::offset::{Point, Range};
use super::options::Options;
use super::reader::unknown_topic;
use crate::output::Failure;
use crate::settings;

/// When a partition has been read far enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Until {
    /// Before this offset.
    offset: Option<i64>,
    /// Before the first record of this time or later.
    time: Option<i64>,
}

impl Until {
    pub(super) const NEVER: Until = Until {
        offset: None,
        time: None,
    };

    pub(super) fn is_never(&self) -> bool {
        *self == Until::NEVER
    }

    /// How many of these records come before it.
    pub(super) fn before(&self, records: &[ConsumerRecord]) -> usize {
        let count = match self.offset {
            Some(end) => records.partition_point(|record| record.offset() < end),
            None => records.len(),
        };
        let late = |time: i64| records[..count].iter().position(|record| record.timestamp() >= time);
        self.time.and_then(late).unwrap_or(count)
    }

    /// Whether nothing more can come before it from this position on.
    pub(super) fn is_reached(&self, position: i64) -> bool {
        self.offset.is_some_and(|end| position >= end)
    }
}

/// What is read of a partition.
pub(super) struct Span {
    /// None where the group is.
    pub(super) from: Option<i64>,
    pub(super) until: Until,
}

impl Span {
    pub(super) fn is_empty(&self) -> bool {
        self.from.is_some_and(|from| self.until.is_reached(from))
    }
}

type Offsets = BTreeMap<TopicPartition, Option<i64>>;

/// What the brokers say of the partitions.
pub(super) struct Ends {
    first: Offsets,
    after_last: Offsets,
    /// What lies at the times that were asked for.
    from_time: Offsets,
    to_time: Offsets,
}

impl Ends {
    /// Asks for all that may be needed, at once.
    pub(super) async fn ask(
        client: &Client,
        options: &Options,
        partitions: &[TopicPartition],
    ) -> Result<Ends, Failure> {
        let ask = async |point: Option<Point>| {
            let spec = match point {
                Some(Point::Start) => OffsetSpec::Earliest,
                Some(Point::End) => OffsetSpec::Latest,
                Some(Point::Time(millis)) => OffsetSpec::Timestamp(millis),
                _ => return Ok(Offsets::new()),
            };
            list(client, options, partitions, spec).await
        };
        let time = |point: Option<Point>| point.filter(|point| matches!(point, Point::Time(_)));
        let (first, after_last, from_time, to_time) = tokio::try_join!(
            ask(Some(Point::Start)),
            ask(Some(Point::End)),
            ask(time(options.range.from)),
            ask(time(options.range.to)),
        )?;
        Ok(Ends {
            first,
            after_last,
            from_time,
            to_time,
        })
    }

    /// What is to be read of a partition that was asked for.
    pub(super) fn span(&self, partition: &TopicPartition, range: Range, exit: bool, now_ms: i64) -> Span {
        let of = |offsets: &Offsets| offsets.get(partition).copied().flatten();
        let first = of(&self.first).unwrap_or(0);
        // What is stable may end before what has been deleted.
        let end = of(&self.after_last).unwrap_or(first).max(first);
        let place = |point: Point, at_time: &Offsets| match point {
            Point::Start => Some(first),
            Point::End => Some(end),
            Point::Stored => None,
            Point::At(offset) => Some(offset),
            Point::AfterStart(count) => Some(first.saturating_add(count)),
            Point::BeforeEnd(count) => Some(end.saturating_sub(count)),
            Point::Time(_) => of(at_time),
        };
        let from = match range.from.unwrap_or(Point::Start) {
            Point::Stored => None,
            point => Some(place(point, &self.from_time).unwrap_or(end).clamp(first, end)),
        };
        let mut until = Until {
            offset: range.to.and_then(|to| place(to, &self.to_time)),
            time: None,
        };
        if let (Some(Point::Time(time)), None) = (range.to, until.offset) {
            // No record is that late yet. Those that come are of today.
            match time > now_ms {
                true => until.time = Some(time),
                false => until.offset = Some(end),
            }
        }
        if exit {
            until.offset = Some(until.offset.map_or(end, |offset| offset.min(end)));
        }
        Span { from, until }
    }
}

async fn list(
    client: &Client,
    options: &Options,
    partitions: &[TopicPartition],
    spec: OffsetSpec,
) -> Result<Offsets, Failure> {
    let isolation = match options.properties.get("isolation.level") {
        Some("read_committed") => IsolationLevel::ReadCommitted,
        _ => IsolationLevel::ReadUncommitted,
    };
    let asked: Vec<_> = partitions.iter().map(|partition| (partition.clone(), spec)).collect();
    let answers = client.admin().list_offsets(&asked, isolation).await;
    let answers = answers.map_err(|error| settings::failure(&error))?;
    let offsets = answers.into_iter().map(|(partition, answer)| match answer {
        Ok(listed) => Ok((partition, listed.offset)),
        Err(error) if error.code() == Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION) => {
            Err(unknown_topic(&partition.topic))
        }
        Err(error) => Err(settings::failure(&error).reworded(|words| format!("{partition}: {words}"))),
    });
    offsets.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_before_the_first_record_is_where_that_is() {
        let partition = TopicPartition::new("t", 0);
        let at = |offset| Offsets::from([(partition.clone(), Some(offset))]);
        let ends = Ends {
            first: at(10),
            after_last: at(4),
            from_time: Offsets::new(),
            to_time: Offsets::new(),
        };
        for from in [
            Point::Start,
            Point::End,
            Point::At(2),
            Point::At(20),
            Point::BeforeEnd(3),
        ] {
            let range = Range {
                from: Some(from),
                to: None,
            };
            let span = ends.span(&partition, range, true, 0);
            assert_eq!((span.from, span.is_empty()), (Some(10), true), "{from:?}");
        }
    }
}
