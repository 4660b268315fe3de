//! Produce requests that are encoded once.

use std::time::{SystemTime, UNIX_EPOCH};

use klamm_protocol::messages::ProduceRequest;
use klamm_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use klamm_protocol::{Records, frame};
use klamm_records::{BatchBuilder, Compression};

/// The last version that names topics, so that nobody has to ask for their ids.
pub(crate) const PRODUCE_VERSION: i16 = 12;

/// Where the correlation id stands: behind size, key and version.
const CORRELATION_ID: usize = 8;

const WORDS: &[&str] = &[
    "order",
    "paid",
    "shipped",
    "returned",
    "customer",
    "street",
    "amount",
    "total",
    "euro",
    "cent",
    "item",
    "quantity",
    "created",
    "updated",
    "status",
    "warehouse",
];

/// Batches of `size` bytes, but for what no further record fits in; compressed, they are smaller.
pub(crate) struct Kind {
    pub(crate) record_size: usize,
    pub(crate) batch_size: usize,
    pub(crate) codec: Compression,
}

/// A request with one batch.
pub(crate) struct Request {
    /// With its size.
    pub(crate) frame: Vec<u8>,
    partition_at: usize,
    /// Of the batch.
    pub(crate) bytes: usize,
    pub(crate) records: usize,
}

impl Request {
    /// Encodes a batch of words by chance, which `seed` decides.
    pub(crate) fn encode(topic: &str, acks: i16, kind: &Kind, seed: u64) -> Result<Request, String> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut builder = BatchBuilder::new(kind.codec).max_size(kind.batch_size);
        let mut words = Words::new(seed);
        while builder
            .push(now.as_millis() as i64, None, Some(&words.value(kind.record_size)), &[])
            .is_ok()
        {}
        if builder.is_empty() {
            return Err(format!(
                "a record of {} bytes does not fit into a batch of {}",
                kind.record_size, kind.batch_size
            ));
        }
        let records = builder.len();
        let batch = builder.build();
        let request = ProduceRequest {
            acks,
            timeout_ms: 30_000,
            topic_data: vec![TopicProduceData {
                name: topic.to_owned(),
                partition_data: vec![PartitionProduceData {
                    index: 0,
                    records: Some(Records::External {
                        id: 0,
                        len: batch.len() as u32,
                    }),
                    ..Default::default()
                }],
                ..Default::default()
            }],
            ..Default::default()
        };
        let around =
            frame::encode_request(0, Some("klamm-load"), PRODUCE_VERSION, &request).map_err(|e| e.to_string())?;
        let cut = around.external[0].at;
        Ok(Request {
            frame: [&around.bytes[..cut], &batch, &around.bytes[cut..]].concat(),
            partition_at: cut - varint_length(batch.len() + 1) - 4,
            bytes: batch.len(),
            records,
        })
    }

    /// Makes it another request: neither id nor partition is covered by the batch's checksum.
    pub(crate) fn address(&mut self, correlation_id: i32, partition: i32) {
        self.frame[CORRELATION_ID..CORRELATION_ID + 4].copy_from_slice(&correlation_id.to_be_bytes());
        self.frame[self.partition_at..self.partition_at + 4].copy_from_slice(&partition.to_be_bytes());
    }
}

/// Bytes of an unsigned varint, in which the length of compact bytes is written, plus one.
fn varint_length(value: usize) -> usize {
    (value.max(1).ilog2() as usize) / 7 + 1
}

/// Text that codecs can do something with.
pub(crate) struct Words(u64);

impl Words {
    pub(crate) fn new(seed: u64) -> Self {
        Words(88_172_645_463_325_252 ^ seed.wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(crate) fn value(&mut self, size: usize) -> Vec<u8> {
        let mut text = Vec::with_capacity(size + 32);
        while text.len() < size {
            let chance = self.next();
            text.extend_from_slice(WORDS[(chance % WORDS.len() as u64) as usize].as_bytes());
            text.push(b' ');
            text.extend_from_slice((chance >> 48).to_string().as_bytes());
            text.push(b' ');
        }
        text.truncate(size);
        text
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use klamm_protocol::{Message, Reader};
    use klamm_records::Batch;

    use super::*;

    #[test]
    fn an_encoded_request_goes_to_any_partition() {
        for batch_size in [300, 70_000, 1 << 20] {
            let kind = Kind {
                record_size: 100,
                batch_size,
                codec: Compression::None,
            };
            let mut request = Request::encode("t", -1, &kind, 1).unwrap();
            request.address(77, 1234);
            let size = i32::from_be_bytes(request.frame[..4].try_into().unwrap());
            assert_eq!(size as usize, request.frame.len() - 4);
            let mut reader = Reader::new(Bytes::from(request.frame[4..].to_vec()));
            let (_, header) = frame::decode_request_header(&mut reader).unwrap();
            assert_eq!(header.correlation_id, 77);
            let body = ProduceRequest::decode(&mut reader, PRODUCE_VERSION).unwrap();
            let partition = &body.topic_data[0].partition_data[0];
            assert_eq!(partition.index, 1234);
            let bytes = partition.records.as_ref().unwrap().as_bytes().unwrap();
            assert_eq!(bytes.len(), request.bytes);
            Batch::parse(bytes).unwrap().verify_crc().unwrap();
        }
    }

    #[test]
    fn a_record_that_does_not_fit_is_an_error() {
        let kind = Kind {
            record_size: 1000,
            batch_size: 1000,
            codec: Compression::None,
        };
        assert!(Request::encode("t", 1, &kind, 1).is_err());
    }
}
