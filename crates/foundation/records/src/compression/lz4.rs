//! The LZ4 frame format.
//!
//! Written as Java's client does it: independent blocks of 64 KiB, no checksums but the descriptor's. Read with what
//! Kafka's reader takes: block checksums and a content checksum too, but no dictionaries and no dependent blocks, for a
//! broker that stored such a frame would store what no Java consumer can read. What follows the first frame is ignored.

mod high;

use lz4_flex::block::{
    CompressTable, DecompressError as BlockError, compress_into_with_table, decompress_into, get_maximum_output_size,
};
use twox_hash::XxHash32;

use super::{Compression, DecompressError, writable};

const MAGIC: [u8; 4] = 0x184d_2204u32.to_le_bytes();
const VERSION_MASK: u8 = 0xc0;
const VERSION_1: u8 = 0x40;
const INDEPENDENT_BLOCKS: u8 = 0x20;
const BLOCK_CHECKSUMS: u8 = 0x10;
const CONTENT_SIZE: u8 = 0x08;
const CONTENT_CHECKSUM: u8 = 0x04;
/// A reserved bit and the dictionary id, neither of which Kafka knows.
const REFUSED_FLAGS: u8 = 0x03;
const UNCOMPRESSED_BLOCK: u32 = 1 << 31;

/// Input bytes per block that we write.
const BLOCK_SIZE: usize = 64 * 1024;
const BLOCK_SIZE_64K: u8 = 4 << 4;
/// A byte of a block makes at most so many of the output.
const MAX_EXPANSION: usize = 255;

const TRUNCATED: DecompressError = DecompressError::Truncated {
    compression: Compression::Lz4,
};

#[derive(Default)]
pub(super) struct Contexts {
    table: Option<CompressTable>,
    chains: Option<high::Chains>,
}

/// What a frame's descriptor says.
struct Descriptor {
    flags: u8,
    max_block_size: usize,
}

impl Descriptor {
    fn parse(input: &[u8]) -> Result<(Self, &[u8]), DecompressError> {
        let descriptor = input
            .strip_prefix(&MAGIC)
            .ok_or(match MAGIC.starts_with(&input[..input.len().min(4)]) {
                true => TRUNCATED,
                false => corrupt("not an lz4 frame"),
            })?;
        let &[flags, block_size, ..] = descriptor else {
            return Err(TRUNCATED);
        };
        if flags & VERSION_MASK != VERSION_1 {
            return Err(corrupt("unknown frame version"));
        }
        if flags & REFUSED_FLAGS != 0 {
            return Err(corrupt("reserved flags or a dictionary"));
        }
        if flags & INDEPENDENT_BLOCKS == 0 {
            return Err(corrupt("blocks that depend on each other"));
        }
        let max_block_size = match block_size {
            0x40 | 0x50 | 0x60 | 0x70 => 1 << (2 * (block_size >> 4) + 8),
            _ => return Err(corrupt("unknown block size")),
        };
        // The content size is nothing to rely on; the blocks tell.
        let length = if flags & CONTENT_SIZE != 0 { 10 } else { 2 };
        let (hashed, rest) = descriptor.split_at_checked(length).ok_or(TRUNCATED)?;
        let (&stored, rest) = rest.split_first().ok_or(TRUNCATED)?;
        if stored != descriptor_checksum(hashed) {
            return Err(corrupt("descriptor checksum mismatch"));
        }
        Ok((Self { flags, max_block_size }, rest))
    }

    fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

pub(super) fn decompress(input: &[u8], out: &mut Vec<u8>, limit: usize) -> Result<usize, DecompressError> {
    let (descriptor, mut rest) = Descriptor::parse(input)?;
    let mut length = 0;
    loop {
        let word = take_u32(&mut rest)?;
        if word == 0 {
            break;
        }
        let size = (word & !UNCOMPRESSED_BLOCK) as usize;
        if size > descriptor.max_block_size {
            return Err(corrupt("a block is larger than the frame allows"));
        }
        let block = rest.split_off(..size).ok_or(TRUNCATED)?;
        if descriptor.has(BLOCK_CHECKSUMS) && take_u32(&mut rest)? != XxHash32::oneshot(0, block) {
            return Err(corrupt("block checksum mismatch"));
        }
        length = if word & UNCOMPRESSED_BLOCK != 0 {
            if size > limit - length {
                return Err(too_large(limit));
            }
            writable(out, length, size, limit).copy_from_slice(block);
            length + size
        } else {
            decompress_block(block, out, length, &descriptor, limit)?
        };
    }
    if descriptor.has(CONTENT_CHECKSUM) && take_u32(&mut rest)? != XxHash32::oneshot(0, &out[..length]) {
        return Err(corrupt("content checksum mismatch"));
    }
    Ok(length)
}

/// Decompresses one block to `out[from..]` and returns where it ends there.
fn decompress_block(
    block: &[u8],
    out: &mut Vec<u8>,
    from: usize,
    descriptor: &Descriptor,
    limit: usize,
) -> Result<usize, DecompressError> {
    let allowed = descriptor.max_block_size.min(block.len().saturating_mul(MAX_EXPANSION));
    let room = allowed.min(limit - from);
    writable(out, from, room, limit);
    match decompress_into(block, &mut out[from..from + room]) {
        Ok(size) => Ok(from + size),
        Err(BlockError::OutputTooSmall { .. }) if room < allowed => Err(too_large(limit)),
        Err(_) => Err(corrupt("broken block")),
    }
}

pub(super) fn compress(input: &[u8], level: i32, contexts: &mut Contexts, out: &mut Vec<u8>) {
    let descriptor = [VERSION_1 | INDEPENDENT_BLOCKS, BLOCK_SIZE_64K];
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&descriptor);
    out.push(descriptor_checksum(&descriptor));
    for block in input.chunks(BLOCK_SIZE) {
        let size_at = out.len();
        let block_at = size_at + 4;
        out.extend_from_slice(&[0; 4]);
        // Java's client has its fast compressor at the default level and the thorough one at all others.
        if level == Compression::Lz4.default_level() {
            compress_fast(block, contexts.table.get_or_insert_with(CompressTable::large), out);
        } else {
            contexts
                .chains
                .get_or_insert_with(high::Chains::new)
                .compress_block(block, level, out);
        }
        let mut word = (out.len() - block_at) as u32;
        if word as usize >= block.len() {
            out.truncate(block_at);
            out.extend_from_slice(block);
            word = block.len() as u32 | UNCOMPRESSED_BLOCK;
        }
        out[size_at..block_at].copy_from_slice(&word.to_le_bytes());
    }
    out.extend_from_slice(&0u32.to_le_bytes());
}

fn compress_fast(block: &[u8], table: &mut CompressTable, out: &mut Vec<u8>) {
    let from = out.len();
    let room = writable(out, from, get_maximum_output_size(block.len()), usize::MAX);
    let size = compress_into_with_table(block, room, table).expect("the output has room for the worst case");
    out.truncate(from + size);
}

fn take_u32(input: &mut &[u8]) -> Result<u32, DecompressError> {
    let (word, rest) = input.split_first_chunk::<4>().ok_or(TRUNCATED)?;
    *input = rest;
    Ok(u32::from_le_bytes(*word))
}

fn descriptor_checksum(descriptor: &[u8]) -> u8 {
    (XxHash32::oneshot(0, descriptor) >> 8) as u8
}

fn too_large(limit: usize) -> DecompressError {
    DecompressError::TooLarge {
        compression: Compression::Lz4,
        limit,
    }
}

fn corrupt(reason: &'static str) -> DecompressError {
    DecompressError::Corrupt {
        compression: Compression::Lz4,
        reason,
    }
}
