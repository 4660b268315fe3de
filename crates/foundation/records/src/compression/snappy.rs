//! Snappy in the framing of Java's snappy library ("xerial"): a header, then chunks of a length and a snappy block each.
//!
//! A bare snappy block without that header is read too: librdkafka writes it, and Kafka's reader takes it.

use snap::raw::{Decoder, Encoder, decompress_len, max_compress_len};

use super::{Compression, DecompressError, writable};

const MAGIC: [u8; 8] = [0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0];
const VERSION: i32 = 1;
const HEADER_SIZE: usize = 16;
/// Input bytes per chunk, as Java's writer has it.
const CHUNK_SIZE: usize = 32 * 1024;
/// A block can't grow more than that: its densest element says in 3 bytes to copy 64.
const MAX_EXPANSION: usize = 22;

const TRUNCATED: DecompressError = DecompressError::Truncated {
    compression: Compression::Snappy,
};

#[derive(Default)]
pub(super) struct Contexts {
    encoder: Option<Encoder>,
    decoder: Decoder,
}

pub(super) fn decompress(
    input: &[u8],
    out: &mut Vec<u8>,
    contexts: &mut Contexts,
    limit: usize,
) -> Result<usize, DecompressError> {
    let decoder = &mut contexts.decoder;
    if !input.starts_with(&MAGIC) {
        return decompress_block(input, out, 0, decoder, limit);
    }
    let mut length = 0;
    let mut rest = skip_header(input)?;
    while !rest.is_empty() {
        // Streams written one after another repeat the header.
        if rest.starts_with(&MAGIC) {
            rest = skip_header(rest)?;
            continue;
        }
        let (size, after) = rest.split_first_chunk::<4>().ok_or(TRUNCATED)?;
        let size = usize::try_from(i32::from_be_bytes(*size)).map_err(|_| corrupt("negative chunk size"))?;
        let (block, after) = after.split_at_checked(size).ok_or(TRUNCATED)?;
        length = decompress_block(block, out, length, decoder, limit)?;
        rest = after;
    }
    Ok(length)
}

fn skip_header(input: &[u8]) -> Result<&[u8], DecompressError> {
    let (header, rest) = input.split_first_chunk::<HEADER_SIZE>().ok_or(TRUNCATED)?;
    let [.., a, b, c, d, _, _, _, _] = *header;
    if i32::from_be_bytes([a, b, c, d]) < VERSION {
        return Err(corrupt("unknown framing version"));
    }
    Ok(rest)
}

/// Decompresses one block to `out[from..]` and returns where it ends there.
fn decompress_block(
    block: &[u8],
    out: &mut Vec<u8>,
    from: usize,
    decoder: &mut Decoder,
    limit: usize,
) -> Result<usize, DecompressError> {
    if block.is_empty() {
        return Err(TRUNCATED);
    }
    let length = decompress_len(block).map_err(|_| corrupt("unreadable block length"))?;
    if length > block.len().saturating_mul(MAX_EXPANSION) {
        return Err(corrupt("a block declares more than it can hold"));
    }
    if length > limit - from {
        return Err(DecompressError::TooLarge {
            compression: Compression::Snappy,
            limit,
        });
    }
    decoder
        .decompress(block, writable(out, from, length, limit))
        .map_err(|_| corrupt("broken block"))?;
    Ok(from + length)
}

pub(super) fn compress(input: &[u8], contexts: &mut Contexts, out: &mut Vec<u8>) {
    let encoder = contexts.encoder.get_or_insert_with(Encoder::new);
    out.extend_from_slice(&MAGIC);
    // Version of the writer, then the oldest version whose reader can read this.
    out.extend_from_slice(&VERSION.to_be_bytes());
    out.extend_from_slice(&VERSION.to_be_bytes());
    for chunk in input.chunks(CHUNK_SIZE) {
        let size_at = out.len();
        let block_at = size_at + 4;
        let block = writable(out, block_at, max_compress_len(chunk.len()), usize::MAX);
        let size = encoder
            .compress(chunk, block)
            .expect("the output has room for the worst case");
        out.truncate(block_at + size);
        out[size_at..block_at].copy_from_slice(&(size as i32).to_be_bytes());
    }
}

fn corrupt(reason: &'static str) -> DecompressError {
    DecompressError::Corrupt {
        compression: Compression::Snappy,
        reason,
    }
}
