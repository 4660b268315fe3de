//! As much of HTTP/1.1 as one document takes: a request's head is read, one answer is written, the connection ends.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Largest head of a request.
const HEAD_MAX: usize = 8 << 10;
/// How long a client may take to send it.
const HEAD_WITHIN: Duration = Duration::from_secs(5);
/// How long it may take to take the answer.
const TAKEN_WITHIN: Duration = Duration::from_secs(30);
/// How much is read, and for how long, of what a client sends after the answer: a connection that is closed over unread bytes is
/// reset, and the answer may be lost with it.
const REST_MAX: u64 = 256 << 10;
const REST_WITHIN: Duration = Duration::from_secs(1);

/// What a client asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// The metrics; without `body` only what would be said of them.
    Metrics { body: bool },
    /// What it may not have: status and reason.
    Refused(&'static str),
}

const METRICS: &str = "/metrics";
const REQUEST_TIMEOUT: Asked = Asked::Refused("408 Request Timeout");
const TOO_LARGE: Asked = Asked::Refused("431 Request Header Fields Too Large");

/// Reads a request and answers it; `metrics` makes the document.
///
/// # Errors
/// Whatever the connection does.
pub(super) async fn serve(mut stream: TcpStream, metrics: impl AsyncFnOnce() -> Vec<u8>) -> io::Result<()> {
    let asked = match timeout(HEAD_WITHIN, read_head(&mut stream)).await {
        Ok(asked) => asked?,
        Err(_) => Some(REQUEST_TIMEOUT),
    };
    let Some(asked) = asked else {
        return Ok(());
    };
    let (status, body, with_body) = match asked {
        Asked::Metrics { body } => ("200 OK", metrics().await, body),
        Asked::Refused(status) => (
            status,
            format!("{status}: there is only GET {METRICS} here\n").into_bytes(),
            true,
        ),
    };
    let allow = if status.starts_with("405") {
        "Allow: GET, HEAD\r\n"
    } else {
        ""
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\nContent-Length: {}\r\n{allow}Connection: close\r\n\r\n",
        body.len()
    );
    let answer = async {
        stream.write_all(head.as_bytes()).await?;
        if with_body {
            stream.write_all(&body).await?;
        }
        stream.shutdown().await
    };
    timeout(TAKEN_WITHIN, answer).await??;
    let mut rest = stream.take(REST_MAX);
    let _late = timeout(REST_WITHIN, tokio::io::copy(&mut rest, &mut tokio::io::sink())).await;
    Ok(())
}

/// `None`: the client has gone.
async fn read_head(stream: &mut TcpStream) -> io::Result<Option<Asked>> {
    let mut head = Vec::with_capacity(1 << 10);
    loop {
        if stream.read_buf(&mut head).await? == 0 {
            return Ok(None);
        }
        if let Some(end) = head.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            return Ok(Some(asked(&head[..end])));
        }
        if head.len() > HEAD_MAX {
            return Ok(Some(TOO_LARGE));
        }
    }
}

/// What a head asks for. Its fields make no difference.
pub(super) fn asked(head: &[u8]) -> Asked {
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let words: Option<Vec<&str>> = std::str::from_utf8(line).ok().map(|line| line.split(' ').collect());
    let Some([method, target, version]) = words.as_deref() else {
        return Asked::Refused("400 Bad Request");
    };
    if !version.starts_with("HTTP/") {
        return Asked::Refused("400 Bad Request");
    }
    if !version.starts_with("HTTP/1.") {
        return Asked::Refused("505 HTTP Version Not Supported");
    }
    if target.split('?').next() != Some(METRICS) {
        return Asked::Refused("404 Not Found");
    }
    match *method {
        "GET" => Asked::Metrics { body: true },
        "HEAD" => Asked::Metrics { body: false },
        _ => Asked::Refused("405 Method Not Allowed"),
    }
}
