//! The streams of a tool.

use std::fmt::Display;
use std::io::{self, BufWriter, IsTerminal as _, Read, Write};

use serde::Serialize;

use super::Failure;

/// Where a tool reads and writes: those of the process, or a test's.
pub struct Streams {
    /// Standard input.
    pub input: Box<dyn Read + Send>,
    /// Standard output.
    pub output: Box<dyn Write + Send>,
    /// Standard error.
    pub error: Box<dyn Write + Send>,
    /// Whether standard output understands colours.
    pub colour: bool,
    /// Whether somebody watches standard error, who wants to hear of progress.
    pub progress: bool,
}

impl Streams {
    /// Those of the process.
    pub fn process() -> Streams {
        let colour = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Streams {
            input: Box::new(io::stdin()),
            output: Box::new(RawStdout::new()),
            error: Box::new(io::stderr()),
            colour,
            progress: io::stderr().is_terminal(),
        }
    }
}

/// Standard output without the line buffer of `std`: what a tool writes is buffered once, in [`Out`].
struct RawStdout(Option<std::fs::File>);

impl RawStdout {
    fn new() -> RawStdout {
        use std::os::fd::AsFd as _;
        RawStdout(io::stdout().as_fd().try_clone_to_owned().ok().map(std::fs::File::from))
    }
}

impl Write for RawStdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.0 {
            Some(file) => file.write(bytes),
            None => io::stdout().write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Buffered standard output. What fails because the reader has gone ends the tool by `?`, quietly and with success.
pub struct Out {
    writer: BufWriter<Box<dyn Write + Send>>,
    json: bool,
}

/// Large enough that a console consumer is bound by its broker.
const BUFFER: usize = 64 * 1024;

impl Out {
    pub(crate) fn new(output: Box<dyn Write + Send>) -> Out {
        Out {
            writer: BufWriter::with_capacity(BUFFER, output),
            json: false,
        }
    }

    pub(crate) fn set_json(&mut self, json: bool) {
        self.json = json;
    }

    /// Whether `--json` was given.
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// One line of text.
    pub fn line(&mut self, text: impl Display) -> Result<(), Failure> {
        Ok(writeln!(self.writer, "{text}")?)
    }

    /// One line of text beside the data, which has no place among JSON.
    pub fn note(&mut self, text: impl Display) -> Result<(), Failure> {
        match self.json {
            true => Ok(()),
            false => self.line(text),
        }
    }

    /// One line of JSON: the whole answer, or one of many.
    pub fn json(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        serde_json::to_writer(&mut self.writer, value).map_err(io::Error::from)?;
        Ok(self.writer.write_all(b"\n")?)
    }

    /// A line of JSON for each of what there may be many of.
    pub fn json_lines(&mut self, values: impl IntoIterator<Item = impl Serialize>) -> Result<(), Failure> {
        values.into_iter().try_for_each(|value| self.json(&value))
    }

    /// Hands over what is buffered.
    pub fn flush(&mut self) -> Result<(), Failure> {
        Ok(self.writer.flush()?)
    }
}

/// For bytes; errors turn into a [`Failure`] by `?`.
impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

/// Standard error: unbuffered, and nobody minds when it is closed.
pub struct Messages(Box<dyn Write + Send>);

impl Messages {
    pub(crate) fn new(error: Box<dyn Write + Send>) -> Messages {
        Messages(error)
    }

    /// One line.
    pub fn line(&mut self, text: impl Display) {
        let _closed = self.0.write_all(format!("{text}\n").as_bytes());
    }
}
