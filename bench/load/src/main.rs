//! Owns the load that `cargo xtask bench` puts on a broker, and the bare loops that do a broker's least work.
//! Knows nothing of what a broker is or costs: it prints what it did and how long that took, `name=value` for each figure.
//! Entry: `main`; `klamm-load` alone prints what there is.
//! Driven by `cargo xtask bench`, as a process of its own, so that its processor time is not the broker's.
//! Tests: beside the code for what is computed; a run fails on the first wrong answer.

mod admin;
mod batches;
mod connection;
mod consume;
mod figures;
mod lanes;
mod latency;
mod limit;
mod options;
mod produce;
mod sleeper;

use options::Options;

const USAGE: &str = "usage: klamm-load LOAD --NAME VALUE...

loads, on the broker at --bootstrap HOST:PORT; --topic NAME has --partitions N, which all are to be there already
  produce      batches encoded once and sent again and again, until --bytes B of them are acknowledged:
               --connections N, each with at most --in-flight N requests, one batch each, --record-size B, --batch-size B,
               --acks 0|1|-1, --codec none|gzip|snappy|lz4|zstd
  consume      each of --readers N reads --bytes B of the topic from its beginning, over --connections N, which share the
               partitions; --partition-bytes B is the most of a partition in an answer
  latency      --rate N records of --record-size B a second from a producer to a consumer, both with a client's defaults but
               for linger.ms=0; of --seconds N after --unmeasured-seconds N
  create       --topics N of --partitions N each, one after the other; they need not be there
  ready        ends when the broker answers, or took a record for each of --partitions N of --topic NAME, and says when that was

bare loops, which serve until they are killed, or end by themselves where so said
  limit receive   --port P --dir D: receives, checks and writes what `produce` sends, and acknowledges it
  limit requests  --port P: acknowledges what `produce` sends, and does nothing else
  limit sendfile  --port P --file F: answers what `consume` asks with what comes next in the file
  limit write     --dir D --bytes B: writes blocks of 1 MiB to a file, then waits for the disk, and ends
  limit sleep     --seconds N: a thread that only sleeps, half a millisecond at a time; how late it wakes up, and the sum of
                  what was more than 5 ms late

Every load prints one line of figures, such as `bytes=1048576000 requests=1000 seconds=1.25`.";

fn main() -> std::process::ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match run(&args) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("klamm-load: {error}");
            std::process::ExitCode::FAILURE
        }
    }
}

fn run(args: &[String]) -> Result<(), String> {
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words[..] {
        ["produce", ref rest @ ..] => on_one_thread(produce::run(&Options::parse(rest)?)),
        ["consume", ref rest @ ..] => on_one_thread(consume::run(&Options::parse(rest)?)),
        ["latency", ref rest @ ..] => latency::run(&Options::parse(rest)?),
        ["create", ref rest @ ..] => on_one_thread(admin::create(&Options::parse(rest)?)),
        ["ready", ref rest @ ..] => on_one_thread(admin::ready(&Options::parse(rest)?)),
        ["limit", which, ref rest @ ..] => limit::run(which, &Options::parse(rest)?),
        _ => Err(USAGE.to_owned()),
    }
}

/// One thread serves all connections, which costs less than a thread each and leaves the rest of the machine to the broker.
fn on_one_thread(load: impl Future<Output = Result<(), String>>) -> Result<(), String> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?
        .block_on(load)
}
