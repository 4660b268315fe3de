//! Standard input in large blocks, cut into lines or other pieces without copying them.

use std::io::Read;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use crate::output::Failure;

/// Bytes that are read at once: what a pipe holds.
const BLOCK: usize = 64 * 1024;

/// Blocks that are read ahead.
const AHEAD: usize = 4;

/// A piece of input beyond this is no text any more.
const MAX_PIECE: usize = 256 << 20;

/// Input that is read on a thread of its own, so that a signal is heard while nothing comes.
pub(crate) struct Input {
    blocks: Receiver<std::io::Result<Vec<u8>>>,
    used: SyncSender<Vec<u8>>,
}

/// What came.
pub(crate) enum Came {
    Block(Vec<u8>),
    /// Nothing, for a while.
    Nothing,
    End,
}

impl Input {
    pub(crate) fn new(mut reader: Box<dyn Read + Send>) -> Input {
        let (sender, blocks) = sync_channel(AHEAD);
        let (used, reuse) = sync_channel::<Vec<u8>>(AHEAD + 1);
        std::thread::spawn(move || {
            loop {
                let mut block = reuse.try_recv().unwrap_or_default();
                block.resize(BLOCK, 0);
                let read = match reader.read(&mut block) {
                    Ok(0) => return,
                    Ok(read) => read,
                    Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                    Err(error) => {
                        let _nobody = sender.send(Err(error));
                        return;
                    }
                };
                block.truncate(read);
                if sender.send(Ok(block)).is_err() {
                    return;
                }
            }
        });
        Input { blocks, used }
    }

    /// The next block, or nothing after `wait`.
    pub(crate) fn next(&self, wait: Duration) -> Result<Came, Failure> {
        match self.blocks.recv_timeout(wait) {
            Ok(Ok(block)) => Ok(Came::Block(block)),
            Ok(Err(error)) => Err(Failure::own(format!("can't read standard input: {error}"))),
            Err(RecvTimeoutError::Timeout) => Ok(Came::Nothing),
            Err(RecvTimeoutError::Disconnected) => Ok(Came::End),
        }
    }

    /// Gives the memory of a block back.
    pub(crate) fn reuse(&self, block: Vec<u8>) {
        let _full = self.used.try_send(block);
    }
}

/// What ends a piece.
#[derive(Clone, Debug)]
pub(crate) enum Terminator {
    /// `\n`, `\r\n` or `\r`, as for Java's readers of lines.
    Line,
    /// These bytes.
    Bytes(Vec<u8>),
}

/// Cuts blocks into pieces. Only a piece that spans blocks is copied.
pub(crate) struct Splitter {
    terminator: Terminator,
    /// The beginning of a piece whose end has not come.
    begun: Vec<u8>,
    /// The last block ended with `\r`: a `\n` after it belongs to it.
    after_return: bool,
}

impl Splitter {
    pub(crate) fn new(terminator: Terminator) -> Splitter {
        Splitter {
            terminator,
            begun: Vec::new(),
            after_return: false,
        }
    }

    /// Hands on the pieces that end in this block.
    pub(crate) fn feed<E: From<Failure>>(
        &mut self,
        mut block: &[u8],
        each: &mut impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        if std::mem::take(&mut self.after_return) && block.first() == Some(&b'\n') {
            block = &block[1..];
        }
        if let Terminator::Bytes(bytes) = &self.terminator
            && bytes.len() > 1
        {
            return self.feed_joined(block, each);
        }
        while let Some((length, ends)) = self.find(block) {
            self.hand_on(&block[..length], each)?;
            block = &block[length + ends..];
        }
        self.begun.extend_from_slice(block);
        self.check()
    }

    /// A terminator of several bytes may itself span blocks: what was begun is looked at again.
    fn feed_joined<E: From<Failure>>(
        &mut self,
        block: &[u8],
        each: &mut impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let Terminator::Bytes(terminator) = self.terminator.clone() else {
            return Ok(());
        };
        let mut from = (self.begun.len() + 1).saturating_sub(terminator.len());
        self.begun.extend_from_slice(block);
        let all = std::mem::take(&mut self.begun);
        let mut begin = 0;
        while let Some(at) = position(&all[from..], &terminator) {
            each(&all[begin..from + at])?;
            begin = from + at + terminator.len();
            from = begin;
        }
        self.begun.extend_from_slice(&all[begin..]);
        self.check()
    }

    fn check<E: From<Failure>>(&self) -> Result<(), E> {
        match self.begun.len() > MAX_PIECE {
            true => Err(Failure::own(format!(
                "the input has more than {MAX_PIECE} bytes without an end of line"
            ))
            .into()),
            false => Ok(()),
        }
    }

    /// Hands on what is left, if the input does not end with an end of line.
    pub(crate) fn finish<E>(&mut self, each: &mut impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        match self.begun.is_empty() {
            true => Ok(()),
            false => each(&std::mem::take(&mut self.begun)),
        }
    }

    fn hand_on<E>(&mut self, piece: &[u8], each: &mut impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        if self.begun.is_empty() {
            return each(piece);
        }
        self.begun.extend_from_slice(piece);
        let outcome = each(&self.begun);
        self.begun.clear();
        outcome
    }

    /// The length of the first piece that ends here, and that of its terminator.
    fn find(&mut self, block: &[u8]) -> Option<(usize, usize)> {
        match &self.terminator {
            Terminator::Bytes(bytes) => {
                let end = bytes.first()?;
                Some((memchr(*end, block)?, 1))
            }
            Terminator::Line => {
                let newline = memchr(b'\n', block);
                let before = &block[..newline.unwrap_or(block.len())];
                match memchr(b'\r', before) {
                    None => Some((newline?, 1)),
                    Some(at) if block.get(at + 1) == Some(&b'\n') => Some((at, 2)),
                    Some(at) => {
                        self.after_return = at + 1 == block.len();
                        Some((at, 1))
                    }
                }
            }
        }
    }
}

/// Where a byte first is, sixteen at a time.
fn memchr(byte: u8, bytes: &[u8]) -> Option<usize> {
    let (chunks, rest) = bytes.as_chunks::<16>();
    for (index, chunk) in chunks.iter().enumerate() {
        // Compiles to a comparison of all at once.
        if chunk.iter().fold(false, |found, other| found | (*other == byte)) {
            let within = chunk.iter().position(|other| *other == byte)?;
            return Some(index * 16 + within);
        }
    }
    let within = rest.iter().position(|other| *other == byte)?;
    Some(chunks.len() * 16 + within)
}

/// Where `needle` first is.
pub(crate) fn position(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    match needle {
        [] => Some(0),
        [byte] => memchr(*byte, bytes),
        [first, ..] => {
            let mut from = 0;
            loop {
                let at = from + memchr(*first, &bytes[from..])?;
                if bytes[at..].starts_with(needle) {
                    return Some(at);
                }
                from = at + 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(terminator: Terminator, text: &str, block: usize) -> Vec<String> {
        let mut splitter = Splitter::new(terminator);
        let mut found = Vec::new();
        let mut each = |piece: &[u8]| -> Result<(), Failure> {
            found.push(String::from_utf8(piece.to_vec()).unwrap());
            Ok(())
        };
        for block in text.as_bytes().chunks(block) {
            assert!(splitter.feed(block, &mut each).is_ok());
        }
        assert!(splitter.finish(&mut each).is_ok());
        found
    }

    #[test]
    fn lines_end_as_in_java_wherever_blocks_do() {
        let text = "one\ntwo\r\nthree\rfour\n\n\r\nlast, which is longer than sixteen bytes";
        let lines = [
            "one",
            "two",
            "three",
            "four",
            "",
            "",
            "last, which is longer than sixteen bytes",
        ];
        for block in 1..text.len() + 1 {
            assert_eq!(pieces(Terminator::Line, text, block), lines, "blocks of {block}");
        }
        assert!(pieces(Terminator::Line, "", 1).is_empty());
        assert_eq!(pieces(Terminator::Line, "a\n", 9), ["a"]);
    }

    #[test]
    fn other_terminators() {
        for block in 1..20 {
            assert_eq!(
                pieces(Terminator::Bytes(b"--".to_vec()), "a-b--c----d", block),
                ["a-b", "c", "", "d"]
            );
            assert_eq!(
                pieces(Terminator::Bytes(b";".to_vec()), "a;b\n;c", block),
                ["a", "b\n", "c"]
            );
        }
    }

    #[test]
    fn positions() {
        assert_eq!(position(b"aaab", b"ab"), Some(2));
        assert_eq!(position(b"aaab", b"c"), None);
        assert_eq!(
            memchr(b'x', &[b"0123456789abcdef0123".as_slice(), b"x"].concat()),
            Some(20)
        );
    }
}
