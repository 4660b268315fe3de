//! Records as lines of JSON: the envelope of `kcat -J`.
//!
//! What is no UTF-8 stands beside its nearest text in base64, so that a record can be produced again as it was.

use std::borrow::Cow;

use klamm_client::consumer::TimestampType;
use klamm_client::{ConsumerRecord, Record};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::base64;

/// What is written.
#[derive(Serialize)]
pub(crate) struct Envelope<'a> {
    topic: &'a str,
    partition: i32,
    offset: i64,
    tstype: &'static str,
    ts: i64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    headers: Vec<Option<Cow<'a, str>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    headers_base64: Option<Vec<Option<String>>>,
    key: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_base64: Option<String>,
    payload: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload_base64: Option<String>,
}

impl<'a> Envelope<'a> {
    pub(crate) fn of(record: &'a ConsumerRecord) -> Envelope<'a> {
        let mut headers = Vec::new();
        for header in record.headers() {
            headers.extend([Some(header.key), header.value]);
        }
        let texts = |bytes: Option<&'a [u8]>| bytes.map(String::from_utf8_lossy);
        let encoded = |bytes: &Option<&[u8]>| bytes.map(base64::encode);
        let plain = headers.iter().flatten().all(|bytes| is_text(bytes));
        let tstype = match record.timestamp_type() {
            _ if record.timestamp() < 0 => "unknown",
            TimestampType::CreateTime => "create",
            TimestampType::LogAppendTime => "logappend",
        };
        Envelope {
            topic: record.topic(),
            partition: record.partition(),
            offset: record.offset(),
            tstype,
            ts: record.timestamp(),
            headers_base64: (!plain).then(|| headers.iter().map(encoded).collect()),
            headers: headers.into_iter().map(texts).collect(),
            key: texts(record.key()),
            key_base64: record.key().filter(|bytes| !is_text(bytes)).map(base64::encode),
            payload: texts(record.value()),
            payload_base64: record.value().filter(|bytes| !is_text(bytes)).map(base64::encode),
        }
    }
}

fn is_text(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok()
}

/// What is read: an envelope, or what `console-consumer --json` prints. Where it was read from does not matter here.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Read {
    pub(crate) topic: Option<String>,
    pub(crate) partition: Option<i32>,
    #[serde(alias = "timestamp")]
    ts: Option<i64>,
    headers: Option<Value>,
    headers_base64: Option<Vec<Option<String>>>,
    key: Option<Value>,
    key_base64: Option<String>,
    #[serde(alias = "value")]
    payload: Option<Value>,
    payload_base64: Option<String>,
}

impl Read {
    /// Reads a line.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn line(line: &[u8]) -> Result<Read, String> {
        match line.trim_ascii_start().first() {
            Some(b'{') => serde_json::from_slice(line).map_err(|error| error.to_string()),
            _ => Err("it is no object".to_owned()),
        }
    }

    /// The record, but for its partition.
    ///
    /// # Errors
    /// What in the line can't be part of a record.
    pub(crate) fn record<'a>(&self, topic: &'a str) -> Result<Record<'a>, String> {
        let mut record = Record::to(topic);
        if let Some(key) = field(self.key.as_ref(), self.key_base64.as_deref(), "key_base64")? {
            record = record.key(key);
        }
        if let Some(value) = field(self.payload.as_ref(), self.payload_base64.as_deref(), "payload_base64")? {
            record = record.value(value);
        }
        if let Some(ts) = self.ts.filter(|ts| *ts >= 0) {
            record = record.timestamp(ts);
        }
        for (name, value) in self.headers()? {
            record = match value {
                Some(value) => record.header(name, value),
                None => record.null_header(name),
            };
        }
        Ok(record)
    }

    /// Whether it names a key that is not null.
    pub(crate) fn has_key(&self) -> bool {
        self.key_base64.is_some() || self.key.as_ref().is_some_and(|key| !key.is_null())
    }

    fn headers(&self) -> Result<Headers, String> {
        if let Some(encoded) = &self.headers_base64 {
            let wrong = || "`headers_base64` is no list of names and values in base64".to_owned();
            let decoded = encoded.iter().map(|part| match part {
                Some(text) => base64::decode(text).map(Some).ok_or_else(wrong),
                None => Ok(None),
            });
            return pairs(decoded.collect::<Result<_, _>>()?).ok_or_else(wrong);
        }
        let wrong = || "`headers` is neither an object nor a list of names and values".to_owned();
        match &self.headers {
            None | Some(Value::Null) => Ok(Vec::new()),
            Some(Value::Object(object)) => Ok(object
                .iter()
                .map(|(name, value)| (name.clone(), bytes(value)))
                .collect()),
            Some(Value::Array(items)) if items.iter().all(Value::is_object) => {
                let named = items.iter().map(|item| {
                    let name = item["key"].as_str().ok_or_else(wrong)?;
                    Ok((name.to_owned(), bytes(&item["value"])))
                });
                named.collect()
            }
            Some(Value::Array(items)) => pairs(items.iter().map(bytes).collect()).ok_or_else(wrong),
            Some(_) => Err(wrong()),
        }
    }
}

/// Names and values; none is null.
type Headers = Vec<(String, Option<Vec<u8>>)>;

/// Names and values by turns.
fn pairs(flat: Vec<Option<Vec<u8>>>) -> Option<Headers> {
    let mut pairs = Vec::new();
    let mut flat = flat.into_iter();
    while let Some(name) = flat.next() {
        pairs.push((String::from_utf8(name?).ok()?, flat.next()?));
    }
    Some(pairs)
}

fn field(value: Option<&Value>, encoded: Option<&str>, name: &str) -> Result<Option<Vec<u8>>, String> {
    match encoded {
        Some(text) => base64::decode(text)
            .map(Some)
            .ok_or_else(|| format!("`{name}` is no base64")),
        None => Ok(value.and_then(bytes)),
    }
}

/// A text as it is, null as null, anything else as JSON.
fn bytes(value: &Value) -> Option<Vec<u8>> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone().into_bytes()),
        other => Some(other.to_string().into_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(line: &str) -> String {
        let read = Read::line(line.as_bytes()).unwrap();
        let headers = read.headers().map(|headers| {
            let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
            let named = headers
                .into_iter()
                .map(|(name, value)| format!("{name}={}", value.map_or("null".to_owned(), text)));
            named.collect::<Vec<_>>().join(",")
        });
        headers.unwrap_or_else(|wrong| wrong)
    }

    #[test]
    fn headers_come_in_several_shapes() {
        for line in [
            r#"{"headers":["a","1","b",null]}"#,
            r#"{"headers":[{"key":"a","value":"1"},{"key":"b","value":null}]}"#,
            r#"{"headers":{"a":"1","b":null}}"#,
            r#"{"headers":["x","y"],"headers_base64":["YQ==","MQ==","Yg==",null]}"#,
        ] {
            assert_eq!(shown(line), "a=1,b=null", "{line}");
        }
        assert_eq!(shown("{}"), "");
        for line in [r#"{"headers":["a"]}"#, r#"{"headers":7}"#, r#"{"headers":[{"k":1}]}"#] {
            assert!(shown(line).starts_with("`headers` is neither"), "{line}");
        }
    }

    #[test]
    fn what_is_no_envelope_is_told() {
        assert!(Read::line(b"{").unwrap_err().contains("EOF"));
        assert_eq!(Read::line(b"[]").unwrap_err(), "it is no object");
        let read = Read::line(br#"{"payload_base64":"?"}"#).unwrap();
        assert_eq!(read.record("t").unwrap_err(), "`payload_base64` is no base64");
    }
}
