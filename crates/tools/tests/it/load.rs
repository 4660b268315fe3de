//! The programs that make load and measure it, and those that verify.

use serde_json::Value;

use crate::bed::{Bed, Ran, run};

/// `N` for every number.
fn without_numbers(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '0'..='9' if out.ends_with('N') => {}
            '.' if out.ends_with('N') => {}
            '0'..='9' => out.push('N'),
            c => out.push(c),
        }
    }
    out
}

fn json_lines(ran: &Ran) -> Vec<Value> {
    assert_eq!((ran.code, &*ran.err), (0, ""), "{}", ran.out);
    ran.out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

const TOTAL: &str = " records sent, N records/sec (N MB/sec), N ms avg latency, N ms max latency, N ms Nth, N ms Nth, N ms Nth, N ms Nth.\n";

#[test]
fn producing_is_measured() {
    let bed = Bed::start();
    let dir = tempfile::tempdir().unwrap();
    let out = bed.prints("producer-perf-test --topic perf --num-records 500 --record-size 100 --throughput -1");
    assert!(out.starts_with("500 records sent, "), "{out}");
    assert_eq!(without_numbers(&out), format!("N{TOTAL}"));
    // Kafka's tool sends the same letters.
    let first = bed.prints_out("console-consumer --topic perf --from-beginning --max-messages 1");
    assert!(first.starts_with("YQHHNEBSEPDNSEIFGAMSUJXKOLTXSPLGHDIO"), "{first}");

    let out = bed.prints(
        "producer-perf-test --topic perf --num-records 400 --record-size 10 --throughput 1000 --warmup-records 100 \
         --reporting-interval 100",
    );
    let lines: Vec<&str> = out.lines().collect();
    let warmup = "Warmup first 100 records. Steady state results will print after the complete test summary.";
    assert_eq!(lines[0], warmup);
    let windows = &lines[1..lines.len() - 2];
    assert!(!windows.is_empty(), "{out}");
    for window in windows {
        let expected = "N records sent, N records/sec (N MB/sec), N ms avg latency, N ms max latency.";
        assert_eq!(without_numbers(window), expected);
    }
    assert!(lines[lines.len() - 2].starts_with("400 records sent, "), "{out}");
    assert!(
        lines[lines.len() - 1].starts_with("300 steady state records sent, "),
        "{out}"
    );

    let payloads = dir.path().join("payloads");
    std::fs::write(&payloads, "first;second;third;").unwrap();
    let more = format!("--payload-file {} --payload-delimiter ;", payloads.display());
    let out = bed.prints(&format!(
        "producer-perf-test --topic file --num-records 20 --throughput -1 {more}"
    ));
    assert!(
        out.starts_with(&format!(
            "Reading payloads from: {}\nNumber of records read: 3\n20 records sent, ",
            payloads.display()
        )),
        "{out}"
    );
    let read = bed.prints_out("console-consumer --topic file --from-beginning --max-messages 20");
    assert!(
        read.lines().all(|line| ["first", "second", "third"].contains(&line)),
        "{read}"
    );

    bed.prints("producer-perf-test --topic rising --num-records 3 --payload-monotonic --throughput -1");
    assert_eq!(
        bed.prints_out("console-consumer --topic rising --from-beginning --max-messages 3"),
        "0\n1\n2\n"
    );
}

#[test]
fn what_was_measured_is_told_as_json() {
    let bed = Bed::start();
    let ran = bed.run(
        "producer-perf-test --topic perf --num-records 300 --record-size 100 --throughput -1 --warmup-records 100 --json \
         --print-metrics",
    );
    let lines = json_lines(&ran);
    let of: Vec<_> = lines
        .iter()
        .map(|line| (line["of"].as_str(), line["records"].as_u64()))
        .collect();
    assert_eq!(
        of,
        [(Some("total"), Some(300)), (Some("steady"), Some(200)), (None, None)]
    );
    assert_eq!(lines[0]["latency_percentiles_ms"].as_array().unwrap().len(), 4);
    assert_eq!(lines[2]["metrics"]["record-send-total"], 300);

    let ran = bed.run("consumer-perf-test --topic perf --num-records 300 --json --print-metrics");
    let lines = json_lines(&ran);
    assert_eq!(lines[0]["records"], 300);
    assert!(
        (lines[0]["mb"].as_f64().unwrap() - 30_000.0 / 1_048_576.0).abs() < 1e-9,
        "{lines:?}"
    );
    assert_eq!(lines[1]["metrics"]["bytes-consumed-total"], 30_000);

    let ran = bed.run("e2e-latency --topic perf --num-records 3 --producer-acks 1 --record-size 10 --json");
    let lines = json_lines(&ran);
    assert_eq!((&lines[0]["record"], &lines[1]["records"]), (&0.into(), &3.into()));
}

#[test]
fn a_property_that_is_none_does_not_show_its_value() {
    let ran = run(
        "producer-perf-test --topic perf --num-records 1 --record-size 1 --throughput -1 --command-property \
         sasl.jaas.config=x=hunter2",
    );
    assert_eq!(
        (ran.code, &*ran.err),
        (
            1,
            "error: Invalid property: sasl.jaas.config=…\n  hint: properties are `key=value`\n"
        )
    );
}

#[test]
fn consuming_is_measured() {
    let bed = Bed::start();
    bed.prints("producer-perf-test --topic perf --num-records 500 --record-size 100 --throughput -1");
    let columns = "data.consumed.in.MB, MB.sec, data.consumed.in.nMsg, nMsg.sec, rebalance.time.ms, fetch.time.ms, fetch.MB.sec, fetch.nMsg.sec";
    let out = bed.prints("consumer-perf-test --topic perf --num-records 500");
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines[0], format!("start.time, end.time, {columns}"));
    let cells: Vec<&str> = lines[1].split(", ").collect();
    assert_eq!((cells.len(), cells[2], cells[4]), (10, "0.0477", "500"), "{out}");

    let out =
        bed.prints("consumer-perf-test --include per. --messages 500 --show-detailed-stats --reporting-interval 1");
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(
        lines[0],
        "Warning: --messages is deprecated. Use --num-records instead."
    );
    assert_eq!(lines[1], format!("time, threadId, {columns}"));
    assert!(
        lines.len() > 2 && lines[2..].iter().all(|line| line.split(", ").count() == 10),
        "{out}"
    );

    let out =
        bed.prints("consumer-perf-test --topic perf --num-records 501 --timeout 500 --hide-header --date-format yyyy");
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(
        lines[0],
        "WARNING: Exiting before consuming the expected number of records: timeout (500 ms) exceeded. You can use the --timeout \
         option to increase the timeout."
    );
    let cells: Vec<&str> = lines[1].split(", ").collect();
    assert_eq!((cells[0].len(), cells[4]), (4, "500"), "{out}");
    let ran = bed.run("consumer-perf-test --topic perf --num-records 501 --timeout 500 --json");
    let total: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((ran.code, &total["records"]), (0, &500.into()));
    assert!(ran.err.starts_with("WARNING: Exiting before consuming "), "{}", ran.err);
}

#[test]
fn latency_is_measured_with_old_arguments_and_new() {
    let bed = Bed::start();
    let out = bed.prints(
        "e2e-latency --topic lat --num-records 1001 --producer-acks all --record-size 10 --record-key-size 3 --num-headers 2 \
         --record-header-key-size 4 --record-header-size -1",
    );
    let lines: Vec<&str> = out.lines().collect();
    let made = "Topic \"lat\" does not exist. Will create topic with 1 partition(s) and replication factor = 1";
    assert_eq!(lines[0], made);
    assert!(lines[1].starts_with("0\t") && lines[2].starts_with("1000\t"), "{out}");
    assert_eq!(without_numbers(lines[3]), "Avg latency: N ms");
    assert_eq!(without_numbers(lines[4]), "Percentiles: Nth = N, Nth = N, Nth = N");
    let shown = "--formatter-property print.key=true --formatter-property print.headers=true";
    let first = bed.prints_out(&format!(
        "console-consumer --topic lat --from-beginning --max-messages 1 {shown}"
    ));
    assert_eq!(first, "AAAA:null,AAAA:null\tAAA\tAAAAAAAAAA\n");

    let ran = run(&format!("e2e-latency {} lat 2 1 100", bed.address()));
    assert_eq!((ran.code, &*ran.err), (0, ""));
    assert!(
        ran.out
            .starts_with("WARNING: Positional argument usage is deprecated and will be removed"),
        "{}",
        ran.out
    );
    let ran = run(&format!("e2e-latency {} lat 2", bed.address()));
    assert_eq!(ran.code, 1);
    assert!(
        ran.err
            .starts_with("Invalid number of arguments. Expected 5 or 6 positional arguments, but got 3. Usage: "),
        "{}",
        ran.err
    );
    for (more, message) in [
        (
            "--num-records 0 --producer-acks 1 --record-size 1",
            "Value for --num-records must be a positive integer.",
        ),
        (
            "--num-records 1 --producer-acks 1 --record-size -1",
            "Value for --record-size must be a non-negative integer.",
        ),
        (
            "--num-records 1 --producer-acks 1 --record-size 1 --record-header-size -2",
            "Value for --record-header-size must be a non-negative integer or -1 for null header value.",
        ),
        (
            "--num-records 1 --producer-acks 0 --record-size 1",
            "Invalid value for --producer-acks. Latency testing requires synchronous acknowledgement. Please use '1' or 'all'.",
        ),
    ] {
        let ran = bed.run(&format!("e2e-latency --topic lat {more}"));
        assert_eq!(ran.code, 1, "{more}");
        assert!(ran.err.starts_with(message), "{more}: {}", ran.err);
    }
}

/// The events of a verifiable program, each without its time.
fn events(ran: &Ran) -> Vec<Value> {
    let mut events = json_lines(ran);
    for event in &mut events {
        assert!(event.as_object_mut().unwrap().remove("timestamp").unwrap().as_i64() > Some(1_700_000_000_000));
    }
    events
}

fn expected(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn what_became_of_each_number_is_told() {
    let bed = Bed::start();
    let more = "--repeating-keys 2 --value-prefix 7 --message-create-time 1700000000000";
    let told = events(&bed.run(&format!("verifiable-producer --topic v --max-messages 3 {more}")));
    assert_eq!(told[0], expected(r#"{"name":"startup_complete"}"#));
    for (n, event) in told[1..4].iter().enumerate() {
        let success = format!(
            r#"{{"name":"producer_send_success","key":"{}","value":"7.{n}","offset":{n},"topic":"v","partition":0}}"#,
            n % 2
        );
        assert_eq!(*event, expected(&success));
    }
    assert_eq!(told[4], expected(r#"{"name":"shutdown_complete"}"#));
    let mut data = told[5].clone();
    assert!(data.as_object_mut().unwrap().remove("avg_throughput").unwrap().as_f64() > Some(0.0));
    assert_eq!(
        data,
        expected(r#"{"name":"tool_data","sent":3,"acked":3,"target_throughput":-1}"#)
    );
    let line = "console-consumer --topic v --from-beginning --max-messages 1 --formatter-property print.timestamp=true";
    assert!(bed.prints_out(line).starts_with("CreateTime:17000000000"));

    bed.prints("topics --create --topic tiny --config max.message.bytes=1");
    let told = events(&bed.run("verifiable-producer --topic tiny --max-messages 1"));
    let mut failed = told[1].clone();
    assert!(failed.as_object_mut().unwrap().remove("message").unwrap().is_string());
    assert_eq!(
        failed,
        expected(
            r#"{"name":"producer_send_error","key":null,"value":"0","topic":"tiny",
                "exception":"class org.apache.kafka.common.errors.RecordTooLargeException"}"#
        )
    );
    assert_eq!((&told[3]["sent"], &told[3]["acked"]), (&1.into(), &0.into()));
}

#[test]
fn what_was_read_and_committed_is_told() {
    let bed = Bed::start();
    bed.run("verifiable-producer --topic v --max-messages 5");
    let told = events(&bed.run("verifiable-consumer --topic v --group-id g --max-messages 3 --verbose"));
    let expected_events = [
        r#"{"name":"startup_complete"}"#,
        r#"{"name":"partitions_assigned","partitions":[{"topic":"v","partition":0}]}"#,
        r#"{"name":"record_data","key":null,"value":"0","topic":"v","partition":0,"offset":0}"#,
        r#"{"name":"record_data","key":null,"value":"1","topic":"v","partition":0,"offset":1}"#,
        r#"{"name":"record_data","key":null,"value":"2","topic":"v","partition":0,"offset":2}"#,
        r#"{"name":"records_consumed","count":5,"partitions":[{"topic":"v","partition":0,"count":3,"minOffset":0,"maxOffset":2}]}"#,
        r#"{"name":"offsets_committed","offsets":[{"topic":"v","partition":0,"offset":3}],"success":true}"#,
        r#"{"name":"partitions_revoked","partitions":[{"topic":"v","partition":0}]}"#,
        r#"{"name":"shutdown_complete"}"#,
        r#"{"name":"shutdown_requested"}"#,
    ];
    assert_eq!(told, expected_events.map(expected));
    // The next member goes on after the commit.
    let told = events(&bed.run("verifiable-consumer --topic v --group-id g --max-messages 2"));
    assert_eq!(told[2]["partitions"][0]["minOffset"], 3);
    let ran = bed.run("verifiable-consumer --topic v --group-id h --max-messages 1 --reset-policy sometimes");
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.err.contains("auto.offset.reset"), "{ran:?}");
    let none = bed.run("verifiable-consumer --topic v --group-id h --max-messages 1 --reset-policy none");
    assert_eq!(none.code, 0, "as Kafka's: {none:?}");
    assert!(
        none.err
            .starts_with("ERROR Error during processing, terminating consumer process: "),
        "{none:?}"
    );
}
