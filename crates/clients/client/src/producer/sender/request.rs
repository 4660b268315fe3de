//! A Produce request, from the batches that go into it to its reply.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use klamm_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use klamm_protocol::messages::{ProduceRequest, ProduceResponse};
use klamm_protocol::{Records, Uuid};

use super::Sender;
use crate::client::{InFlight, RequestOptions};
use crate::producer::batch::Place;
use crate::producer::options::Acks;
use crate::producer::sequences::Ticket;
use crate::{Client, Error, Lane, Target};

/// The newest version in which topics go by name.
const NEWEST_WITH_NAMES: i16 = 12;

/// Batches for one request.
#[derive(Debug, Default)]
pub(super) struct Parcel {
    parts: BTreeMap<Place, (Ticket, Bytes)>,
    size: usize,
}

impl Parcel {
    pub(super) fn add(&mut self, place: Place, ticket: Ticket, bytes: Bytes) {
        self.size += bytes.len();
        let before = self.parts.insert(place, (ticket, bytes));
        assert!(before.is_none(), "a request has one batch of a partition");
    }

    pub(super) fn has(&self, place: Place) -> bool {
        self.parts.contains_key(&place)
    }

    /// Bytes of the batches.
    pub(super) fn size(&self) -> usize {
        self.size
    }
}

/// One batch of a request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    pub(super) place: Place,
    pub(super) ticket: Ticket,
    /// Under which the request named the topic.
    pub(super) topic_id: Uuid,
}

/// What a broker answered, or `None` if it was not to.
pub(super) type Answer = Result<Option<ProduceResponse>, Error>;

type Starting = Pin<Box<dyn Future<Output = Result<InFlight<ProduceRequest>, Error>> + Send>>;
type Answering = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// A request under way.
pub(super) struct Flight {
    pub(super) node: i32,
    /// By place.
    pub(super) parts: Vec<Part>,
    pub(super) result: Option<Answer>,
    /// Until the sender has noticed that the place of the request in the connection's order is fixed.
    pub(super) is_starting: bool,
    acks: Acks,
    stage: Stage,
}

enum Stage {
    Starting(Starting),
    Answering(Answering),
    Ended,
}

impl Flight {
    /// Whether later requests could still pass it.
    pub(super) fn in_start(&self) -> bool {
        matches!(self.stage, Stage::Starting(_))
    }

    /// Goes on as far as possible; whether it came a stage further.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> bool {
        let mut moved = false;
        loop {
            let (stage, result) = match &mut self.stage {
                Stage::Starting(starting) => match starting.as_mut().poll(context) {
                    Poll::Pending => return moved,
                    Poll::Ready(Ok(sent)) => (Stage::Answering(answer(sent, self.acks)), None),
                    Poll::Ready(Err(error)) => (Stage::Ended, Some(Err(error))),
                },
                Stage::Answering(answering) => match answering.as_mut().poll(context) {
                    Poll::Pending => return moved,
                    Poll::Ready(result) => (Stage::Ended, Some(result)),
                },
                Stage::Ended => return moved || self.result.is_some(),
            };
            (self.stage, moved) = (stage, true);
            self.result = result.or(self.result.take());
        }
    }
}

fn answer(sent: InFlight<ProduceRequest>, acks: Acks) -> Answering {
    Box::pin(async move {
        match acks {
            Acks::None => sent.written().await.map(|()| None),
            Acks::Leader | Acks::All => sent.response().await.map(|(_, response)| Some(response)),
        }
    })
}

impl Sender {
    /// Sends one request, whose place in the order of the broker's requests is now.
    pub(super) fn send(&mut self, node: i32, parcel: Parcel) {
        let options = &self.shared.options;
        let mut sending = RequestOptions::new(Lane::Produce);
        sending.timeout = Some(options.request_timeout);
        sending.answered = options.acks != Acks::None;
        let mut parts = Vec::with_capacity(parcel.parts.len());
        let mut topics: Vec<TopicProduceData> = Vec::new();
        {
            let state = self.shared.accumulator.lock();
            let mut latest = None;
            for (place, (ticket, bytes)) in parcel.parts {
                let topic = &state.topics[place.topic];
                if latest != Some(place.topic) {
                    latest = Some(place.topic);
                    topics.push(TopicProduceData {
                        name: topic.name.to_string(),
                        topic_id: topic.id,
                        ..Default::default()
                    });
                }
                parts.push(Part {
                    place,
                    ticket,
                    topic_id: topic.id,
                });
                let records = Records::External {
                    id: sending.records.len() as u32,
                    len: bytes.len() as u32,
                };
                sending.records.push(bytes);
                if let Some(data) = topics.last_mut() {
                    data.partition_data.push(PartitionProduceData {
                        index: place.partition,
                        records: Some(records),
                        ..Default::default()
                    });
                }
            }
        }
        if parts.iter().any(|part| part.topic_id == Uuid::ZERO) {
            sending.newest = NEWEST_WITH_NAMES;
        }
        let request = ProduceRequest {
            transactional_id: None,
            acks: options.acks.number(),
            timeout_ms: options.request_timeout.as_millis() as i32,
            topic_data: topics,
            ..Default::default()
        };
        let state = self.nodes.entry(node).or_default();
        state.under_way += 1;
        state.starting = true;
        self.shared.metrics.count_request();
        self.flights.push(Flight {
            node,
            parts,
            result: None,
            is_starting: true,
            acks: options.acks,
            stage: Stage::Starting(Box::pin(start(self.shared.client.clone(), node, sending, request))),
        });
    }
}

async fn start(
    client: Client,
    node: i32,
    options: RequestOptions,
    request: ProduceRequest,
) -> Result<InFlight<ProduceRequest>, Error> {
    let make = |version: i16| {
        let mut request = request.clone();
        for topic in &mut request.topic_data {
            match version > NEWEST_WITH_NAMES {
                true => topic.name.clear(),
                false => topic.topic_id = Uuid::ZERO,
            }
        }
        request
    };
    client.start(&Target::Broker(node), options, make).await
}
