//! gzip (RFC 1952) around raw deflate.
//!
//! As Java's reader does, several members one after another are read as one, and bytes after a member that do not
//! begin another one are ignored.

use flate2::{Compress, Decompress, FlushCompress, FlushDecompress, Status};

use super::{Compression, DecompressError};

const FLAG_HEADER_CRC: u8 = 0x02;
const FLAG_EXTRA: u8 = 0x04;
const FLAG_NAME: u8 = 0x08;
const FLAG_COMMENT: u8 = 0x10;
const RESERVED_FLAGS: u8 = 0xe0;

/// No name, no time, unknown operating system.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];

const TRUNCATED: DecompressError = DecompressError::Truncated {
    compression: Compression::Gzip,
};

#[derive(Default)]
pub(super) struct Contexts {
    inflate: Option<Decompress>,
    deflate: Option<(i32, Compress)>,
}

pub(super) fn decompress(
    input: &[u8],
    out: &mut Vec<u8>,
    contexts: &mut Contexts,
    limit: usize,
) -> Result<usize, DecompressError> {
    let inflate = contexts.inflate.get_or_insert_with(|| Decompress::new(false));
    out.clear();
    let mut rest = skip_header(input)?;
    loop {
        let member = out.len();
        rest = inflate_member(rest, out, inflate, limit)?;
        let Some((trailer, after)) = rest.split_first_chunk::<8>() else {
            return Err(TRUNCATED);
        };
        let [a, b, c, d, e, f, g, h] = *trailer;
        if u32::from_le_bytes([a, b, c, d]) != crc_fast::crc32_iso_hdlc(&out[member..]) {
            return Err(corrupt("checksum mismatch"));
        }
        if u32::from_le_bytes([e, f, g, h]) != (out.len() - member) as u32 {
            return Err(corrupt("length mismatch"));
        }
        match skip_header(after) {
            Ok(next) => rest = next,
            Err(_) => return Ok(out.len()),
        }
    }
}

fn inflate_member<'a>(
    input: &'a [u8],
    out: &mut Vec<u8>,
    inflate: &mut Decompress,
    limit: usize,
) -> Result<&'a [u8], DecompressError> {
    inflate.reset(false);
    loop {
        if out.len() == out.capacity() {
            // One byte beyond the limit tells "exactly the limit" from "more".
            let more = out
                .len()
                .max(16 * 1024)
                .min(limit.saturating_add(1).saturating_sub(out.len()));
            out.reserve_exact(more);
        }
        let consumed = inflate.total_in() as usize;
        let produced = out.len();
        let status = inflate
            .decompress_vec(&input[consumed..], out, FlushDecompress::None)
            .map_err(|_| corrupt("not a deflate stream"))?;
        if out.len() > limit {
            return Err(DecompressError::TooLarge {
                compression: Compression::Gzip,
                limit,
            });
        }
        let progress = inflate.total_in() as usize > consumed || out.len() > produced;
        match status {
            Status::StreamEnd => return Ok(&input[inflate.total_in() as usize..]),
            Status::Ok | Status::BufError if progress || out.len() == out.capacity() => {}
            Status::Ok | Status::BufError => return Err(TRUNCATED),
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
    let deflate = match &mut contexts.deflate {
        Some((kept, deflate)) if *kept == level => {
            deflate.reset();
            deflate
        }
        kept => &mut kept.insert((level, Compress::new(flate_level(level), false))).1,
    };
    out.extend_from_slice(&HEADER);
    loop {
        out.reserve((input.len() / 4).max(4096));
        let consumed = deflate.total_in() as usize;
        let status = deflate
            .compress_vec(&input[consumed..], out, FlushCompress::Finish)
            .expect("deflate accepts any input");
        if status == Status::StreamEnd {
            break;
        }
    }
    out.extend_from_slice(&crc_fast::crc32_iso_hdlc(input).to_le_bytes());
    out.extend_from_slice(&(input.len() as u32).to_le_bytes());
}

fn flate_level(level: i32) -> flate2::Compression {
    u32::try_from(level).map_or_else(|_| flate2::Compression::default(), flate2::Compression::new)
}

fn corrupt(reason: &'static str) -> DecompressError {
    DecompressError::Corrupt {
        compression: Compression::Gzip,
        reason,
    }
}
