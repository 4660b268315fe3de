//! What a node answers to requests that can't be met, or only just: Apache Kafka's own answers, found out by asking it.

mod cluster;
mod configs;
mod groups;
mod produce;
mod read;
mod topics;

use klamm_protocol::Uuid;

const NO_SUCH_ID: Uuid = Uuid([7; 16]);

/// Resource types of configs.
const TOPIC: i8 = 2;
const BROKER: i8 = 4;
