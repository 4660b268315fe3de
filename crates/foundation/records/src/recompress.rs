//! Writing a producer's batch again with the topic's codec (`compression.type`).

use bytes::Bytes;

use crate::batch::Batch;
use crate::builder::finish;
use crate::compression::{Codec, Scratch, compress_with, decompress_with};
use crate::header::BATCH_OVERHEAD;
use crate::record::RecordsError;

/// The same batch with its records compressed by `codec`.
///
/// The records' bytes stay as they are, and so do offsets, timestamps, producer, sequence and all attributes but the
/// codec; length and checksum follow. Fails if the batch decompresses to more than `limit` bytes.
pub fn recompress(batch: &Batch<'_>, codec: Codec, scratch: &mut Scratch, limit: usize) -> Result<Bytes, RecordsError> {
    let Scratch { bytes, contexts } = scratch;
    let compression = batch.header.attributes.compression()?;
    let records = decompress_with(compression, batch.payload(), bytes, contexts, limit)?;
    let mut buffer = vec![0; BATCH_OVERHEAD];
    compress_with(codec, records, contexts, &mut buffer);
    let mut header = batch.header;
    header.attributes = header.attributes.with_compression(codec.compression());
    Ok(finish(header, buffer))
}
