//! The differences from Apache Kafka that stay, each with what a user may be told about it.

use super::pair::Row;

/// A difference that stays. `*` in a pattern stands for any text.
#[derive(Debug)]
pub(super) struct Allowed {
    /// The API's name.
    api: &'static str,
    /// The name of the case.
    case: &'static str,
    /// Where in the reply.
    path: &'static str,
    /// What Apache Kafka says there.
    theirs: &'static str,
    /// What Klamm says there.
    ours: &'static str,
    /// Why that is right, or does no harm.
    #[allow(
        dead_code,
        reason = "it is for those who read the table, and printed with a row that is not needed"
    )]
    reason: &'static str,
}

pub(super) const ALLOWED: &[Allowed] = &[
    Allowed {
        api: "ApiVersions",
        case: "*",
        path: "api_keys[*",
        theirs: "there",
        ours: "(absent)",
        reason: "what Klamm does not have yet it does not offer: docs/reference/apis.md lists it",
    },
    Allowed {
        api: "*",
        case: "*",
        path: "*error_message",
        theirs: "null",
        ours: r#""*""#,
        reason: "Klamm says why, where Apache Kafka leaves it at the code",
    },
    Allowed {
        api: "*",
        case: "*",
        path: "*error_message",
        theirs: r#""This *"#,
        ours: r#""*""#,
        reason: "a code is explained in our own words",
    },
    Allowed {
        api: "ElectLeaders",
        case: "*",
        path: "*error_message",
        theirs: r#""Leader election not needed for topic partition.""#,
        ours: r#""*""#,
        reason: "a code is explained in our own words",
    },
    Allowed {
        api: "ElectLeaders",
        case: "type 0: bad topic, byte 13 is 0*",
        path: "error_code",
        theirs: "REQUEST_TIMED_OUT",
        ours: "NONE",
        reason: "what has no time at all, as this request comes to have, is done if it can be done at once",
    },
    Allowed {
        api: "DescribeConfigs",
        case: "*",
        path: "*.documentation",
        theirs: "*",
        ours: "*",
        reason: "settings are explained in our own words",
    },
    Allowed {
        api: "Produce",
        case: "*",
        path: "*error_message",
        theirs: r#""*""#,
        ours: r#""*""#,
        reason: "what is wrong with a batch is said in our own words",
    },
    Allowed {
        api: "Produce",
        case: "*",
        path: "*error_code",
        theirs: "UNKNOWN_SERVER_ERROR",
        ours: "INVALID_RECORD",
        reason: "Apache Kafka throws while it reads damaged compressed records; producers would send them again",
    },
    Allowed {
        api: "AlterUserScramCredentials",
        case: "no password*",
        path: "*error_code",
        theirs: "UNKNOWN_SERVER_ERROR",
        ours: "UNACCEPTABLE_CREDENTIAL",
        reason: "Apache Kafka throws at an empty password",
    },
    Allowed {
        api: "DescribeUserScramCredentials",
        case: "a user (controller)",
        path: "*",
        theirs: "*",
        ours: "*",
        reason: "Apache Kafka offers it on the controllers' listener, and has nothing there that answers it",
    },
    Allowed {
        api: "DescribeTopicPartitions",
        case: "*",
        path: "*error_code",
        theirs: "UNKNOWN_SERVER_ERROR",
        ours: "INVALID_TOPIC_EXCEPTION",
        reason: "Apache Kafka throws at an empty name",
    },
    Allowed {
        api: "DescribeTopicPartitions",
        case: "*",
        path: "*topic_authorized_operations",
        theirs: "-2147483648",
        ours: "3576",
        reason: "Apache Kafka throws at an empty name",
    },
    Allowed {
        api: "Fetch",
        case: "isolation *",
        path: "*error_code",
        theirs: "UNKNOWN_SERVER_ERROR",
        ours: "INVALID_REQUEST",
        reason: "Apache Kafka throws at an unknown isolation level",
    },
    Allowed {
        api: "ListOffsets",
        case: "*",
        path: "*error_code",
        theirs: "UNKNOWN_SERVER_ERROR",
        ours: "INVALID_REQUEST",
        reason: "Apache Kafka throws at an unknown isolation level",
    },
    Allowed {
        api: "Metadata",
        case: "neither",
        path: "*error_code",
        theirs: "UNKNOWN_SERVER_ERROR",
        ours: "INVALID_REQUEST",
        reason: "Apache Kafka throws at a topic with neither name nor id",
    },
    Allowed {
        api: "Fetch",
        case: "at most -*",
        path: "*",
        theirs: "*",
        ours: "*",
        reason: "Apache Kafka throws at a negative limit; Klamm takes it for 0, with which the first batch comes",
    },
    Allowed {
        api: "ListGroups",
        case: "*",
        path: r#"groups["failed"*"#,
        theirs: "there",
        ours: "(absent)",
        reason: "Apache Kafka keeps an empty group in memory for each commit or join that was refused",
    },
    Allowed {
        api: "IncrementalAlterConfigs",
        case: "*metric.reporters=no.Such*",
        path: "*",
        theirs: "*",
        ours: "*",
        reason: "Klamm loads no classes, so that it cannot miss one",
    },
    Allowed {
        api: "IncrementalAlterConfigs",
        case: "*log.cleaner.threads=0",
        path: "*error_message",
        theirs: "\"/ by zero\"",
        ours: "*",
        reason: "the same is wrong, said in our own words",
    },
    Allowed {
        api: "IncrementalAlterConfigs",
        case: "*listeners=*",
        path: "*error_message",
        theirs: "*",
        ours: "*",
        reason: "the same is wrong, said in our own words",
    },
    Allowed {
        api: "IncrementalAlterConfigs",
        case: "*share.auto.offset.reset=never*",
        path: "*error_message",
        theirs: "*",
        ours: "*",
        reason: "the same is wrong, said once",
    },
    Allowed {
        api: "DescribeConfigs",
        case: "logger*",
        path: r#"results[8 "1"].configs[*"#,
        theirs: "there",
        ours: "(absent)",
        reason: "loggers are named after the parts of the software, which are others",
    },
    Allowed {
        api: "DescribeConfigs",
        case: "logger*",
        path: r#"results[8 "1"].configs["klamm*"#,
        theirs: "(absent)",
        ours: "there",
        reason: "loggers are named after the parts of the software, which are others",
    },
];

impl Allowed {
    pub(super) fn covers(&self, row: &Row) -> bool {
        let pairs = [
            (self.api, row.api),
            (self.case, &row.case),
            (self.path, &row.path),
            (self.theirs, &row.theirs),
            (self.ours, &row.ours),
        ];
        pairs.into_iter().all(|(pattern, text)| fits(pattern, text))
    }
}

fn fits(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, rest)) => text.strip_prefix(start).is_some_and(|left| {
            let mut ends = (0..=left.len()).filter(|at| left.is_char_boundary(*at));
            ends.any(|at| fits(rest, &left[at..]))
        }),
    }
}

#[test]
fn stars_stand_for_any_text() {
    assert!(fits("a*c", "abc") && fits("*", "") && fits("*b*", "abc") && fits("ab", "ab"));
    assert!(!fits("a*c", "abd") && !fits("ab", "abc") && !fits("b*", "abc"));
}
