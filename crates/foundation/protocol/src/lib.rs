//! Owns Kafka's wire format: messages, records of the metadata log and of the coordinators, primitive codecs, error codes, the API table.
//! Knows nothing of connections, record batches or what a message makes happen; does no IO.
//! Entry type: [`Message`], which every generated message implements; [`Reader`] and [`Writer`] are its two ends.
//! Driven by whoever holds a frame: `io/net` and the broker for requests, the kernel and the log for records.
//! Tests: `tests/it/` (golden bytes of Kafka's own encoder in `tests/golden/`), small ones beside the code. Code in `src/generated/` comes from `schema/` by `cargo xtask codegen`.

mod api;
mod error;
mod error_code;
pub mod frame;
#[rustfmt::skip]
mod generated;
mod message;
mod reader;
mod records;
pub mod schema;
mod tagged;
mod uuid;
mod value;
mod wire;
mod writer;

pub use api::{ApiInfo, Listener, UnknownApiKey, VersionRange};
pub use error::{DecodeError, DecodeErrorKind, EncodeError};
pub use error_code::ErrorCode;
pub use generated::{ApiKey, coordinator, data, headers, messages, metadata, remote_log};
pub use message::{Message, Request, Response};
pub use reader::Reader;
pub use records::Records;
pub use schema::Schema;
pub use tagged::RawTaggedField;
pub use uuid::{ParseUuidError, Uuid};
pub use value::Value;
pub use wire::Wire;
pub use writer::{EncodedFrame, ExternalCut, TaggedFields, Writer};

/// Longest array that is read; Kafka 4.4 refuses longer ones.
pub const MAX_ARRAY_ELEMENTS: usize = 1_000_000;

/// Most tagged fields read in one struct; Kafka 4.4 refuses more.
pub const MAX_TAGGED_FIELDS: usize = 10_000;
