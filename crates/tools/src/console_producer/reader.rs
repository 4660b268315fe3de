//! Kafka's `LineMessageReader`: a line is a record, with headers and a key in front if they are asked for.

use klamm_client::{Properties, Record};

use crate::feed::position;
use crate::output::Failure;

/// How lines are read.
#[derive(Debug)]
pub(super) struct LineReader {
    parse_key: bool,
    parse_headers: bool,
    ignore_error: bool,
    key_separator: String,
    headers_delimiter: String,
    headers_separator: String,
    headers_key_separator: String,
    null_marker: Option<String>,
}

const EXCEPTION: &str = "org.apache.kafka.common.KafkaException";

impl LineReader {
    pub(super) fn new(properties: &Properties) -> Result<LineReader, Failure> {
        let on = |key| {
            properties
                .get(key)
                .is_some_and(|value| value.trim().eq_ignore_ascii_case("true"))
        };
        let text = |key, default: &str| properties.get(key).unwrap_or(default).to_owned();
        let reader = LineReader {
            parse_key: on("parse.key"),
            parse_headers: on("parse.headers"),
            ignore_error: on("ignore.error"),
            key_separator: text("key.separator", "\t"),
            headers_delimiter: text("headers.delimiter", "\t"),
            headers_separator: text("headers.separator", ","),
            headers_key_separator: text("headers.key.separator", ":"),
            null_marker: properties.get("null.marker").map(str::to_owned),
        };
        reader.check()?;
        Ok(reader)
    }

    fn check(&self) -> Result<(), Failure> {
        let marker = self.null_marker.as_deref();
        let clashes = [
            (
                self.headers_delimiter == self.headers_separator,
                "headers.delimiter and headers.separator",
            ),
            (
                self.headers_delimiter == self.headers_key_separator,
                "headers.delimiter and headers.key.separator",
            ),
            (
                self.headers_separator == self.headers_key_separator,
                "headers.separator and headers.key.separator",
            ),
            (marker == Some(&self.key_separator), "null.marker and key.separator"),
            (
                marker == Some(&self.headers_separator),
                "null.marker and headers.separator",
            ),
            (
                marker == Some(&self.headers_delimiter),
                "null.marker and headers.delimiter",
            ),
            (
                marker == Some(&self.headers_key_separator),
                "null.marker and headers.key.separator",
            ),
        ];
        match clashes.iter().find(|(clash, _)| *clash) {
            Some((_, which)) => Err(Failure::kafka(format!("{EXCEPTION}: {which} may not be equal"))),
            None => Ok(()),
        }
    }

    /// The record in a line; lines count from 1.
    pub(super) fn read<'a>(&self, topic: &'a str, line: &'a [u8], number: u64) -> Result<Record<'a>, Failure> {
        let mut rest = line;
        let headers = self.split(
            self.parse_headers,
            &mut rest,
            line,
            &self.headers_delimiter,
            "headers delimiter",
            number,
        )?;
        let key = self.split(
            self.parse_key,
            &mut rest,
            line,
            &self.key_separator,
            "key separator",
            number,
        )?;
        let mut record = Record::to(topic);
        if let Some(key) = key.filter(|key| !self.is_null(key)) {
            record = record.key(key);
        }
        if !self.is_null(rest) {
            record = record.value(rest);
        }
        match headers.filter(|headers| !self.is_null(headers)) {
            Some(headers) => self.with_headers(record, headers, number),
            None => Ok(record),
        }
    }

    fn is_null(&self, bytes: &[u8]) -> bool {
        self.null_marker
            .as_ref()
            .is_some_and(|marker| marker.as_bytes() == bytes)
    }

    /// Takes what stands before `separator` off the front of `rest`.
    fn split<'a>(
        &self,
        wanted: bool,
        rest: &mut &'a [u8],
        line: &[u8],
        separator: &str,
        name: &str,
        number: u64,
    ) -> Result<Option<&'a [u8]>, Failure> {
        if !wanted {
            return Ok(None);
        }
        match position(rest, separator.as_bytes()) {
            Some(at) => {
                let front = &rest[..at];
                *rest = &rest[at + separator.len()..];
                Ok(Some(front))
            }
            None if self.ignore_error => Ok(None),
            None => {
                let line = String::from_utf8_lossy(line);
                Err(Failure::kafka(format!(
                    "{EXCEPTION}: No {name} found on line number {number}: '{line}'"
                )))
            }
        }
    }

    fn with_headers<'a>(&self, mut record: Record<'a>, headers: &'a [u8], number: u64) -> Result<Record<'a>, Failure> {
        let text = String::from_utf8_lossy(headers).into_owned();
        let mut pairs: Vec<&str> = text.split(self.headers_separator.as_str()).collect();
        // Java's split leaves empty ones at the end out.
        while pairs.len() > 1 && pairs.last() == Some(&"") {
            pairs.pop();
        }
        for pair in pairs {
            let Some((key, value)) = pair.split_once(self.headers_key_separator.as_str()) else {
                if self.ignore_error {
                    record = record.null_header(pair.to_owned());
                    continue;
                }
                return Err(Failure::kafka(format!(
                    "{EXCEPTION}: No header key separator found in pair '{pair}' on line number {number}"
                )));
            };
            if self.is_null(key.as_bytes()) {
                return Err(Failure::kafka(format!(
                    "{EXCEPTION}: Header keys should not be equal to the null marker '{key}' as they can't be null"
                )));
            }
            record = match self.is_null(value.as_bytes()) {
                true => record.null_header(key.to_owned()),
                false => record.header(key.to_owned(), value.to_owned()),
            };
        }
        Ok(record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader(entries: &[(&str, &str)]) -> Result<LineReader, Failure> {
        LineReader::new(&entries.iter().copied().collect())
    }

    fn shown(entries: &[(&str, &str)], line: &str) -> String {
        match reader(entries)
            .unwrap_or_else(|failure| panic!("{}", failure.message()))
            .read("t", line.as_bytes(), 3)
        {
            Ok(record) => format!("{record:?}"),
            Err(failure) => failure.message().to_owned(),
        }
    }

    fn expected(record: Record<'_>) -> String {
        format!("{record:?}")
    }

    #[test]
    fn a_line_is_a_value_unless_told_otherwise() {
        assert_eq!(shown(&[], "a\tb"), expected(Record::to("t").value("a\tb")));
        let keyed = [("parse.key", "true")];
        assert_eq!(
            shown(&keyed, "a\tb\tc"),
            expected(Record::to("t").key("a").value("b\tc"))
        );
        assert_eq!(
            shown(&keyed, "none"),
            "org.apache.kafka.common.KafkaException: No key separator found on line number 3: 'none'"
        );
        let lenient = [("parse.key", "TRUE"), ("ignore.error", "true")];
        assert_eq!(shown(&lenient, "none"), expected(Record::to("t").value("none")));
    }

    #[test]
    fn headers_and_nulls() {
        let all = [
            ("parse.key", "true"),
            ("parse.headers", "true"),
            ("null.marker", "NULL"),
        ];
        let both = Record::to("t").key("k3").value("three");
        let both = both
            .header("h1".to_owned(), "v1".to_owned())
            .null_header("h2".to_owned());
        assert_eq!(shown(&all, "h1:v1,h2:NULL\tk3\tthree"), expected(both));
        assert_eq!(shown(&all, "NULL\tk4\tNULL"), expected(Record::to("t").key("k4")));
        assert!(shown(&all, "NULL:v\tk\tv").contains("Header keys should not be equal to the null marker 'NULL'"));
        assert!(shown(&all, "h1\tk\tv").contains("No header key separator found in pair 'h1' on line number 3"));
        assert!(shown(&all, "h1:v1").contains("No headers delimiter found on line number 3: 'h1:v1'"));
    }

    #[test]
    fn separators_must_differ() {
        let message = |entries: &[(&str, &str)]| reader(entries).err().map(|failure| failure.message().to_owned());
        let clash = message(&[("headers.separator", ":")]);
        let expected =
            "org.apache.kafka.common.KafkaException: headers.separator and headers.key.separator may not be equal";
        assert_eq!(clash.as_deref(), Some(expected));
        assert!(message(&[("null.marker", "\t")]).is_some_and(|text| text.contains("null.marker and key.separator")));
    }
}
