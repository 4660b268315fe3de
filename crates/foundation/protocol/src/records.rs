//! Record batches as a message carries them.

use bytes::Bytes;

/// The content of a `records` field. What was read is always [`Records::Bytes`], a slice of the frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Records {
    /// Record batches in memory.
    Bytes(Bytes),
    /// Record batches that lie elsewhere, such as in a file: only their length is written, and whoever sends the
    /// frame splices in the bytes.
    External {
        /// The sender's name for them.
        id: u32,
        /// Their length in bytes.
        len: u32,
    },
}

impl Records {
    /// Length in bytes.
    pub fn len(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::External { len, .. } => *len as usize,
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes, when they are in memory.
    pub fn as_bytes(&self) -> Option<&Bytes> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            Self::External { .. } => None,
        }
    }
}

impl From<Bytes> for Records {
    fn from(bytes: Bytes) -> Self {
        Self::Bytes(bytes)
    }
}
