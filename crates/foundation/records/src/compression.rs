//! The codecs of Kafka's batches: gzip, snappy, lz4 and zstd, as Java's and C's clients read and write them.
//!
//! Decompression never yields, nor allocates for, more than a given limit, whatever sizes the input declares.

mod deflate;
mod gzip;
mod lz4;
mod snappy;
mod zstd;

use std::fmt;

use thiserror::Error;

/// A codec. The discriminant is the id in a batch's attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
#[repr(u8)]
pub enum Compression {
    /// Records as they are.
    #[default]
    None = 0,
    /// RFC 1952, one member or several.
    Gzip = 1,
    /// Snappy blocks in the framing of Java's library (xerial), or one bare block.
    Snappy = 2,
    /// One LZ4 frame.
    Lz4 = 3,
    /// Zstandard frames (KIP-110).
    Zstd = 4,
}

impl Compression {
    /// All of them, by id.
    pub const ALL: [Self; 5] = [Self::None, Self::Gzip, Self::Snappy, Self::Lz4, Self::Zstd];

    /// The codec with this id.
    #[inline]
    pub fn from_id(id: u8) -> Option<Self> {
        Self::ALL.get(usize::from(id)).copied()
    }

    /// The id in a batch's attributes.
    #[inline]
    pub fn id(self) -> u8 {
        self as u8
    }

    /// The codec with this name, as in `compression.type`.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|compression| compression.name() == name)
    }

    /// The name as in `compression.type`: `none`, `gzip`, `snappy`, `lz4` or `zstd`.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }

    /// The level used when none is set: -1 for gzip (the library's choice), 9 for lz4, 3 for zstd. Codecs without
    /// levels have 0.
    pub fn default_level(self) -> i32 {
        match self {
            Self::None | Self::Snappy => 0,
            Self::Gzip => -1,
            Self::Lz4 => 9,
            Self::Zstd => 3,
        }
    }

    fn accepts_level(self, level: i32) -> bool {
        match self {
            Self::None | Self::Snappy => level == 0,
            Self::Gzip => level == -1 || (1..=9).contains(&level),
            Self::Lz4 => (1..=17).contains(&level),
            Self::Zstd => (-131_072..=22).contains(&level),
        }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A codec and how hard it tries (KIP-390).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Codec {
    compression: Compression,
    level: i32,
}

/// The codec has no such level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{compression} has no compression level {level}")]
pub struct LevelOutOfRange {
    /// The codec.
    pub compression: Compression,
    /// The level asked for.
    pub level: i32,
}

impl Codec {
    /// The codec at this level: 1 to 9 or -1 for gzip, 1 to 17 for lz4, -131072 to 22 for zstd, 0 for those without.
    pub fn with_level(compression: Compression, level: i32) -> Result<Self, LevelOutOfRange> {
        if compression.accepts_level(level) {
            Ok(Self { compression, level })
        } else {
            Err(LevelOutOfRange { compression, level })
        }
    }

    /// Which codec.
    pub fn compression(self) -> Compression {
        self.compression
    }

    /// At which level.
    pub fn level(self) -> i32 {
        self.level
    }
}

impl From<Compression> for Codec {
    fn from(compression: Compression) -> Self {
        Self {
            compression,
            level: compression.default_level(),
        }
    }
}

/// Why bytes could not be decompressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum DecompressError {
    /// The bytes are more than the limit once decompressed.
    #[error("{compression} data decompresses to more than {limit} bytes")]
    TooLarge {
        /// The codec.
        compression: Compression,
        /// Bytes allowed.
        limit: usize,
    },
    /// The input ends before the compressed data does.
    #[error("{compression} data ends too early")]
    Truncated {
        /// The codec.
        compression: Compression,
    },
    /// The input is not what the codec writes.
    #[error("{compression} data is corrupt: {reason}")]
    Corrupt {
        /// The codec.
        compression: Compression,
        /// What is wrong with it.
        reason: &'static str,
    },
}

/// Memory for decompressed records and the codecs' working state, to be used for one batch after another.
///
/// Starts empty and grows with use. Keep one per thread or in a pool, never one per partition: a zstd compressor alone
/// takes more than a megabyte.
#[derive(Default)]
pub struct Scratch {
    pub(crate) bytes: Vec<u8>,
    pub(crate) contexts: Contexts,
    /// Where records that stay lie, see [`retain_records`](crate::retain_records).
    pub(crate) kept: Vec<(usize, usize)>,
    /// Those records, before they are compressed.
    pub(crate) rewritten: Vec<u8>,
}

impl Scratch {
    /// Takes no memory yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Bytes of memory that the buffers hold, the codecs' working state aside.
    pub fn capacity(&self) -> usize {
        self.bytes.capacity() + self.rewritten.capacity()
    }

    /// Gives a buffer back if it holds more than `bytes`, after a batch of unusual size.
    pub fn shrink_to(&mut self, bytes: usize) {
        if self.bytes.capacity() > bytes {
            self.bytes = Vec::new();
        }
        if self.rewritten.capacity() > bytes {
            self.rewritten = Vec::new();
        }
    }
}

impl fmt::Debug for Scratch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scratch")
            .field("capacity", &self.bytes.capacity())
            .finish_non_exhaustive()
    }
}

/// Working state of each codec, made on first use.
#[derive(Default)]
pub(crate) struct Contexts {
    gzip: gzip::Contexts,
    snappy: snappy::Contexts,
    lz4: lz4::Contexts,
    zstd: zstd::Contexts,
}

/// Decompresses `input` into `scratch` and returns the bytes, at most `limit` of them. [`Compression::None`] returns
/// `input` itself, under the same limit.
pub fn decompress<'s>(
    compression: Compression,
    input: &'s [u8],
    scratch: &'s mut Scratch,
    limit: usize,
) -> Result<&'s [u8], DecompressError> {
    decompress_with(compression, input, &mut scratch.bytes, &mut scratch.contexts, limit)
}

pub(crate) fn decompress_with<'s>(
    compression: Compression,
    input: &'s [u8],
    out: &'s mut Vec<u8>,
    contexts: &mut Contexts,
    limit: usize,
) -> Result<&'s [u8], DecompressError> {
    let length = match compression {
        Compression::None if input.len() > limit => return Err(DecompressError::TooLarge { compression, limit }),
        Compression::None => return Ok(input),
        Compression::Gzip => gzip::decompress(input, out, &mut contexts.gzip, limit)?,
        Compression::Snappy => snappy::decompress(input, out, &mut contexts.snappy, limit)?,
        Compression::Lz4 => lz4::decompress(input, out, limit)?,
        Compression::Zstd => zstd::decompress(input, out, &mut contexts.zstd, limit)?,
    };
    Ok(&out[..length])
}

/// Appends `input`, compressed, to `out`. [`Compression::None`] appends it as it is.
pub fn compress(codec: impl Into<Codec>, input: &[u8], scratch: &mut Scratch, out: &mut Vec<u8>) {
    compress_with(codec.into(), input, &mut scratch.contexts, out);
}

pub(crate) fn compress_with(codec: Codec, input: &[u8], contexts: &mut Contexts, out: &mut Vec<u8>) {
    match codec.compression {
        Compression::None => out.extend_from_slice(input),
        Compression::Gzip => gzip::compress(input, codec.level, &mut contexts.gzip, out),
        Compression::Snappy => snappy::compress(input, &mut contexts.snappy, out),
        Compression::Lz4 => lz4::compress(input, codec.level, &mut contexts.lz4, out),
        Compression::Zstd => zstd::compress(input, codec.level, &mut contexts.zstd, out),
    }
}

/// Makes `out` at least `from + length` bytes long without touching what is there already, and returns the `length` bytes
/// from `from` on. What `out` held from earlier uses saves zeroing memory again; its memory doubles, but not beyond `limit`
/// unless that much is asked for.
fn writable(out: &mut Vec<u8>, from: usize, length: usize, limit: usize) -> &mut [u8] {
    let end = from + length;
    if out.capacity() < end {
        let capacity = out.capacity().saturating_mul(2).min(limit).max(end);
        out.reserve_exact(capacity - out.len());
    }
    if out.len() < end {
        out.resize(end, 0);
    }
    &mut out[from..end]
}
