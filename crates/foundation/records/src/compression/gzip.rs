//! gzip (RFC 1952) around raw deflate.
//!
//! As Java's reader does, several members one after another are read as one, and bytes after a member that do not
//! begin another one are ignored.

use super::deflate::{Deflater, Inflated, Inflater};
use super::{Compression, DecompressError, writable};

const FLAG_HEADER_CRC: u8 = 0x02;
const FLAG_EXTRA: u8 = 0x04;
const FLAG_NAME: u8 = 0x08;
const FLAG_COMMENT: u8 = 0x10;
const RESERVED_FLAGS: u8 = 0xe0;

/// No name, no time, unknown operating system.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];

/// A byte of a stream makes at most so many of the output: two bits can say to copy 258 bytes.
const MAX_EXPANSION: usize = 1032;
/// Output tried first where the size is not known.
const FIRST_GUESS_FACTOR: usize = 4;
const FIRST_GUESS_MIN: usize = 16 * 1024;
/// The library's level at which records become as small as at zlib's default, 6, or smaller.
const DEFAULT_LEVEL: i32 = 5;

const TRUNCATED: DecompressError = DecompressError::Truncated {
    compression: Compression::Gzip,
};

#[derive(Default)]
pub(super) struct Contexts {
    inflater: Option<Inflater>,
    deflater: Option<(i32, Deflater)>,
}

pub(super) fn decompress(
    input: &[u8],
    out: &mut Vec<u8>,
    contexts: &mut Contexts,
    limit: usize,
) -> Result<usize, DecompressError> {
    let inflater = contexts.inflater.get_or_insert_with(Inflater::new);
    let mut rest = skip_header(input)?;
    let mut length = 0;
    loop {
        let (member, after) = inflate_member(rest, out, length, inflater, limit)?;
        let (trailer, after) = after.split_first_chunk::<8>().ok_or(TRUNCATED)?;
        let [a, b, c, d, e, f, g, h] = *trailer;
        if u32::from_le_bytes([a, b, c, d]) != crc_fast::crc32_iso_hdlc(&out[length..][..member]) {
            return Err(corrupt("checksum mismatch"));
        }
        if u32::from_le_bytes([e, f, g, h]) != member as u32 {
            return Err(corrupt("length mismatch"));
        }
        length += member;
        match skip_header(after) {
            Ok(next) => rest = next,
            Err(_) => return Ok(length),
        }
    }
}

/// Decompresses the stream at the front of `input` to `out[from..]`, and returns its length there and what follows it.
fn inflate_member<'a>(
    input: &'a [u8],
    out: &mut Vec<u8>,
    from: usize,
    inflater: &mut Inflater,
    limit: usize,
) -> Result<(usize, &'a [u8]), DecompressError> {
    let (left, possible) = (limit - from, input.len().saturating_mul(MAX_EXPANSION));
    let allowed = left.min(possible);
    // Nearly always there is one member, and its length stands at the end.
    let declared = input
        .last_chunk()
        .map_or(0, |length| u32::from_le_bytes(*length) as usize);
    let guess = input.len().saturating_mul(FIRST_GUESS_FACTOR).max(FIRST_GUESS_MIN);
    let mut room = if declared <= allowed {
        declared
    } else {
        guess.min(allowed)
    };
    loop {
        match inflater.inflate(input, writable(out, from, room, limit)) {
            Inflated::Whole { consumed, produced } => return Ok((produced, &input[consumed..])),
            Inflated::NoRoom if room < allowed => room = room.saturating_mul(4).max(guess).min(allowed),
            Inflated::NoRoom if left < possible => {
                return Err(DecompressError::TooLarge {
                    compression: Compression::Gzip,
                    limit,
                });
            }
            Inflated::NoRoom | Inflated::Broken => return Err(corrupt("not a deflate stream")),
        }
    }
}

/// Returns what follows the member header at the front of `input`.
fn skip_header(input: &[u8]) -> Result<&[u8], DecompressError> {
    let (fixed, mut rest) = input.split_first_chunk::<10>().ok_or(TRUNCATED)?;
    if fixed[..3] != HEADER[..3] {
        return Err(corrupt("not a gzip header"));
    }
    let flags = fixed[3];
    if flags & RESERVED_FLAGS != 0 {
        return Err(corrupt("reserved header flags are set"));
    }
    if flags & FLAG_EXTRA != 0 {
        let (length, after) = rest.split_first_chunk::<2>().ok_or(TRUNCATED)?;
        rest = after.get(usize::from(u16::from_le_bytes(*length))..).ok_or(TRUNCATED)?;
    }
    for flag in [FLAG_NAME, FLAG_COMMENT] {
        if flags & flag != 0 {
            let end = rest.iter().position(|&byte| byte == 0).ok_or(TRUNCATED)?;
            rest = &rest[end + 1..];
        }
    }
    if flags & FLAG_HEADER_CRC != 0 {
        let header = &input[..input.len() - rest.len()];
        let (stored, after) = rest.split_first_chunk::<2>().ok_or(TRUNCATED)?;
        if u16::from_le_bytes(*stored) != crc_fast::crc32_iso_hdlc(header) as u16 {
            return Err(corrupt("header checksum mismatch"));
        }
        rest = after;
    }
    Ok(rest)
}

pub(super) fn compress(input: &[u8], level: i32, contexts: &mut Contexts, out: &mut Vec<u8>) {
    let deflater = match &mut contexts.deflater {
        Some((kept, deflater)) if *kept == level => deflater,
        kept => {
            let of_library = if level == -1 { DEFAULT_LEVEL } else { level };
            &mut kept.insert((level, Deflater::new(of_library))).1
        }
    };
    out.extend_from_slice(&HEADER);
    let from = out.len();
    let room = writable(out, from, deflater.bound(input.len()), usize::MAX);
    let length = deflater
        .deflate(input, room)
        .expect("the output has room for the worst case");
    out.truncate(from + length);
    out.extend_from_slice(&crc_fast::crc32_iso_hdlc(input).to_le_bytes());
    out.extend_from_slice(&(input.len() as u32).to_le_bytes());
}

fn corrupt(reason: &'static str) -> DecompressError {
    DecompressError::Corrupt {
        compression: Compression::Gzip,
        reason,
    }
}
