//! How `klamm console-consumer` prints a record: Kafka's formatters and their properties.

use std::io::{self, Write};

use klamm_client::Properties;
use klamm_client::consumer::{ConsumerRecord, TimestampType};

use crate::output::{Number, uuid};
use crate::record_schemas::{self, OFFSETS, RecordType, SHARE_STATE, TRANSACTIONS};

/// How records are printed.
pub(crate) enum Formatter {
    /// `DefaultMessageFormatter`.
    Text(Text),
    /// `LoggingMessageFormatter`: prints and logs.
    Logging(Text),
    /// `NoOpMessageFormatter`.
    Nothing,
    /// A formatter for one of Kafka's own topics: the types of its records, and which of them are shown.
    Coordinator(&'static [RecordType], &'static [i16]),
}

const PACKAGES: &[&str] = &[
    "org.apache.kafka.tools.consumer.",
    "kafka.tools.",
    "org.apache.kafka.tools.consumer.group.share.",
    "",
];

impl Formatter {
    /// The formatter of this class, short or with a package; `None` if there is no such.
    pub(crate) fn of(class: &str, properties: &Properties) -> Result<Option<Self>, String> {
        let short = PACKAGES
            .iter()
            .find_map(|package| class.strip_prefix(package))
            .unwrap_or(class);
        Ok(Some(match short {
            "DefaultMessageFormatter" => Self::Text(Text::new(properties)?),
            "LoggingMessageFormatter" => Self::Logging(Text::new(properties)?),
            "NoOpMessageFormatter" => Self::Nothing,
            "OffsetsMessageFormatter" => Self::Coordinator(OFFSETS, &[0, 1]),
            "GroupMetadataMessageFormatter" => Self::Coordinator(OFFSETS, &[2]),
            "TransactionLogMessageFormatter" => Self::Coordinator(TRANSACTIONS, &[0]),
            "ShareGroupStateMessageFormatter" => Self::Coordinator(SHARE_STATE, &[0, 1]),
            _ => return Ok(None),
        }))
    }

    /// Prints one record; `log` takes what is for stderr.
    pub(crate) fn write(
        &self,
        record: &ConsumerRecord,
        out: &mut impl Write,
        log: &mut impl FnMut(String),
    ) -> io::Result<()> {
        match self {
            Self::Text(text) => text.write(record, out),
            Self::Logging(text) => {
                text.write(record, out)?;
                log(logged(record));
                Ok(())
            }
            Self::Nothing => Ok(()),
            Self::Coordinator(types, shown) => coordinator(types, shown, record, out),
        }
    }
}

/// Kafka prints these one after the other, without a line between.
fn coordinator(types: &[RecordType], shown: &[i16], record: &ConsumerRecord, out: &mut impl Write) -> io::Result<()> {
    let Some(key) = record.key() else { return Ok(()) };
    let Ok(((kind, key), value)) = record_schemas::decode(types, key, record.value()) else {
        return Ok(());
    };
    if !shown.contains(&kind) {
        return Ok(());
    }
    match value {
        Some((version, value)) => write!(
            out,
            "{{\"key\":{{\"type\":{kind},\"data\":{key}}},\"value\":{{\"version\":{version},\"data\":{value}}}}}"
        ),
        None => write!(out, "{{\"key\":{{\"type\":{kind},\"data\":{key}}},\"value\":null}}"),
    }
}

fn logged(record: &ConsumerRecord) -> String {
    let text = |bytes: Option<&[u8]>, after: &str| match bytes {
        Some(bytes) => format!("{}{after}", String::from_utf8_lossy(bytes)),
        None => "null".to_owned(),
    };
    let time = time(record).map(|time| format!("{time}, ")).unwrap_or_default();
    let key = match record.key() {
        Some(_) => text(record.key(), ", "),
        None => "null ".to_owned(),
    };
    format!("INFO {time}key:{key}value:{}", text(record.value(), ""))
}

fn time(record: &ConsumerRecord) -> Option<String> {
    let kind = match record.timestamp_type() {
        TimestampType::CreateTime => "CreateTime",
        TimestampType::LogAppendTime => "LogAppendTime",
    };
    Some(format!("{kind}:{}", record.timestamp()))
}

/// How bytes become text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deserializer {
    /// As they are.
    Bytes,
    Short,
    Integer,
    Long,
    Float,
    Double,
    Boolean,
    Uuid,
}

impl Deserializer {
    fn of(class: &str) -> Option<Self> {
        let short = class
            .strip_prefix("org.apache.kafka.common.serialization.")
            .unwrap_or(class);
        Some(match short {
            "StringDeserializer" | "ByteArrayDeserializer" | "BytesDeserializer" | "ByteBufferDeserializer" => {
                Self::Bytes
            }
            "ShortDeserializer" => Self::Short,
            "IntegerDeserializer" => Self::Integer,
            "LongDeserializer" => Self::Long,
            "FloatDeserializer" => Self::Float,
            "DoubleDeserializer" => Self::Double,
            "BooleanDeserializer" => Self::Boolean,
            "UUIDDeserializer" => Self::Uuid,
            _ => return None,
        })
    }

    fn write(self, bytes: &[u8], out: &mut impl Write) -> io::Result<()> {
        let wrong = |what: &str| {
            let reason = format!("Size of data received by {what} is {} bytes", bytes.len());
            io::Error::new(io::ErrorKind::InvalidData, reason)
        };
        match self {
            Self::Bytes => out.write_all(bytes),
            Self::Short => {
                let number = i16::from_be_bytes(bytes.try_into().map_err(|_| wrong("ShortDeserializer"))?);
                write!(out, "{number}")
            }
            Self::Integer => {
                let number = i32::from_be_bytes(bytes.try_into().map_err(|_| wrong("IntegerDeserializer"))?);
                write!(out, "{number}")
            }
            Self::Long => {
                let number = i64::from_be_bytes(bytes.try_into().map_err(|_| wrong("LongDeserializer"))?);
                write!(out, "{number}")
            }
            Self::Float => {
                let number = f32::from_be_bytes(bytes.try_into().map_err(|_| wrong("FloatDeserializer"))?);
                write!(out, "{}", Number::from(number))
            }
            Self::Double => {
                let number = f64::from_be_bytes(bytes.try_into().map_err(|_| wrong("DoubleDeserializer"))?);
                write!(out, "{}", Number::from(number))
            }
            Self::Boolean => match bytes {
                [0] => out.write_all(b"false"),
                [1] => out.write_all(b"true"),
                _ => Err(wrong("BooleanDeserializer")),
            },
            Self::Uuid => {
                let text = String::from_utf8_lossy(bytes);
                let uuid = uuid(&text)
                    .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "Error parsing data into UUID"))?;
                out.write_all(uuid.as_bytes())
            }
        }
    }
}

/// Columns and what stands between them.
pub(crate) struct Text {
    timestamp: bool,
    key: bool,
    value: bool,
    partition: bool,
    offset: bool,
    epoch: bool,
    headers: bool,
    key_separator: Vec<u8>,
    line_separator: Vec<u8>,
    headers_separator: Vec<u8>,
    null: Vec<u8>,
    key_deserializer: Deserializer,
    value_deserializer: Deserializer,
    headers_deserializer: Deserializer,
}

impl Text {
    fn new(properties: &Properties) -> Result<Self, String> {
        let flag = |key, default| {
            properties
                .get(key)
                .map_or(default, |value| value.trim().eq_ignore_ascii_case("true"))
        };
        let text = |key, default: &str| properties.get(key).unwrap_or(default).as_bytes().to_vec();
        let deserializer = |key| match properties.get(key) {
            None => Ok(Deserializer::Bytes),
            Some(class) => Deserializer::of(class).ok_or_else(|| class.to_owned()),
        };
        Ok(Self {
            timestamp: flag("print.timestamp", false),
            key: flag("print.key", false),
            value: flag("print.value", true),
            partition: flag("print.partition", false),
            offset: flag("print.offset", false),
            epoch: flag("print.epoch", false),
            headers: flag("print.headers", false),
            key_separator: text("key.separator", "\t"),
            line_separator: text("line.separator", "\n"),
            headers_separator: text("headers.separator", ","),
            null: text("null.literal", "null"),
            key_deserializer: deserializer("key.deserializer")?,
            value_deserializer: deserializer("value.deserializer")?,
            headers_deserializer: deserializer("headers.deserializer")?,
        })
    }

    fn write(&self, record: &ConsumerRecord, out: &mut impl Write) -> io::Result<()> {
        // From the last column on there is a line's end instead of a separator.
        let columns = [
            self.timestamp,
            self.partition,
            self.offset,
            self.epoch,
            self.headers,
            self.key,
            self.value,
        ];
        let last = columns.iter().rposition(|on| *on);
        for (column, _) in columns.iter().enumerate().filter(|(_, on)| **on) {
            match column {
                0 => out.write_all(time(record).as_deref().unwrap_or("NO_TIMESTAMP").as_bytes())?,
                1 => write!(out, "Partition:{}", record.partition())?,
                2 => write!(out, "Offset:{}", record.offset())?,
                // Kafka's console consumer drops it on the way to its formatter.
                3 => out.write_all(b"Epoch:NOT_PRESENT")?,
                4 => self.write_headers(record, out)?,
                5 => self.write_data(record.key(), self.key_deserializer, out)?,
                _ => self.write_data(record.value(), self.value_deserializer, out)?,
            }
            let separator = if Some(column) == last {
                &self.line_separator
            } else {
                &self.key_separator
            };
            out.write_all(separator)?;
        }
        Ok(())
    }

    fn write_data(&self, bytes: Option<&[u8]>, deserializer: Deserializer, out: &mut impl Write) -> io::Result<()> {
        match bytes {
            Some(bytes) => deserializer.write(bytes, out),
            None => deserializer.write(&self.null, out),
        }
    }

    fn write_headers(&self, record: &ConsumerRecord, out: &mut impl Write) -> io::Result<()> {
        let mut headers = record.headers().peekable();
        if headers.peek().is_none() {
            return out.write_all(b"NO_HEADERS");
        }
        while let Some(header) = headers.next() {
            out.write_all(header.key)?;
            out.write_all(b":")?;
            self.write_data(header.value, self.headers_deserializer, out)?;
            if headers.peek().is_some() {
                out.write_all(&self.headers_separator)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_uuids_are_shown_as_java_shows_them() {
        let shown = |class: &str, bytes: &[u8]| {
            let mut out = Vec::new();
            let written = Deserializer::of(class).unwrap().write(bytes, &mut out);
            written.map(|()| String::from_utf8(out).unwrap())
        };
        let double = |number: f64| shown("DoubleDeserializer", &number.to_be_bytes()).unwrap();
        assert_eq!(
            [double(1e7), double(f64::INFINITY), double(5.0)],
            ["1.0E7", "Infinity", "5.0"]
        );
        let float = |number: f32| shown("FloatDeserializer", &number.to_be_bytes()).unwrap();
        assert_eq!([float(1e-4), float(f32::NAN), float(0.1)], ["1.0E-4", "NaN", "0.1"]);
        let uuid = shown("UUIDDeserializer", b"123E4567-e89b-12d3-a456-426614174000").unwrap();
        assert_eq!(uuid, "123e4567-e89b-12d3-a456-426614174000");
        let none = shown("UUIDDeserializer", b"hello").unwrap_err();
        assert_eq!(
            (none.kind(), &*none.to_string()),
            (io::ErrorKind::InvalidData, "Error parsing data into UUID")
        );
    }
}
