//! Zstandard frames.
//!
//! A batch is decompressed in one call straight to its place, so the window that a frame asks for costs no memory.

use zstd::zstd_safe::zstd_sys::ZSTD_ErrorCode;
use zstd::zstd_safe::{CCtx, CParameter, DCtx, compress_bound};

use super::{Compression, DecompressError};

/// Output tried first: most batches shrink less than eightfold. What does not fit is tried again with more.
const FIRST_GUESS_FACTOR: usize = 8;
const FIRST_GUESS_MIN: usize = 64 * 1024;
/// A compressor at a higher level than this takes tens of megabytes and is not kept.
const MAX_KEPT_LEVEL: i32 = 9;

#[derive(Default)]
pub(super) struct Contexts {
    decompressor: Option<DCtx<'static>>,
    compressor: Option<CCtx<'static>>,
}

pub(super) fn decompress(
    input: &[u8],
    out: &mut Vec<u8>,
    contexts: &mut Contexts,
    limit: usize,
) -> Result<usize, DecompressError> {
    if input.is_empty() {
        return Err(DecompressError::Truncated {
            compression: Compression::Zstd,
        });
    }
    let mut context = contexts.decompressor.take().unwrap_or_else(DCtx::create);
    out.clear();
    let mut room = input.len().saturating_mul(FIRST_GUESS_FACTOR).max(FIRST_GUESS_MIN);
    loop {
        out.reserve_exact(room.min(limit));
        let too_large = DecompressError::TooLarge {
            compression: Compression::Zstd,
            limit,
        };
        match context.decompress(out, input) {
            Ok(length) => {
                contexts.decompressor = Some(context);
                return if length > limit { Err(too_large) } else { Ok(length) };
            }
            Err(code) if is_error(code, ZSTD_ErrorCode::ZSTD_error_dstSize_tooSmall) => {
                if out.capacity() >= limit {
                    return Err(too_large);
                }
                room = out.capacity().saturating_mul(4);
                // The contents are of no use: without them growing does not copy.
                *out = Vec::new();
            }
            Err(code) if is_error(code, ZSTD_ErrorCode::ZSTD_error_srcSize_wrong) => {
                return Err(DecompressError::Truncated {
                    compression: Compression::Zstd,
                });
            }
            Err(code) => {
                let reason = zstd::zstd_safe::get_error_name(code);
                return Err(DecompressError::Corrupt {
                    compression: Compression::Zstd,
                    reason,
                });
            }
        }
    }
}

/// zstd returns errors as the negated number of the error, in an unsigned integer.
fn is_error(code: usize, error: ZSTD_ErrorCode) -> bool {
    code == (error as usize).wrapping_neg()
}

pub(super) fn compress(input: &[u8], level: i32, contexts: &mut Contexts, out: &mut Vec<u8>) {
    let mut context = contexts.compressor.take().unwrap_or_else(CCtx::create);
    context
        .set_parameter(CParameter::CompressionLevel(level))
        .expect("a codec's level is within the library's range");
    let from = out.len();
    out.resize(from + compress_bound(input.len()), 0);
    let length = context
        .compress2(&mut out[from..], input)
        .expect("the output has room for the worst case");
    out.truncate(from + length);
    if level <= MAX_KEPT_LEVEL {
        contexts.compressor = Some(context);
    }
}
