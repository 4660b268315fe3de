//! `produce` and `consume`: kcat's manners.

use std::fs;

use klamm_client::{Producer, Record};
use klamm_protocol::ErrorCode;
use klamm_protocol::messages::ProduceRequest;

use crate::bed::{Bed, Ran, run, run_into_closed_pipe, run_reading, run_watched, run_words};

/// With a topic of so many partitions.
fn bed(topic: &str, partitions: u32) -> Bed {
    let bed = Bed::start();
    bed.prints(&format!("topics --create --topic {topic} --partitions {partitions}"));
    bed
}

fn words<'a>(bed: &'a Bed, line: &'a str) -> Vec<&'a str> {
    let mut words: Vec<&str> = line.split_whitespace().collect();
    words.splice(1..1, ["-b", bed.address()]);
    words
}

/// `klamm produce -b … REST` with this on standard input.
fn produce(bed: &Bed, line: &str, input: &str) -> Ran {
    run_reading(&words(bed, &format!("produce {line}")), input.as_bytes())
}

fn produced(bed: &Bed, line: &str, input: &str) {
    let ran = produce(bed, line, input);
    assert_eq!((ran.code, &*ran.out, &*ran.err), (0, "", ""), "{line}");
}

/// What `klamm consume -b … REST` prints.
fn consumed(bed: &Bed, line: &str) -> String {
    consumed_as(bed, line, &[])
}

/// With words that hold blanks.
fn consumed_as(bed: &Bed, line: &str, more: &[&str]) -> String {
    let line = format!("consume {line}");
    let mut words = words(bed, &line);
    words.extend(more);
    let ran = run_words(&words);
    assert_eq!((ran.code, &*ran.err), (0, ""), "{line}: {}", ran.out);
    ran.out
}

/// Five records at five times in partition 0: the keys and values that there are.
fn fill(bed: &Bed, topic: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let producer = Producer::builder(bed.address()).build().await.unwrap();
        let record = |millis: i64| Record::to(topic).partition(0).timestamp(1_700_000_000_000 + millis);
        for record in [
            record(0)
                .key("a")
                .value("1")
                .header("h1", "v1")
                .header("h2", "")
                .null_header("h3"),
            record(1000).key("b").value("2").header("h1", "v2"),
            record(2000).value("3"),
            record(3000).key("k"),
            record(4000).key("").value(""),
        ] {
            producer.send(record).await.unwrap();
        }
        producer.close().await.unwrap();
    });
}

#[test]
fn formats_print_what_kcat_prints() {
    let bed = bed("t", 1);
    fill(&bed, "t");
    let all = ["-f", "[%t|%p|%o|%k|%s|%S|%K|%h|%T|%%]\\x41\\n"];
    assert_eq!(
        consumed_as(&bed, "t -e", &all),
        "[t|0|0|a|1|1|1|h1=v1,h2=,h3=NULL|1700000000000|%]A\n\
         [t|0|1|b|2|1|1|h1=v2|1700000001000|%]A\n\
         [t|0|2||3|1|-1||1700000002000|%]A\n\
         [t|0|3|k||-1|1||1700000003000|%]A\n\
         [t|0|4|||0|0||1700000004000|%]A\n"
    );
    assert_eq!(consumed(&bed, "t -e -Z -f %k=%s;"), "a=1;b=2;NULL=3;k=NULL;=;");
    assert_eq!(consumed(&bed, "t -e -c 2 -f %R%s\\0"), "\0\0\0\x011\0\0\0\0\x012\0");
    assert_eq!(consumed(&bed, "t -e"), "1\n2\n3\n\n\n");
    assert_eq!(consumed(&bed, "t -e -K :"), "a:1\nb:2\n:3\nk:\n:\n");
    assert_eq!(consumed(&bed, "t -e -O -K : -D ;"), "0:a:1;1:b:2;2::3;3:k:;4::;");
    assert_eq!(consumed(&bed, "t -e -O -c 1"), "0\t1\n");
    assert_eq!(consumed(&bed, "t -e -u -c 1 -D |"), "1|");
}

#[test]
fn offsets_say_where_to_begin_and_end() {
    let bed = bed("t", 2);
    fill(&bed, "t");
    let values = |offset: &str| consumed(&bed, &format!("t -e -f %o, {offset}"));
    for (offset, expected) in [
        ("", "0,1,2,3,4,"),
        ("-o start", "0,1,2,3,4,"),
        ("-o beginning", "0,1,2,3,4,"),
        ("-o end", ""),
        ("-o 3", "3,4,"),
        ("-o +1", "1,2,3,4,"),
        ("-o -2", "3,4,"),
        ("-o -2:end", "3,4,"),
        ("-o -99", "0,1,2,3,4,"),
        ("-o 99", ""),
        ("-o 1:3", "1,2,"),
        ("-o :2", "0,1,"),
        ("-o 2:", "2,3,4,"),
        ("-o -4:-2", "1,2,"),
        ("-o @1700000001", "1,2,3,4,"),
        ("-o @1700000000500", "1,2,3,4,"),
        ("-o @1700000001:1700000003", "1,2,"),
        ("-o @2023-11-14T22:13:21Z:2023-11-14T22:13:23Z", "1,2,"),
        ("-o s@1700000002000", "2,3,4,"),
        ("-o s@1700000001000 -o e@1700000002000", "1,"),
        ("-o e@1700000002000", "0,1,"),
        ("-o @2026-01-01", ""),
        ("-p 0 -o 4", "4,"),
        ("-p 1", ""),
        ("-p 0,1 -o 4", "4,"),
    ] {
        assert_eq!(values(offset), expected, "{offset}");
    }
    // A range ends by itself.
    assert_eq!(consumed(&bed, "t -p 0 -o 1:3 -f %o,"), "1,2,");
    assert_eq!(consumed(&bed, "t -o :end -f %o,"), "0,1,2,3,4,");
    assert_eq!(consumed(&bed, "t -o @:1700000002 -f %o,"), "0,1,");
}

#[test]
fn it_follows_what_comes_and_counts() {
    let bed = bed("t", 1);
    produced(&bed, "t", "one\ntwo\n");
    let address = bed.address().to_owned();
    let following = std::thread::spawn(move || run(&format!("consume -b {address} t -c 4 -f %o=%s,")));
    produced(&bed, "t", "three\nfour\nfive\n");
    let ran = following.join().unwrap();
    assert_eq!((ran.code, &*ran.out, &*ran.err), (0, "0=one,1=two,2=three,3=four,", ""));
}

#[test]
fn filters_choose_by_key_value_and_headers() {
    let bed = bed("t", 1);
    fill(&bed, "t");
    for (filter, expected) in [
        ("-k a", "0,"),
        ("-k ?", "0,1,3,"),
        ("-k /^[ab]$/", "0,1,"),
        ("-k *", "0,1,3,4,"),
        ("-H h1", "0,1,"),
        ("-H h1=v1", "0,"),
        ("-H h1=v* -k b", "1,"),
        ("-H h3", "0,"),
        ("-H h3=*", ""),
        ("-H h1 -H h2", "0,"),
        ("--value /[23]/", "1,2,"),
        ("--value 1 -H h1=v2", ""),
    ] {
        assert_eq!(consumed(&bed, &format!("t -e -f %o, {filter}")), expected, "{filter}");
    }
    assert_eq!(consumed(&bed, "t -k b -c 1 -f %o"), "1", "only what is shown counts");
}

#[test]
fn lines_have_keys_headers_and_nulls() {
    let bed = bed("t", 1);
    produced(&bed, "t -K : -Z -H h1=v1 -H h2= -H h3", "a:1\nb:2:3\n:4\nk:\nplain\n");
    produced(&bed, "t -D ; -K=-- -k fixed -p 0", "own--x\ny;--z;w");
    assert_eq!(
        consumed(&bed, "t -e -Z -f %k=%s,%h|"),
        "a=1,h1=v1,h2=,h3=NULL|b=2:3,h1=v1,h2=,h3=NULL|NULL=4,h1=v1,h2=,h3=NULL|k=NULL,h1=v1,h2=,h3=NULL|\
         NULL=plain,h1=v1,h2=,h3=NULL|own=x\ny,|=z,|fixed=w,|"
    );
    produced(&bed, "t -k gone -Z -c 1", "\nignored\n");
    assert_eq!(consumed(&bed, "t -o 8 -e -Z -f %k=%s"), "gone=NULL");
    let tee = produce(&bed, "-t t -T -D \\0", "a\nb\0c");
    assert_eq!((tee.code, &*tee.out), (0, "a\nb\0c\0"));
}

#[test]
fn files_are_records_or_lines() {
    let bed = bed("t", 1);
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (dir.path().join("one"), dir.path().join("two"));
    fs::write(&one, "a\nb\n").unwrap();
    fs::write(&two, [0, 0xff]).unwrap();
    let files = format!("{} {}", one.display(), two.display());
    produced(&bed, &format!("t -k file {files}"), "not read");
    produced(&bed, &format!("-t t -l {}", one.display()), "");
    let lines = consumed(&bed, "t -e -J");
    let values: Vec<serde_json::Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(
        (&values[0]["payload"], &values[0]["key"]),
        (&"a\nb\n".into(), &"file".into())
    );
    assert_eq!(values[1]["payload_base64"], "AP8=");
    assert_eq!(
        (&values[2]["payload"], &values[3]["payload"]),
        (&"a".into(), &"b".into())
    );

    let ran = produce(&bed, &format!("t {} /no/such", one.display()), "");
    assert_eq!(ran.code, 1);
    assert!(ran.err.starts_with("error: can't read `/no/such`: "), "{}", ran.err);
    assert!(ran.err.ends_with("  hint: nothing was produced\n"), "{}", ran.err);
    assert_eq!(consumed(&bed, "t -e -o 4"), "", "nothing half done");
}

#[test]
fn a_file_that_is_too_large_is_not_read_whole() {
    let bed = bed("t", 1);
    let dir = tempfile::tempdir().unwrap();
    let (small, large) = (dir.path().join("small"), dir.path().join("large"));
    fs::write(&small, "a").unwrap();
    // It has no end that memory has room for.
    fs::File::create(&large).unwrap().set_len(1 << 40).unwrap();
    let ran = produce(&bed, &format!("t {} {}", small.display(), large.display()), "");
    assert_eq!((ran.code, &*ran.out), (1, ""));
    assert_eq!(
        ran.err,
        format!(
            "error: the record takes more than the 1048576 bytes of max.request.size\n  from: `{}`\n  \
             hint: `-X max.request.size=BYTES` allows more; so must the topic; 1 record was delivered before it\n",
            large.display()
        )
    );
    fs::File::options()
        .write(true)
        .open(&large)
        .unwrap()
        .set_len(401)
        .unwrap();
    for (limit, code) in [(400, 1), (1000, 0)] {
        let ran = produce(&bed, &format!("t -X max.request.size={limit} {}", large.display()), "");
        assert_eq!(ran.code, code, "{}", ran.err);
    }
}

#[test]
fn progress_is_told_to_those_who_watch() {
    let bed = bed("t", 2);
    produced(&bed, "t -p 1", "x\n");
    let line = words(&bed, "consume t -e");
    let ran = run_watched(&line);
    assert_eq!((ran.code, &*ran.out), (0, "x\n"));
    let mut said: Vec<&str> = ran.err.lines().collect();
    said.sort_unstable();
    assert_eq!(said, ["% reached the end of t-0", "% reached the end of t-1"]);
    let ran = run_watched(&words(&bed, "consume t -e -q"));
    assert_eq!((ran.code, &*ran.out, &*ran.err), (0, "x\n", ""));
    let ran = run_watched(&words(&bed, "consume t -G g -c 1"));
    assert_eq!((ran.code, &*ran.out), (0, "x\n"));
    assert!(ran.err.starts_with("% the group assigned t-0, t-1\n"), "{}", ran.err);
}

#[test]
fn a_setting_that_is_none_does_not_show_its_value() {
    let ran = run_words(&["consume", "t", "-X", "sasl.jass.config=hunter2=x"]);
    assert_eq!(ran.code, 2);
    assert!(
        ran.err
            .contains("  from: `-X sasl.jass.config=…` on the command line\n"),
        "{}",
        ran.err
    );
    assert!(!ran.err.contains("hunter2"), "{}", ran.err);
}

#[test]
fn a_time_that_is_none_is_told() {
    for time in ["@2026-11-21T14:30:00+1é2", "@2026-11-21T14:30:00+éé"] {
        let ran = run_words(&["consume", "orders", "-o", time]);
        assert_eq!((ran.code, &*ran.out), (2, ""), "{}", ran.err);
        assert!(ran.err.starts_with("error: `--offset @2026"), "{}", ran.err);
    }
}

#[test]
fn json_goes_out_and_comes_in_as_it_was() {
    let bed = bed("t", 1);
    bed.prints("topics --create --topic copy --partitions 1");
    fill(&bed, "t");
    produced(&bed, "t -D ; -H b=x -z zstd", "last;");
    let lines = consumed(&bed, "t -e -J");
    assert_eq!(
        lines.lines().next().unwrap(),
        "{\"topic\":\"t\",\"partition\":0,\"offset\":0,\"tstype\":\"create\",\"ts\":1700000000000,\
         \"headers\":[\"h1\",\"v1\",\"h2\",\"\",\"h3\",null],\"key\":\"a\",\"payload\":\"1\"}"
    );
    assert_eq!(consumed(&bed, "t -e --json"), lines, "--json is the same");
    produced(&bed, "copy -J", &lines);
    assert_eq!(consumed(&bed, "copy -e -J").replace("\"copy\"", "\"t\""), lines);
    produced(&bed, "-J", &lines);
    assert_eq!(
        consumed(&bed, "t -e -o 6 -f %T,%k=%s;"),
        consumed(&bed, "t -e -c 6 -f %T,%k=%s;")
    );

    let console = bed.prints_out("console-consumer --topic t --from-beginning --max-messages 6 --json");
    produced(&bed, "copy -J", &console);
    assert_eq!(
        consumed(&bed, "copy -e -o 6 -f %T,%h,%k=%s;"),
        consumed(&bed, "copy -e -o :6 -f %T,%h,%k=%s;")
    );
    produced(
        &bed,
        "copy -J -k k -H x=y",
        "{\"payload\":{\"a\":[1,2]}}\n\n  {\"key\":null,\"headers\":{\"h\":1}}\n",
    );
    assert_eq!(
        consumed(&bed, "copy -e -o 12 -Z -f %k=%s,%h;"),
        "k={\"a\":[1,2]},x=y;k=NULL,h=1,x=y;"
    );
}

#[test]
fn a_topic_comes_into_being_by_producing() {
    let bed = Bed::start();
    produced(&bed, "fresh", "1\n");
    produced(&bed, "-J", "{\"topic\":\"fresher\",\"payload\":\"2\"}");
    assert_eq!(consumed(&bed, "fresh -e"), "1\n");
    assert_eq!(consumed(&bed, "fresher -e"), "2\n");
    let ran = produce(&bed, "no/topic", "1\n");
    assert_eq!((ran.code, &*ran.out), (1, ""));
    assert!(ran.err.starts_with("error: topic `no/topic`: "), "{}", ran.err);
}

#[test]
fn partitions_partitioners_and_settings() {
    let bed = bed("t", 3);
    produced(
        &bed,
        "t -p 2 -X acks=1 -X topic.request.required.acks=all -X linger.ms=0",
        "x\n",
    );
    assert_eq!(consumed(&bed, "t -e -f %p"), "2");
    produced(&bed, "t -p -1 -K : --partitioner round_robin", "a:1\na:2\na:3\n");
    let mut partitions: Vec<char> = consumed(&bed, "t -e --value ? -k a -f %p").chars().collect();
    partitions.sort_unstable();
    assert_eq!(partitions, ['0', '1', '2']);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("client.properties");
    fs::write(
        &file,
        format!("bootstrap.servers={}\nauto.offset.reset=smallest\n", bed.address()),
    )
    .unwrap();
    let ran = run(&format!("consume -F {} t -p 2 -c 1", file.display()));
    assert_eq!((ran.code, &*ran.out), (0, "x\n"), "{}", ran.err);
    let ran = produce(&bed, "t --json -p 1", "1\n2\n");
    assert_eq!(
        (ran.code, &*ran.out),
        (0, "{\"delivered\":2,\"failed\":0,\"unknown\":0}\n"),
        "{}",
        ran.err
    );
}

#[test]
fn members_of_a_group_go_on_where_it_is() {
    let bed = bed("t", 2);
    bed.prints("topics --create --topic t2 --partitions 1");
    produced(&bed, "t -p 0", "1\n2\n3\n");
    produced(&bed, "t -p 1", "4\n5\n");
    let mut seen: Vec<String> = Vec::new();
    for count in [2, 1, 2] {
        let out = consumed(&bed, &format!("-G g -c {count} t"));
        assert_eq!(out.lines().count(), count, "{out}");
        seen.extend(out.lines().map(str::to_owned));
    }
    seen.sort_unstable();
    assert_eq!(seen, ["1", "2", "3", "4", "5"], "what was not shown is not committed");
    assert_eq!(consumed(&bed, "-G g -e t"), "");
    produced(&bed, "t2", "6\n");
    assert_eq!(consumed(&bed, "-G g -e ^t t2 -f %t=%s"), "t2=6");
    assert_eq!(consumed(&bed, "-o stored -X group.id=g -e t -p 0 t"), "", "by hand");
    assert_eq!(consumed(&bed, "-G g2 -o end -e t"), "");
}

#[test]
fn several_topics_and_patterns() {
    let bed = bed("orders-1", 1);
    bed.prints("topics --create --topic orders-2");
    bed.prints("topics --create --topic other");
    for topic in ["orders-1", "orders-2", "other"] {
        produced(&bed, topic, &format!("{topic}\n"));
    }
    let sorted = |line: &str| {
        let mut lines: Vec<String> = consumed(&bed, line).lines().map(str::to_owned).collect();
        lines.sort_unstable();
        lines.join(" ")
    };
    assert_eq!(sorted("^orders -e"), "orders-1 orders-2");
    assert_eq!(sorted("^o.*r$ -e"), "other");
    assert_eq!(sorted("orders-1 -t other -e"), "orders-1 other");
}

#[test]
fn new_partitions_are_followed() {
    let bed = bed("t", 1);
    produced(&bed, "t", "1\n");
    let address = bed.address().to_owned();
    let following = std::thread::spawn(move || run(&format!("consume -b {address} t -c 2 -X metadata.max.age.ms=100")));
    bed.prints("topics --alter --topic t --partitions 2");
    produced(&bed, "t -p 1", "2\n");
    assert_eq!(following.join().unwrap().out, "1\n2\n");
}

#[test]
fn what_can_not_be_is_told_with_a_hint() {
    let bed = bed("t", 1);
    for (line, code, said, hint) in [
        ("consume", 2, "no topic is named", "`klamm consume orders`"),
        ("produce", 2, "no topic is named", "`klamm produce orders`"),
        (
            "consume nope -e",
            1,
            "topic `nope` does not exist",
            "`klamm topics --list`",
        ),
        ("consume ^nope -e", 1, "no topic matches", "`klamm topics --list`"),
        ("consume ^( -e", 2, "`^(` is no regular expression", ""),
        (
            "consume t -p 1",
            1,
            "topic `t` has no partition 1",
            "it has partition 0 only",
        ),
        (
            "produce t -p 7",
            1,
            "topic `t` has no partition 7",
            "it has partition 0 only",
        ),
        ("produce t -p -2", 2, "`--partition -2` is no partition", "-1 leaves"),
        ("consume t -p x", 2, "`--partition`: `x` is no partition", ""),
        (
            "consume t -f %q",
            2,
            "`--format %q`: `%q` stands for nothing",
            "%s value",
        ),
        (
            "consume t -D \\q",
            2,
            "`--delimiter \\q`: `\\q` is no escape",
            "escapes are",
        ),
        (
            "consume t -o soon",
            2,
            "`--offset soon`: `soon` is no offset",
            "`start`, `end`",
        ),
        (
            "consume t -o 1 -o 2",
            2,
            "`--offset 2`: it is given twice",
            "`start`, `end`",
        ),
        ("consume t -o stored", 2, "`-o stored`: no group is named", "`-G GROUP`"),
        (
            "consume t -G g -o 5",
            2,
            "`--offset` with `--group` can only be",
            "a group begins",
        ),
        (
            "consume t -G g -p 0",
            2,
            "`--partition` can't be used with `--group`",
            "",
        ),
        ("consume t -c -1", 2, "`--count` can't be negative", ""),
        ("consume t -k /(/", 2, "`--key /(/`: ", ""),
        ("consume t -X acks", 2, "`-X acks` is no `NAME=VALUE`", "for example"),
        (
            "consume t -X sasl.password:hunter2",
            2,
            "`-X sasl.password` is no `NAME=VALUE`",
            "for example",
        ),
        (
            "consume t -X akcs=1",
            2,
            "`akcs` is no setting of a client",
            "names are those",
        ),
        (
            "consume t -X fetch.min.bytes=x",
            2,
            "invalid value x for fetch.min.bytes",
            "",
        ),
        ("produce t -X acks=7", 2, "invalid value 7 for acks", ""),
        ("produce t -z brotli", 2, "`--compression`: `brotli` is none of", ""),
        (
            "produce t -J -K :",
            2,
            "`--key-delimiter` can't be used with `--json-lines`",
            "",
        ),
        ("consume t --nonsense", 2, "unexpected option `--nonsense`", ""),
        ("consume t -F /no/such", 1, "/no/such: ", ""),
    ] {
        let ran = run_words(&words(&bed, line));
        assert_eq!((ran.code, &*ran.out), (code, ""), "{line}: {}", ran.err);
        assert!(ran.err.starts_with(&format!("error: {said}")), "{line}: {}", ran.err);
        assert!(
            ran.err.contains(&format!("hint: {hint}")) || hint.is_empty(),
            "{line}: {}",
            ran.err
        );
        let lines = ran.err.lines().skip(1);
        assert!(lines.clone().count() <= 2, "{line}: {}", ran.err);
        for line in lines {
            assert!(line.starts_with("  hint: ") || line.starts_with("  from: "), "{line}");
        }
    }
}

#[test]
fn a_record_that_fails_ends_it_and_the_rest_is_counted() {
    let bed = bed("t", 1);
    let ran = produce(
        &bed,
        "t -J",
        "{\"payload\":\"1\"}\n{\"payload\":\"2\"}\n{payload}\n{\"payload\":\"4\"}\n",
    );
    assert_eq!((ran.code, &*ran.out), (1, ""));
    let lines: Vec<&str> = ran.err.lines().collect();
    assert!(
        lines[0].starts_with("error: a line is no record in JSON: "),
        "{}",
        ran.err
    );
    assert_eq!(
        lines[1..],
        [
            "  from: standard input, record 3",
            "  hint: 2 records were delivered before it"
        ]
    );
    assert_eq!(consumed(&bed, "t -e"), "1\n2\n");

    let ran = produce(
        &bed,
        "t -X max.request.size=200 -X linger.ms=0",
        &format!("fits\n{}\n", "x".repeat(400)),
    );
    assert_eq!(ran.code, 1);
    assert!(ran.err.starts_with("error: the record takes up to "), "{}", ran.err);
    assert!(ran.err.contains("  from: standard input, record 2\n"), "{}", ran.err);
    assert!(
        ran.err.contains("`-X max.request.size=BYTES` allows more")
            && ran.err.ends_with("; 1 record was delivered before it\n"),
        "{}",
        ran.err
    );
    let ran = produce(&bed, "-J", "{\"payload\":\"1\"}");
    assert!(ran.err.contains("it names no `topic`"), "{}", ran.err);
    assert!(ran.err.ends_with("; nothing was delivered\n"), "{}", ran.err);
    let ran = produce(&bed, "-J", "{\"topic\":\"t\",\"partition\":3}");
    assert!(
        ran.err.starts_with("error: topic `t` has no partition 3\n"),
        "{}",
        ran.err
    );
}

#[test]
fn what_the_broker_refuses_is_told() {
    let bed = bed("t", 1);
    let proxy = bed.proxy();
    let fault = proxy.on::<ProduceRequest>().fail(ErrorCode::TOPIC_AUTHORIZATION_FAILED);
    let ran = run_reading(&["produce", "-b", proxy.bootstrap(), "t"], b"1\n2\n");
    assert_eq!((ran.code, &*ran.out), (1, ""));
    assert!(ran.err.starts_with("error: topic `t`: "), "{}", ran.err);
    assert!(
        ran.err
            .ends_with("  hint: nothing was delivered; what had not been read was left\n"),
        "{}",
        ran.err
    );
    assert!(fault.hits() > 0);
}

#[test]
fn brokers_that_are_not_there_are_told_soon() {
    for line in [
        "consume -b 127.0.0.1:1 t -m 1",
        "produce -b 127.0.0.1:1 t -m 1",
        "consume -b 127.0.0.1:1 -G g t -m 1",
    ] {
        let ran = run(line);
        assert_eq!((ran.code, &*ran.out), (1, ""), "{line}");
        assert!(
            ran.err.starts_with("error: no broker answers at `127.0.0.1:1`: "),
            "{line}: {}",
            ran.err
        );
        assert!(ran.err.contains("  hint: does one run there"), "{line}: {}", ran.err);
    }
    let json = run("consume -b 127.0.0.1:1 t -m 1 --json");
    let error: serde_json::Value = serde_json::from_str(&json.err).unwrap();
    assert!(
        error["error"].as_str().unwrap().starts_with("no broker answers"),
        "{error}"
    );
}

#[test]
fn a_reader_that_goes_ends_it_quietly() {
    let bed = bed("t", 1);
    fill(&bed, "t");
    for line in ["consume -b {} t", "consume -b {} t -J", "consume -b {} -G g t"] {
        let ran = run_into_closed_pipe(&line.replace("{}", bed.address()));
        assert_eq!((ran.code, &*ran.err), (0, ""), "{line}");
    }
}
