//! What is produced, and where it came to lie.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use klamm_records::{Header, MAX_RECORD_OVERHEAD};

/// Headers that are laid out without asking for memory; more take a list of their own.
const INLINE_HEADERS: usize = 8;

/// Bytes of a key, value or header: borrowed, owned or shared, whichever the caller has.
#[derive(Clone, Debug)]
pub enum Data<'a> {
    /// Bytes that live elsewhere.
    Borrowed(&'a [u8]),
    /// Bytes of its own.
    Owned(Vec<u8>),
    /// A share of bytes.
    Shared(Bytes),
}

impl AsRef<[u8]> for Data<'_> {
    #[inline]
    fn as_ref(&self) -> &[u8] {
        match self {
            Data::Borrowed(bytes) => bytes,
            Data::Owned(bytes) => bytes,
            Data::Shared(bytes) => bytes,
        }
    }
}

impl<'a> From<&'a str> for Data<'a> {
    fn from(text: &'a str) -> Self {
        Data::Borrowed(text.as_bytes())
    }
}

impl<'a> From<&'a [u8]> for Data<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Data::Borrowed(bytes)
    }
}

impl<'a, const N: usize> From<&'a [u8; N]> for Data<'a> {
    fn from(bytes: &'a [u8; N]) -> Self {
        Data::Borrowed(bytes)
    }
}

impl<'a> From<&'a String> for Data<'a> {
    fn from(text: &'a String) -> Self {
        Data::Borrowed(text.as_bytes())
    }
}

impl<'a> From<&'a Vec<u8>> for Data<'a> {
    fn from(bytes: &'a Vec<u8>) -> Self {
        Data::Borrowed(bytes)
    }
}

impl<'a> From<&'a Bytes> for Data<'a> {
    fn from(bytes: &'a Bytes) -> Self {
        Data::Borrowed(bytes)
    }
}

impl From<String> for Data<'_> {
    fn from(text: String) -> Self {
        Data::Owned(text.into_bytes())
    }
}

impl From<Vec<u8>> for Data<'_> {
    fn from(bytes: Vec<u8>) -> Self {
        Data::Owned(bytes)
    }
}

impl From<Bytes> for Data<'_> {
    fn from(bytes: Bytes) -> Self {
        Data::Shared(bytes)
    }
}

/// A record to be produced. Without a key and a value it has none: both are null.
///
/// Bytes may be borrowed: they are copied once, into the batch, before `send` or `enqueue` return.
///
/// ```
/// use klamm_client::Record;
///
/// let paid = Record::to("orders").key("42").value("paid").header("trace", "a1b2");
/// let deleted = Record::to("orders").key("42");                    // a tombstone: no value
/// let placed = Record::to("orders").value(vec![1, 2, 3]).partition(3).timestamp(1_700_000_000_000);
/// # let _ = (paid, deleted, placed);
/// ```
#[derive(Clone, Debug)]
pub struct Record<'a> {
    pub(crate) topic: Cow<'a, str>,
    pub(crate) partition: Option<i32>,
    pub(crate) timestamp: Option<i64>,
    pub(crate) key: Option<Data<'a>>,
    pub(crate) value: Option<Data<'a>>,
    pub(crate) headers: Vec<(Cow<'a, str>, Option<Data<'a>>)>,
}

impl<'a> Record<'a> {
    /// A record for this topic.
    pub fn to(topic: impl Into<Cow<'a, str>>) -> Self {
        Self {
            topic: topic.into(),
            partition: None,
            timestamp: None,
            key: None,
            value: None,
            headers: Vec::new(),
        }
    }

    /// Sets the key. The default partitioner puts records with equal keys into the same partition.
    #[must_use]
    pub fn key(mut self, key: impl Into<Data<'a>>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// Sets the value. A record without one deletes its key from a compacted topic.
    #[must_use]
    pub fn value(mut self, value: impl Into<Data<'a>>) -> Self {
        self.value = Some(value.into());
        self
    }

    /// Adds a header. A key may come several times; order is kept (KIP-82).
    #[must_use]
    pub fn header(mut self, key: impl Into<Cow<'a, str>>, value: impl Into<Data<'a>>) -> Self {
        self.headers.push((key.into(), Some(value.into())));
        self
    }

    /// Adds a header without a value.
    #[must_use]
    pub fn null_header(mut self, key: impl Into<Cow<'a, str>>) -> Self {
        self.headers.push((key.into(), None));
        self
    }

    /// Names the partition, past the partitioner.
    #[must_use]
    pub fn partition(mut self, partition: i32) -> Self {
        self.partition = Some(partition);
        self
    }

    /// Sets the time of the record in milliseconds since the Unix epoch, 0 or more; the time of the call unless set.
    /// Topics with `message.timestamp.type=LogAppendTime` put the broker's time in its place.
    #[must_use]
    pub fn timestamp(mut self, millis: i64) -> Self {
        self.timestamp = Some(millis);
        self
    }

    pub(crate) fn key_bytes(&self) -> Option<&[u8]> {
        self.key.as_ref().map(AsRef::as_ref)
    }

    pub(crate) fn value_bytes(&self) -> Option<&[u8]> {
        self.value.as_ref().map(AsRef::as_ref)
    }

    /// Most bytes that the record takes in a batch, whatever stands before it.
    pub(crate) fn size_bound(&self) -> usize {
        let length = |data: &Option<Data<'_>>| data.as_ref().map_or(0, |data| data.as_ref().len());
        let headers = self.headers.iter();
        // Each length is a variable-length integer of at most five bytes; the overhead holds the record's own.
        let headers: usize = headers.map(|(key, value)| 10 + key.len() + length(value)).sum();
        MAX_RECORD_OVERHEAD + 15 + length(&self.key) + length(&self.value) + headers
    }

    /// Hands the headers on in the form of the batch.
    pub(crate) fn with_headers<R>(&self, use_them: impl FnOnce(&[Header<'_>]) -> R) -> R {
        fn lay<'h>((key, value): &'h (Cow<'_, str>, Option<Data<'_>>)) -> Header<'h> {
            Header {
                key: key.as_bytes(),
                value: value.as_ref().map(AsRef::as_ref),
            }
        }
        let count = self.headers.len();
        if count == 0 {
            return use_them(&[]);
        }
        if count > INLINE_HEADERS {
            return use_them(&self.headers.iter().map(lay).collect::<Vec<_>>());
        }
        let mut inline = [const { Header { key: &[], value: None } }; INLINE_HEADERS];
        for (slot, header) in inline.iter_mut().zip(&self.headers) {
            *slot = lay(header);
        }
        use_them(&inline[..count])
    }
}

/// Where a record lies after it was acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordMetadata {
    /// Its topic.
    pub topic: Arc<str>,
    /// Its partition.
    pub partition: i32,
    /// Its offset; -1 with `acks=0`, and for a record that was sent twice whose first place the broker no longer knows.
    pub offset: i64,
    /// Milliseconds since the Unix epoch: the record's own time, or the broker's where the topic says so.
    pub timestamp: i64,
}

impl RecordMetadata {
    /// Whether the offset is known.
    pub fn has_offset(&self) -> bool {
        self.offset >= 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use klamm_records::{BATCH_OVERHEAD, BatchBuilder, Compression};

    fn encoded_size(record: &Record<'_>) -> usize {
        let mut batch = BatchBuilder::new(Compression::None);
        record
            .with_headers(|headers| batch.push(i64::MAX, record.key_bytes(), record.value_bytes(), headers))
            .unwrap();
        batch.size_estimate() - BATCH_OVERHEAD
    }

    #[test]
    fn the_bound_holds_for_records_of_all_shapes() {
        let long = vec![7u8; 70_000];
        let mut many = Record::to("t").key(&long).value(&long);
        for _ in 0..20 {
            many = many.header("key", &long).null_header("");
        }
        for record in [
            Record::to("t"),
            Record::to("t").key("").value(""),
            Record::to("t").value(b"abc"),
            many,
        ] {
            assert!(
                encoded_size(&record) <= record.size_bound(),
                "{}",
                encoded_size(&record)
            );
        }
    }

    #[test]
    fn headers_keep_their_order_inline_and_beyond() {
        for count in [0, 1, INLINE_HEADERS, INLINE_HEADERS + 1] {
            let mut record = Record::to("t");
            for index in 0..count {
                record = record.header(format!("k{index}"), format!("v{index}"));
            }
            let seen = record.with_headers(|headers| {
                let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
                headers
                    .iter()
                    .map(|h| (text(h.key), h.value.map(text)))
                    .collect::<Vec<_>>()
            });
            let expected: Vec<_> = (0..count).map(|i| (format!("k{i}"), Some(format!("v{i}")))).collect();
            assert_eq!(seen, expected);
        }
    }
}
