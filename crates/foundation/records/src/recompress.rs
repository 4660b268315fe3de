//! Writing a producer's batch again with the topic's codec (`compression.type`).

use bytes::Bytes;

use crate::batch::Batch;
use crate::builder::finish;
use crate::compression::{Codec, DecompressError, Scratch, compress_with, decompress_with};
use crate::header::{BATCH_OVERHEAD, LOG_OVERHEAD};
use crate::record::RecordsError;

/// Most bytes that the records of one batch may take: its length field has 31 bits.
const MAX_RECORDS_SIZE: usize = i32::MAX as usize - (BATCH_OVERHEAD - LOG_OVERHEAD);

/// The same batch with its records compressed by `codec`.
///
/// The records' bytes stay as they are, and so do offsets, timestamps, producer, sequence and all attributes but the
/// codec; length and checksum follow. Fails if the batch decompresses to more than `limit` bytes, or to more than fits
/// into a batch.
pub fn recompress(batch: &Batch<'_>, codec: Codec, scratch: &mut Scratch, limit: usize) -> Result<Bytes, RecordsError> {
    recompress_within(batch, codec, scratch, limit, MAX_RECORDS_SIZE)
}

fn recompress_within(
    batch: &Batch<'_>,
    codec: Codec,
    scratch: &mut Scratch,
    limit: usize,
    max_records_size: usize,
) -> Result<Bytes, RecordsError> {
    let Scratch { bytes, contexts, .. } = scratch;
    let compression = batch.header.attributes.compression()?;
    let limit = limit.min(max_records_size);
    let records = decompress_with(compression, batch.payload(), bytes, contexts, limit)?;
    let mut buffer = vec![0; BATCH_OVERHEAD];
    compress_with(codec, records, contexts, &mut buffer);
    // What does not compress grows a little.
    if buffer.len() - BATCH_OVERHEAD > max_records_size {
        return Err(DecompressError::TooLarge { compression, limit }.into());
    }
    let mut header = batch.header;
    header.attributes = header.attributes.with_compression(codec.compression());
    Ok(finish(header, buffer))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builder::BatchBuilder;
    use crate::compression::Compression;

    #[test]
    fn what_fits_into_no_batch_is_refused() {
        let mut builder = BatchBuilder::new(Compression::Zstd);
        builder.push(0, None, Some(&[0; 1000]), &[]).unwrap();
        let compressed = builder.build();
        let batch = Batch::parse(&compressed).unwrap();
        let mut scratch = Scratch::new();
        let mut to_none = |max| recompress_within(&batch, Compression::None.into(), &mut scratch, usize::MAX, max);
        let records_size = to_none(MAX_RECORDS_SIZE).unwrap().len() - BATCH_OVERHEAD;
        assert_eq!(to_none(records_size).unwrap().len(), records_size + BATCH_OVERHEAD);
        let limit = records_size - 1;
        let compression = Compression::Zstd;
        assert_eq!(
            to_none(limit),
            Err(DecompressError::TooLarge { compression, limit }.into())
        );

        // 255 different bytes: a codec only adds to them.
        let mut builder = BatchBuilder::new(Compression::None);
        builder
            .push(0, None, Some(&(0..255).collect::<Vec<u8>>()), &[])
            .unwrap();
        let plain = builder.build();
        let batch = Batch::parse(&plain).unwrap();
        let limit = plain.len() - BATCH_OVERHEAD;
        for codec in Compression::ALL.into_iter().filter(|codec| *codec != Compression::None) {
            let refused = recompress_within(&batch, codec.into(), &mut scratch, usize::MAX, limit);
            let compression = Compression::None;
            assert_eq!(
                refused,
                Err(DecompressError::TooLarge { compression, limit }.into()),
                "{codec}"
            );
        }
    }
}
