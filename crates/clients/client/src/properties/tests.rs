use super::*;

fn parse(text: &str) -> Vec<(String, String)> {
    let properties = Properties::parse(text).expect("well formed");
    let entries = properties.iter().map(|(key, value)| (key.to_owned(), value.to_owned()));
    entries.collect()
}

fn pair(key: &str, value: &str) -> (String, String) {
    (key.to_owned(), value.to_owned())
}

#[test]
fn the_syntax_is_javas() {
    let text =
        "# a comment\n! another\n\n  a = 1 \nb:2\nc 3\nd\ne=\\\n   5, \\\r\n   6\nf\\ g\\=h=\\u00e9\\t\\\\\nlast=\\";
    let expected = [
        pair("a", "1 "),
        pair("b", "2"),
        pair("c", "3"),
        pair("d", ""),
        pair("e", "5, 6"),
        pair("f g=h", "é\t\\"),
        pair("last", ""),
    ];
    assert_eq!(parse(text), expected);
    assert_eq!(parse("k=1\nk=2"), [pair("k", "2")]);
    assert_eq!(parse("face=\\ud83d\\ude00"), [pair("face", "😀")]);
    assert_eq!(parse("a = = b"), [pair("a", "= b")]);
}

#[test]
fn a_malformed_escape_names_its_line() {
    let error = Properties::parse("a=1\nb=\\u12g4").expect_err("no escape");
    assert_eq!(
        error.to_string(),
        "invalid value b=\\u12g4 for line 2: malformed \\uxxxx encoding"
    );
}

#[test]
fn values_have_types_and_bounds() {
    let properties: Properties = [
        ("request.timeout.ms", "150"),
        ("client.id", "shop"),
        ("retries", "-1"),
        ("enable.idempotence", "TRUE"),
        ("acks", "maybe"),
        ("bootstrap.servers", " a:1, ,b:2 "),
    ]
    .into_iter()
    .collect();
    assert_eq!(
        properties.millis("request.timeout.ms", 5).expect("a number"),
        Duration::from_millis(150)
    );
    assert_eq!(
        properties.millis("linger.ms", 5).expect("the default"),
        Duration::from_millis(5)
    );
    assert_eq!(properties.list("bootstrap.servers"), ["a:1", "b:2"]);
    assert!(properties.boolean("enable.idempotence", false).expect("a boolean"));
    assert_eq!(
        properties
            .number("retries", 0, 10, 3)
            .expect_err("too small")
            .to_string(),
        "invalid value -1 for retries: must be at least 0"
    );
    assert_eq!(
        properties
            .choice("acks", &[("all", 1), ("1", 2)], 1)
            .expect_err("none of them")
            .to_string(),
        "invalid value maybe for acks: must be one of all, 1"
    );
    assert!(properties.millis("client.id", 5).is_err());
    assert!(properties.boolean("client.id", true).is_err());
}

#[test]
fn keys_of_no_client_are_told() {
    let properties: Properties = [("linger.ms", "1"), ("liger.ms", "1")].into_iter().collect();
    assert_eq!(properties.unknown().collect::<Vec<_>>(), ["liger.ms"]);
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = Properties::load("/no/such/file").expect_err("no file");
    assert!(error.to_string().starts_with("/no/such/file: "), "{error}");
}

#[test]
fn files_are_utf_8_or_latin_1() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    for bytes in [&b"a=\xe9"[..], "a=é".as_bytes()] {
        std::fs::write(file.path(), bytes).expect("written");
        assert_eq!(Properties::load(file.path()).expect("read").get("a"), Some("é"));
    }
}
