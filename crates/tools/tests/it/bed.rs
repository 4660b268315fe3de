//! Runs tools and keeps what they say.

use std::ffi::OsString;
use std::io::{self, Cursor, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};

use klamm_config::ServerConfig;
use klamm_testkit::{Cluster, Proxy};
use klamm_tools::output::{Failure, Streams};
use klamm_tools::{Call, Formatting, Node, Outcome, StorageInfo};

/// What a tool said and how it ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: u8,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// A node of ours with a runtime that it lives on.
pub(crate) struct Bed {
    runtime: tokio::runtime::Runtime,
    cluster: Option<Cluster>,
    address: String,
}

impl Bed {
    pub(crate) fn start() -> Bed {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).enable_all().build().unwrap();
        let cluster = runtime.block_on(Cluster::start()).unwrap();
        Bed {
            address: cluster.bootstrap(),
            runtime,
            cluster: Some(cluster),
        }
    }

    /// Where the node keeps its files.
    pub(crate) fn data_dir(&self) -> &Path {
        self.cluster.as_ref().unwrap().data_dir()
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Something before the node that makes for trouble.
    pub(crate) fn proxy(&self) -> Proxy {
        let _inside = self.runtime.enter();
        self.cluster.as_ref().unwrap().proxy().unwrap()
    }

    /// `klamm TOOL --bootstrap-server … REST`, split at blanks.
    pub(crate) fn run(&self, line: &str) -> Ran {
        let (tool, rest) = line.split_once(' ').unwrap_or((line, ""));
        run(&format!("{tool} --bootstrap-server {} {rest}", self.address))
    }

    /// As [`Bed::run`], with success; what it printed, whatever it told.
    pub(crate) fn prints_out(&self, line: &str) -> String {
        let ran = self.run(line);
        assert_eq!(ran.code, 0, "{line}: {}", ran.err);
        ran.out
    }

    /// The same, with success and nothing on stderr; what it printed.
    pub(crate) fn prints(&self, line: &str) -> String {
        let ran = self.run(line);
        assert_eq!((ran.code, &*ran.err), (0, ""), "{line}: {}", ran.out);
        ran.out
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        let _inside = self.runtime.enter();
        drop(self.cluster.take());
    }
}

/// `klamm LINE`, split at blanks.
pub(crate) fn run(line: &str) -> Ran {
    let words: Vec<&str> = line.split_whitespace().collect();
    run_as("klamm", &words)
}

pub(crate) fn run_words(words: &[&str]) -> Ran {
    run_as("klamm", words)
}

/// With something on standard input.
pub(crate) fn run_reading(words: &[&str], input: &[u8]) -> Ran {
    let (out, err) = (Kept::default(), Kept::default());
    let (output, error) = (Box::new(out.clone()), Box::new(err.clone()));
    let code = run_streams("klamm", words, input.to_vec(), output, error, false);
    Ran {
        code,
        out: out.text(),
        err: err.text(),
    }
}

/// With somebody who watches its progress.
pub(crate) fn run_watched(words: &[&str]) -> Ran {
    let (out, err) = (Kept::default(), Kept::default());
    let (output, error) = (Box::new(out.clone()), Box::new(err.clone()));
    let code = run_streams("klamm", words, Vec::new(), output, error, true);
    Ran {
        code,
        out: out.text(),
        err: err.text(),
    }
}

/// With another name for the program.
pub(crate) fn run_as(program: &str, words: &[&str]) -> Ran {
    let (out, err) = (Kept::default(), Kept::default());
    let code = run_with(program, words, Box::new(out.clone()), Box::new(err.clone()));
    Ran {
        code,
        out: out.text(),
        err: err.text(),
    }
}

/// With a reader that has gone before anything was written; what was on stderr then.
pub(crate) fn run_into_closed_pipe(line: &str) -> Ran {
    let err = Kept::default();
    let words: Vec<&str> = line.split_whitespace().collect();
    let code = run_with("klamm", &words, Box::new(Gone), Box::new(err.clone()));
    Ran {
        code,
        out: String::new(),
        err: err.text(),
    }
}

fn run_with(program: &str, words: &[&str], output: Box<dyn Write + Send>, error: Box<dyn Write + Send>) -> u8 {
    run_streams(program, words, Vec::new(), output, error, false)
}

fn run_streams(
    program: &str,
    words: &[&str],
    input: Vec<u8>,
    output: Box<dyn Write + Send>,
    error: Box<dyn Write + Send>,
    progress: bool,
) -> u8 {
    let argv = [program].into_iter().chain(words.iter().copied()).map(OsString::from);
    let streams = Streams {
        input: Box::new(Cursor::new(input)),
        output,
        error,
        colour: false,
        progress,
    };
    klamm_tools::run_in(argv, &NoNode, streams)
}

#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Kept {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Gone;

impl Write for Gone {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The binary's part; its tests are the binary's.
struct NoNode;

impl Node for NoNode {
    fn start(&self, _: &mut Call) -> Outcome {
        Err(Failure::own("no node here"))
    }

    fn storage_info(&self, _: &ServerConfig) -> StorageInfo {
        StorageInfo {
            lines: Vec::new(),
            has_problems: false,
        }
    }

    fn format(&self, _: &ServerConfig, _: Formatting, say: &mut dyn FnMut(&str)) -> Result<(), String> {
        say("Formatting the first of two directories.");
        Err("no node here".to_owned())
    }

    fn random_uuid(&self) -> String {
        "AAAAAAAAAAAAAAAAAAAAAQ".to_owned()
    }
}

/// Ids of topics replaced by `ID`.
pub(crate) fn without_ids(text: &str) -> String {
    let lines = text.lines().map(|line| {
        let cells = line.split('\t').map(|cell| match cell.starts_with("TopicId: ") {
            true => "TopicId: ID",
            false => cell,
        });
        cells.collect::<Vec<_>>().join("\t")
    });
    lines.map(|line| line + "\n").collect()
}
