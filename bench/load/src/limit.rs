//! The least that anything must do which does a broker's work: what the machine costs, in the same style of one thread a
//! connection, without any of the promises of a broker.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Instant;

use bytes::Bytes;
use klamm_protocol::messages::fetch_response::{FetchableTopicResponse, PartitionData};
use klamm_protocol::messages::produce_response::{PartitionProduceResponse, TopicProduceResponse};
use klamm_protocol::messages::{FetchRequest, FetchResponse, ProduceResponse};
use klamm_protocol::{Message, Reader, Records, frame};

use crate::batches::PRODUCE_VERSION;
use crate::consume::FETCH_VERSION;
use crate::figures;
use crate::options::Options;
use crate::sleeper;

const BLOCK: usize = 1 << 20;
/// Where a frame's correlation id stands: in a request behind size, key and version, in an answer behind the size.
const ASKED: std::ops::Range<usize> = 8..12;
const ANSWERED: std::ops::Range<usize> = 4..8;

type Outcome = Result<(), String>;

pub(crate) fn run(which: &str, options: &Options<'_>) -> Outcome {
    match which {
        "receive" => {
            let dir: PathBuf = options.get("dir")?;
            serve(options.get("port")?, move |at, stream| {
                let mut file = create(&dir.join(at.to_string()))?;
                acknowledge(stream, |request| {
                    let sum = klamm_records::crc32c(request);
                    std::hint::black_box(sum);
                    file.write_all(request).map_err(told)
                })
            })
        }
        "requests" => serve(options.get("port")?, |_, stream| acknowledge(stream, |_| Ok(()))),
        "sendfile" => {
            let path: PathBuf = options.get("file")?;
            serve(options.get("port")?, move |_, stream| send(stream, &path))
        }
        "write" => write(&options.get::<PathBuf>("dir")?.join("written"), options.get("bytes")?),
        "sleep" => {
            sleeper::run(options.get("seconds")?);
            Ok(())
        }
        _ => Err(format!("there is no loop `{which}`")),
    }
}

fn told(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn create(path: &Path) -> Result<File, String> {
    File::create(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// A thread for each connection, until the process is killed.
fn serve(port: u16, handle: impl Fn(usize, TcpStream) -> Outcome + Clone + Send + 'static) -> Outcome {
    let listener = TcpListener::bind(("127.0.0.1", port)).map_err(told)?;
    for (at, stream) in listener.incoming().enumerate() {
        let stream = stream.map_err(told)?;
        stream.set_nodelay(true).map_err(told)?;
        let handle = handle.clone();
        std::thread::spawn(move || {
            if let Err(error) = handle(at, stream) {
                eprintln!("connection {at}: {error}");
            }
        });
    }
    Ok(())
}

/// Hands each request, with its size, to `take`, and acknowledges it.
fn acknowledge(mut stream: TcpStream, mut take: impl FnMut(&[u8]) -> Outcome) -> Outcome {
    let answer = ProduceResponse {
        responses: vec![TopicProduceResponse {
            name: "limit".to_owned(),
            partition_responses: vec![PartitionProduceResponse::default()],
            ..Default::default()
        }],
        ..Default::default()
    };
    let answer = frame::encode_response(0, PRODUCE_VERSION, &answer).map_err(told)?;
    let mut answer = answer.bytes.to_vec();
    let mut frames = Frames::new();
    while let Some(request) = frames.next(&mut stream)? {
        take(request)?;
        answer[ANSWERED].copy_from_slice(&request[ASKED]);
        stream.write_all(&answer).map_err(told)?;
    }
    Ok(())
}

/// Frames read with as few calls as they need.
struct Frames {
    buffer: Vec<u8>,
    filled: usize,
    /// Of the frame that was handed out.
    taken: usize,
}

impl Frames {
    fn new() -> Self {
        Frames {
            buffer: vec![0; BLOCK + BLOCK / 4],
            filled: 0,
            taken: 0,
        }
    }

    fn next(&mut self, stream: &mut impl Read) -> Result<Option<&[u8]>, String> {
        self.buffer.copy_within(self.taken..self.filled, 0);
        self.filled -= self.taken;
        self.taken = 0;
        let wanted = loop {
            let wanted = match self.buffer[..self.filled].first_chunk() {
                Some(size) => 4 + u32::from_be_bytes(*size) as usize,
                None => 4,
            };
            if wanted > self.buffer.len() {
                return Err(format!("a frame of {wanted} bytes"));
            }
            if wanted > 4 && self.filled >= wanted {
                break wanted;
            }
            let read = stream.read(&mut self.buffer[self.filled..]).map_err(told)?;
            if read == 0 {
                return Ok(None);
            }
            self.filled += read;
        };
        self.taken = wanted;
        Ok(Some(&self.buffer[..wanted]))
    }
}

/// Answers each request with as much as it asks for, of each partition, of what comes next in the file.
fn send(mut stream: TcpStream, path: &Path) -> Outcome {
    let mut file = File::open(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let whole = file.metadata().map_err(told)?.len();
    // The file begins with one batch, and the rest is alike.
    let mut header = [0; 12];
    file.read_exact(&mut header).map_err(told)?;
    file.rewind().map_err(told)?;
    let batch = 12 + u64::from(u32::from_be_bytes([header[8], header[9], header[10], header[11]]));
    let mut frames = Frames::new();
    let mut at = 0;
    while let Some(request) = frames.next(&mut stream)? {
        let mut reader = Reader::new(Bytes::copy_from_slice(&request[4..]));
        let (_, header) = frame::decode_request_header(&mut reader).map_err(told)?;
        let asked = FetchRequest::decode(&mut reader, FETCH_VERSION).map_err(told)?;
        let answer =
            frame::encode_response(header.correlation_id, FETCH_VERSION, &slices(&asked, batch)).map_err(told)?;
        let mut sent = 0;
        for cut in &answer.external {
            stream.write_all(&answer.bytes[sent..cut.at]).map_err(told)?;
            sent = cut.at;
            if at + u64::from(cut.len) > whole {
                at = 0;
            }
            let end = at + u64::from(cut.len);
            while at < end {
                let count = (end - at) as usize;
                if rustix::fs::sendfile(&stream, &file, Some(&mut at), count).map_err(told)? == 0 {
                    return Err("the file is too short".to_owned());
                }
            }
        }
        stream.write_all(&answer.bytes[sent..]).map_err(told)?;
    }
    Ok(())
}

fn slices(asked: &FetchRequest, batch: u64) -> FetchResponse {
    let mut id = 0;
    let mut slice = |max: i32| {
        id += 1;
        let len = (max as u64 / batch).max(1) * batch;
        Records::External { id, len: len as u32 }
    };
    FetchResponse {
        responses: asked
            .topics
            .iter()
            .map(|topic| FetchableTopicResponse {
                topic: topic.topic.clone(),
                partitions: topic
                    .partitions
                    .iter()
                    .map(|partition| PartitionData {
                        partition_index: partition.partition,
                        records: Some(slice(partition.partition_max_bytes)),
                        ..Default::default()
                    })
                    .collect(),
                ..Default::default()
            })
            .collect(),
        ..Default::default()
    }
}

/// How fast the file system takes blocks, and the disk.
fn write(path: &Path, bytes: u64) -> Outcome {
    let block = vec![b'x'; BLOCK];
    let mut file = create(path)?;
    let begun = Instant::now();
    for _ in 0..bytes / BLOCK as u64 {
        file.write_all(&block).map_err(told)?;
    }
    let written = begun.elapsed();
    file.sync_data().map_err(told)?;
    figures::print(&[
        ("bytes", bytes as f64),
        ("seconds", written.as_secs_f64()),
        ("synced_seconds", begun.elapsed().as_secs_f64()),
    ]);
    std::fs::remove_file(path).map_err(told)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_whole() {
        let frame = |size: usize| [&(size as u32).to_be_bytes()[..], &vec![7; size]].concat();
        let sent = [frame(3), frame(BLOCK), frame(1), frame(10)].concat();
        let mut stream = &sent[..];
        let mut frames = Frames::new();
        for size in [3, BLOCK, 1, 10] {
            assert_eq!(frames.next(&mut stream).unwrap().unwrap().len(), 4 + size);
        }
        assert!(frames.next(&mut stream).unwrap().is_none());
    }
}
