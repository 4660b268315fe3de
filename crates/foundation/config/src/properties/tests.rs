//! The syntax of `java.util.Properties`. The table's expectations were checked against Java's own reader.

use super::*;
use proptest::prelude::*;

/// Key, value and line of every setting of a file.
fn read(text: &[u8]) -> Vec<(String, String, u32)> {
    let properties = Properties::parse(text, "server.properties").unwrap();
    properties
        .iter()
        .map(|(key, property)| {
            let Origin::File { line, .. } = &property.origin else {
                panic!("{property:?}")
            };
            (key.to_string(), property.value.clone(), *line)
        })
        .collect()
}

#[track_caller]
fn reads_as(text: &[u8], expected: &[(&str, &str, u32)]) {
    let expected: Vec<(String, String, u32)> = expected
        .iter()
        .map(|(key, value, line)| (key.to_string(), value.to_string(), *line))
        .collect();
    assert_eq!(read(text), expected, "{:?}", String::from_utf8_lossy(text));
}

#[test]
fn keys_end_at_equals_colon_or_white_space() {
    reads_as(b"a=1", &[("a", "1", 1)]);
    reads_as(b"a:1", &[("a", "1", 1)]);
    reads_as(b"a 1", &[("a", "1", 1)]);
    reads_as(b"a\t\x0c 1", &[("a", "1", 1)]);
    reads_as(b"a = 1", &[("a", "1", 1)]);
    reads_as(b"a == 1", &[("a", "= 1", 1)]);
    reads_as(b"a : = 1", &[("a", "= 1", 1)]);
    reads_as(b"a", &[("a", "", 1)]);
    reads_as(b"=1", &[("", "1", 1)]);
    reads_as(b"  a  =  1  ", &[("a", "1  ", 1)]);
    reads_as(b"a\\=b=c", &[("a=b", "c", 1)]);
    reads_as(b"a\\ b c", &[("a b", "c", 1)]);
    reads_as(b"a\\\\=c", &[("a\\", "c", 1)]);
}

#[test]
fn comments_and_blank_lines_say_nothing() {
    reads_as(
        b"# a=1\n! b=2\n\n  \t\n   # c=3\nd=4 # not a comment",
        &[("d", "4 # not a comment", 6)],
    );
    reads_as(b"# ends in a backslash \\\na=1", &[("a", "1", 2)]);
    reads_as(b"", &[]);
    reads_as(b"\r\n\r\r\n", &[]);
}

#[test]
fn lines_go_on_after_a_backslash() {
    reads_as(b"a=1,\\\n    2,\\\r\n\t3\nb=4", &[("a", "1,2,3", 1), ("b", "4", 4)]);
    reads_as(b"a=1\\\\\nb=2", &[("a", "1\\", 1), ("b", "2", 2)]);
    reads_as(b"a=1\\\n\nb=2", &[("a", "1", 1), ("b", "2", 3)]);
    reads_as(b"a=1\\\n# no comment here", &[("a", "1# no comment here", 1)]);
    reads_as(b"\\\n# a comment, for nothing came before\na=1", &[("a", "1", 3)]);
    reads_as(b"ke\\\ny=1", &[("key", "1", 1)]);
}

#[test]
fn a_backslash_before_the_end_is_dropped() {
    reads_as(b"a=1\\", &[("a", "1", 1)]);
    reads_as(b"a=1\\\n", &[("a", "1", 1)]);
    reads_as(b"a=1\\\r\n", &[("a", "1", 1)]);
    reads_as(b"\\", &[("", "", 1)]);
    reads_as(b"\\\n", &[("", "", 1)]);
    reads_as(b"\\\r\n", &[]);
}

#[test]
fn escapes_and_bytes_are_java_s() {
    reads_as(b"a=\\t\\n\\r\\f\\q\\\"", &[("a", "\t\n\r\x0cq\"", 1)]);
    reads_as(b"a=\\u0041\\u00e9\\uD83D\\uDE00", &[("a", "A\u{e9}\u{1f600}", 1)]);
    reads_as(b"a=\\uD83D", &[("a", "\u{fffd}", 1)]);
    // The file is ISO 8859-1: an UTF-8 encoded e with acute comes out as two characters, as it does in Java.
    reads_as("a=\u{e9}".as_bytes(), &[("a", "\u{c3}\u{a9}", 1)]);
    reads_as(b"a=\xe9", &[("a", "\u{e9}", 1)]);
}

#[test]
fn a_malformed_escape_is_the_only_error() {
    for text in [
        &b"x=1\na=\\u12"[..],
        b"x=1\na=\\u12g4",
        b"x=1\na\\u=1",
        b"x=1\na=\\u+123",
    ] {
        let error = Properties::parse(text, "server.properties").unwrap_err();
        assert_eq!(
            error,
            PropertiesError::MalformedUnicodeEscape {
                file: "server.properties".to_string(),
                line: 2
            }
        );
    }
}

#[test]
fn the_last_of_equal_keys_counts_and_the_others_are_told() {
    let properties = Properties::parse(b"a=1\nb=2\na=3", "f").unwrap();
    assert_eq!(properties.get("a").unwrap().value, "3");
    let file = |line| Origin::File { file: "f".into(), line };
    let lost = Property {
        value: "1".to_string(),
        origin: file(1),
    };
    assert_eq!(
        properties.repeated(),
        [Repeated {
            key: "a".to_string(),
            lost,
            kept: file(3)
        }]
    );
}

#[test]
fn overrides_take_the_place_of_the_file() {
    let mut properties = Properties::parse(b"a=1", "f").unwrap();
    properties.set_override("a=2=3").unwrap();
    properties.set_override(" b =").unwrap();
    assert_eq!(
        properties.get("a"),
        Some(&Property {
            value: "2=3".to_string(),
            origin: Origin::Override
        })
    );
    assert_eq!(properties.get("b").unwrap().value, "");
    assert_eq!(properties.len(), 2);
    for text in ["a", "=1", " =1", ""] {
        assert_eq!(properties.set_override(text), Err(MalformedOverride(text.to_string())));
    }
    assert_eq!(properties.remove("b").unwrap().value, "");
    assert!(!properties.is_empty());
}

/// What `java.util.Properties.store` writes for a text: every special character escaped, all else as `\uXXXX`.
fn stored(text: &str, is_key: bool) -> String {
    let mut out = String::new();
    for (at, unit) in text.encode_utf16().enumerate() {
        match char::from_u32(u32::from(unit)) {
            Some(' ') if is_key || at == 0 => out.push_str("\\ "),
            Some('\t') => out.push_str("\\t"),
            Some('\n') => out.push_str("\\n"),
            Some('\r') => out.push_str("\\r"),
            Some('\x0c') => out.push_str("\\f"),
            Some(special @ ('=' | ':' | '#' | '!' | '\\')) => out.extend(['\\', special]),
            Some(plain @ ' '..='~') => out.push(plain),
            _ => out.push_str(&format!("\\u{unit:04X}")),
        }
    }
    out
}

proptest! {
    #[test]
    fn what_java_stores_is_read_back(settings in proptest::collection::btree_map(any::<String>(), any::<String>(), 0..8)) {
        let mut file = String::from("#a comment\n");
        for (key, value) in &settings {
            file.push_str(&format!("{}={}\n", stored(key, true), stored(value, false)));
        }
        let read: BTreeMap<String, String> =
            read(file.as_bytes()).into_iter().map(|(key, value, _)| (key, value)).collect();
        prop_assert_eq!(read, settings);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let lines = 1 + bytes.iter().filter(|byte| matches!(byte, b'\r' | b'\n')).count();
        if let Ok(properties) = Properties::parse(&bytes, "f") {
            for (key, property) in properties.iter() {
                prop_assert!(key.len() + property.value.len() <= 3 * bytes.len());
                let Origin::File { line, .. } = property.origin else { panic!() };
                prop_assert!(line as usize <= lines);
            }
        }
    }

    #[test]
    fn syntax_heavy_files_are_read_or_refused(text in "[\\\\u0a=: \n\r#!\t]{0,60}") {
        let _ = Properties::parse(text.as_bytes(), "f");
    }
}
