//! Values are read as `ConfigDef.parseType` reads them and printed as Java prints them.

use super::*;
use crate::key::ConfigType::{Boolean, Double, Int, List, Long, Short, String as Text};
use crate::validator::Validator;

fn parse(config_type: ConfigType, text: &str) -> Result<String, String> {
    Value::parse(config_type, "k", text)
        .map(|value| value.to_string())
        .map_err(|error| error.to_string())
}

#[test]
fn numbers_are_decimal_and_within_their_type() {
    assert_eq!(parse(Int, " 42\t"), Ok("42".to_string()));
    assert_eq!(parse(Int, "+7"), Ok("7".to_string()));
    assert_eq!(parse(Int, "-2147483648"), Ok("-2147483648".to_string()));
    assert_eq!(
        parse(Long, "9223372036854775807"),
        Ok("9223372036854775807".to_string())
    );
    for (config_type, text) in [
        (Int, "2147483648"),
        (Int, ""),
        (Int, "1.0"),
        (Int, "0x10"),
        (Int, "1_000"),
        (Short, "32768"),
        (Long, "abc"),
    ] {
        let expected = format!(
            "Invalid value {text} for configuration k: Not a number of type {}",
            config_type.name()
        );
        assert_eq!(parse(config_type, text), Err(expected));
    }
}

#[test]
fn booleans_ignore_case() {
    assert_eq!(parse(Boolean, " TRUE "), Ok("true".to_string()));
    assert_eq!(parse(Boolean, "False"), Ok("false".to_string()));
    let error = "Invalid value yes for configuration k: Expected value to be either true or false";
    assert_eq!(parse(Boolean, "yes"), Err(error.to_string()));
}

#[test]
fn doubles_print_as_java_s() {
    let prints = [
        ("0.5", "0.5"),
        ("1", "1.0"),
        ("0.05d", "0.05"),
        ("2F", "2.0"),
        (".5", "0.5"),
        ("5.", "5.0"),
        ("1e3", "1000.0"),
        ("0", "0.0"),
        ("-0.0", "-0.0"),
        ("0.001", "0.001"),
        ("0.0001", "1.0E-4"),
        ("0.00012", "1.2E-4"),
        ("9999999", "9999999.0"),
        ("1e7", "1.0E7"),
        ("123456789", "1.23456789E8"),
        ("2147483647", "2.147483647E9"),
        ("1.7976931348623157E308", "1.7976931348623157E308"),
        ("Infinity", "Infinity"),
        ("-Infinity", "-Infinity"),
        ("NaN", "NaN"),
    ];
    for (text, printed) in prints {
        assert_eq!(parse(Double, text).as_deref(), Ok(printed), "{text}");
    }
    for text in ["inf", "nan", "infinity", "", "d", "1,5", "e3", "--1"] {
        assert!(parse(Double, text).is_err(), "{text}");
    }
}

#[test]
fn lists_are_split_at_commas_and_joined_without_blanks() {
    assert_eq!(Value::parse(List, "k", "  "), Ok(Value::List(vec![])));
    assert_eq!(parse(List, " a , b\t,c "), Ok("a,b,c".to_string()));
    assert_eq!(parse(List, "a,,b,"), Ok("a,,b,".to_string()));
    assert_eq!(parse(Text, " a , b "), Ok("a , b".to_string()));
}

#[test]
fn passwords_do_not_show() {
    let secret = Value::parse(ConfigType::Password, "k", " secret ").unwrap();
    assert_eq!(secret, Value::Password("secret".to_string()));
    assert_eq!(
        (secret.to_string(), format!("{secret:?}"), secret.describe()),
        (HIDDEN.to_string(), HIDDEN.to_string(), None)
    );
}

/// Whether the validator takes the value, and what it says otherwise.
fn check(validator: Validator, config_type: ConfigType, text: &str) -> Result<(), String> {
    let value = Value::parse(config_type, "k", text).unwrap();
    validator.check("k", &value).map_err(|error| error.to_string())
}

#[test]
fn ranges_name_the_end_that_is_passed() {
    assert_eq!(check(Validator::AtLeast(1), Int, "1"), Ok(()));
    assert_eq!(
        check(Validator::AtLeast(1), Int, "0"),
        Err("Invalid value 0 for configuration k: Value must be at least 1".to_string())
    );
    let ratio = Validator::Between(0.0, 1.0);
    assert_eq!(check(ratio, Double, "1"), Ok(()));
    assert_eq!(
        check(ratio, Double, "1.5"),
        Err("Invalid value 1.5 for configuration k: Value must be no more than 1".to_string())
    );
    assert_eq!(
        check(ratio, Double, "-1"),
        Err("Invalid value -1.0 for configuration k: Value must be at least 0".to_string())
    );
    let level = Validator::RangeOr { min: 1, max: 9, or: -1 };
    for (text, fits) in [
        ("-1", true),
        ("0", false),
        ("1", true),
        ("9", true),
        ("10", false),
        ("-2", false),
    ] {
        assert_eq!(check(level, Int, text).is_ok(), fits, "{text}");
    }
}

#[test]
fn sets_may_ignore_case() {
    let one = Validator::OneOf(&["CreateTime", "LogAppendTime"]);
    assert_eq!(check(one, Text, "CreateTime"), Ok(()));
    let error = "Invalid value createtime for configuration k: String must be one of: CreateTime, LogAppendTime";
    assert_eq!(check(one, Text, "createtime"), Err(error.to_string()));
    assert_eq!(
        check(Validator::OneOfIgnoringCase(&["UPGRADE"]), Text, "upGrade"),
        Ok(())
    );
    assert!(check(Validator::OneOfIgnoringCase(&["UPGRADE"]), Text, "up").is_err());
}

#[test]
fn lists_have_elements_of_their_own() {
    let policies = Validator::List {
        allowed: &["compact", "delete"],
        may_be_empty: true,
    };
    assert_eq!(check(policies, List, ""), Ok(()));
    assert_eq!(check(policies, List, "delete,compact"), Ok(()));
    let error = "Invalid value purge for configuration k: String must be one of: compact, delete";
    assert_eq!(check(policies, List, "delete,purge"), Err(error.to_string()));
    assert_eq!(
        check(policies, List, "delete,"),
        Err("Configuration 'k' values must not be empty.".to_string())
    );
    let some = Validator::List {
        allowed: &[],
        may_be_empty: false,
    };
    let error = "Configuration 'k' must not be empty. Valid values include: any non-empty value";
    assert_eq!(check(some, List, ""), Err(error.to_string()));
}

#[test]
fn patterns_of_single_keys() {
    for (text, fits) in [
        ("*", true),
        ("", true),
        ("0:1,1:2", true),
        ("0:1,", true),
        ("0", false),
        ("a:1", false),
        ("*,0:1", false),
        ("0:", false),
    ] {
        assert_eq!(check(Validator::ThrottledReplicas, List, text).is_ok(), fits, "{text}");
    }
    for (text, fits) in [
        ("1@h:9093", true),
        ("", true),
        ("1@[::1]:1,2@h:2", true),
        ("h:9093", false),
        ("x@h:1", false),
        ("1@h", false),
        ("1@:1", false),
    ] {
        assert_eq!(check(Validator::QuorumVoters, List, text).is_ok(), fits, "{text}");
    }
    for (text, fits) in [
        ("h:9093", true),
        ("[::1]:1", true),
        ("h", false),
        (":1", false),
        ("h:65536", false),
        ("h/x:1", false),
    ] {
        assert_eq!(check(Validator::BootstrapServers, List, text).is_ok(), fits, "{text}");
    }
    let resets = [
        ("latest", true),
        ("earliest", true),
        ("by_duration:PT1H", true),
        ("by_duration:P1DT2H3M4.5S", true),
        ("by_duration:pt0.001s", true),
        ("Latest", false),
        ("by_duration", false),
        ("by_duration:", false),
        ("by_duration:-PT1H", false),
        ("by_duration:P", false),
        ("by_duration:PT", false),
        ("by_duration:PT1", false),
        ("by_duration:PT1S2M", false),
        ("by_duration:P1H", false),
        ("by_duration:PT1.5H", false),
        ("none", false),
    ];
    for (text, fits) in resets {
        assert_eq!(check(Validator::ShareOffsetReset, Text, text).is_ok(), fits, "{text}");
    }
}
