//! Format strings for records and the escapes in them, as kcat has them.

use std::io::{self, Write};

use klamm_client::ConsumerRecord;

/// The tokens, for `--help`.
pub(crate) const TOKENS: &str = "%s value, %k key, %t topic, %p partition, %o offset, %T timestamp in ms, %h headers as `name=value,…`, \
    %S and %K lengths of value and key (-1 for null), %R length of the value as four bytes, %% a percent sign; \
    \\n \\r \\t \\0 \\\\ \\xNN";

/// What is printed for a record.
#[derive(Debug, PartialEq)]
pub(crate) struct Format(Vec<Piece>);

#[derive(Debug, PartialEq)]
enum Piece {
    Text(Vec<u8>),
    Value,
    Key,
    Topic,
    Partition,
    Offset,
    Timestamp,
    Headers,
    ValueLength,
    KeyLength,
    /// The value's length as a 32-bit number, big end first.
    ValueLengthBytes,
}

impl Format {
    /// Reads a format string.
    ///
    /// # Errors
    /// What stands in it that is none.
    pub(crate) fn parse(text: &str) -> Result<Format, String> {
        let mut format = Format(Vec::new());
        let mut rest = text;
        while let Some(at) = rest.find(['%', '\\']) {
            format.text(&rest.as_bytes()[..at]);
            rest = &rest[at..];
            if rest.starts_with('\\') {
                let (byte, length) = escape(rest)?;
                format.text(&[byte]);
                rest = &rest[length..];
                continue;
            }
            let token = rest[1..].chars().next();
            match token {
                Some('%') => format.text(b"%"),
                Some('s' | 'v') => format.0.push(Piece::Value),
                Some('k') => format.0.push(Piece::Key),
                Some('t') => format.0.push(Piece::Topic),
                Some('p') => format.0.push(Piece::Partition),
                Some('o') => format.0.push(Piece::Offset),
                Some('T') => format.0.push(Piece::Timestamp),
                Some('h') => format.0.push(Piece::Headers),
                Some('S') => format.0.push(Piece::ValueLength),
                Some('K') => format.0.push(Piece::KeyLength),
                Some('R') => format.0.push(Piece::ValueLengthBytes),
                Some(other) => return Err(format!("`%{other}` stands for nothing")),
                None => return Err("a lone `%` at the end".to_owned()),
            }
            rest = &rest[2..];
        }
        format.text(rest.as_bytes());
        Ok(format)
    }

    /// The value behind its key and offset, if these are wanted, and the delimiter.
    pub(crate) fn fields(key_delimiter: Option<&[u8]>, offset: bool, delimiter: &[u8]) -> Format {
        let mut format = Format(Vec::new());
        let between = key_delimiter.unwrap_or(b"\t");
        if offset {
            format.0.push(Piece::Offset);
            format.text(between);
        }
        if key_delimiter.is_some() {
            format.0.push(Piece::Key);
            format.text(between);
        }
        format.0.push(Piece::Value);
        format.text(delimiter);
        format
    }

    fn text(&mut self, bytes: &[u8]) {
        match self.0.last_mut() {
            _ if bytes.is_empty() => {}
            Some(Piece::Text(text)) => text.extend_from_slice(bytes),
            _ => self.0.push(Piece::Text(bytes.to_vec())),
        }
    }

    /// Prints a record; `null` stands for keys and values that are null.
    pub(crate) fn write(&self, record: &ConsumerRecord, null: &[u8], out: &mut impl Write) -> io::Result<()> {
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => out.write_all(text)?,
                Piece::Value => out.write_all(record.value().unwrap_or(null))?,
                Piece::Key => out.write_all(record.key().unwrap_or(null))?,
                Piece::Topic => out.write_all(record.topic().as_bytes())?,
                Piece::Partition => write!(out, "{}", record.partition())?,
                Piece::Offset => write!(out, "{}", record.offset())?,
                Piece::Timestamp => write!(out, "{}", record.timestamp())?,
                Piece::Headers => headers(record, out)?,
                Piece::ValueLength => write!(out, "{}", record.serialized_value_size())?,
                Piece::KeyLength => write!(out, "{}", record.serialized_key_size())?,
                Piece::ValueLengthBytes => out.write_all(&record.serialized_value_size().to_be_bytes())?,
            }
        }
        Ok(())
    }
}

fn headers(record: &ConsumerRecord, out: &mut impl Write) -> io::Result<()> {
    for (index, header) in record.headers().enumerate() {
        if index > 0 {
            out.write_all(b",")?;
        }
        out.write_all(header.key)?;
        out.write_all(b"=")?;
        out.write_all(header.value.unwrap_or(b"NULL"))?;
    }
    Ok(())
}

/// The bytes of a delimiter.
///
/// # Errors
/// What is no escape, or that there is nothing.
pub(crate) fn delimiter(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        bytes.extend_from_slice(&rest.as_bytes()[..at]);
        let (byte, length) = escape(&rest[at..])?;
        bytes.push(byte);
        rest = &rest[at + length..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    match bytes.is_empty() {
        true => Err("it is empty".to_owned()),
        false => Ok(bytes),
    }
}

/// The byte that an escape stands for and how long the escape is.
fn escape(text: &str) -> Result<(u8, usize), String> {
    let byte = match text[1..].chars().next() {
        Some('n') => b'\n',
        Some('r') => b'\r',
        Some('t') => b'\t',
        Some('0') => 0,
        Some('\\') => b'\\',
        Some('x') => {
            let digits = text[2..].bytes().take(2).take_while(u8::is_ascii_hexdigit).count();
            let byte = u8::from_str_radix(&text[2..2 + digits], 16);
            return byte
                .map(|byte| (byte, 2 + digits))
                .map_err(|_| "`\\x` needs one or two hexadecimal digits".to_owned());
        }
        Some(other) => return Err(format!("`\\{other}` is no escape")),
        None => return Err("a lone `\\` at the end".to_owned()),
    };
    Ok((byte, 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_read() {
        let text = |text: &[u8]| Piece::Text(text.to_vec());
        let format = Format::parse("%t [%p]\\x41\\x9|%%%s\\0é").unwrap();
        let expected = vec![
            Piece::Topic,
            text(b" ["),
            Piece::Partition,
            text(b"]A\x09|%"),
            Piece::Value,
            text("\0é".as_bytes()),
        ];
        assert_eq!(format.0, expected);
        assert_eq!(Format::parse("").unwrap().0, []);
        for (wrong, why) in [
            ("%q", "`%q` stands for nothing"),
            ("a%", "a lone `%` at the end"),
            ("%é", "`%é` stands for nothing"),
            ("\\q", "`\\q` is no escape"),
            ("\\", "a lone `\\` at the end"),
            ("\\xé", "`\\x` needs one or two hexadecimal digits"),
        ] {
            assert_eq!(Format::parse(wrong).unwrap_err(), why);
        }
    }

    #[test]
    fn delimiters_are_read() {
        assert_eq!(delimiter("a\\t\\x00\\\\é").unwrap(), "a\t\0\\é".as_bytes());
        assert_eq!(delimiter("").unwrap_err(), "it is empty");
    }
}
