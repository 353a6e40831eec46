//! HTTP/1.1 on a plain socket, so that the client costs as little of the cores as it can, and the same for both sides
//! of a comparison.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::Failure;

const ANSWERS_WITHIN: Duration = Duration::from_secs(60);
/// Far above what any answer has that is measured: a page of a hundred functions is the largest.
const BODY_BYTES_AT_MOST: usize = 1 << 20;

/// `host:port` of a base address, `http://host:port`.
pub(crate) fn address(base: &str) -> Result<String, Failure> {
    let address = base.strip_prefix("http://").map(|rest| rest.trim_end_matches('/').to_owned());
    address.ok_or_else(|| Failure::because(format!("{base} is no http address")))
}

/// A request as it is sent. `headers` are whole lines, each with its end.
pub(crate) fn request(method: &str, path: &str, address: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head =
        format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\n{headers}Content-Length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

/// A connection that is kept open from one exchange to the next.
pub(crate) struct Connection {
    address: String,
    stream: BufReader<TcpStream>,
    body: Vec<u8>,
}

impl Connection {
    /// Opens one to `host:port`.
    pub(crate) async fn open(address: &str) -> Result<Self, Failure> {
        let failed = |error: io::Error| Failure::because(format!("a call to {address}: {error}"));
        let stream = TcpStream::connect(address).await.map_err(failed)?;
        stream.set_nodelay(true)?;
        Ok(Self { address: address.to_owned(), stream: BufReader::new(stream), body: Vec::new() })
    }

    /// Sends a request and reads the whole answer; any but a 200 is a failure. The body stays until the next exchange.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> Result<&[u8], Failure> {
        let answer = tokio::time::timeout(ANSWERS_WITHIN, self.try_exchange(request)).await;
        let address = &self.address;
        let status = answer
            .map_err(|_late| Failure::because(format!("a call to {address} did not end")))?
            .map_err(|error| Failure::because(format!("a call to {address}: {error}")))?;
        if status != 200 {
            let text = String::from_utf8_lossy(&self.body);
            return Err(Failure::because(format!("{address} answered {status}: {text}")));
        }
        Ok(&self.body)
    }

    async fn try_exchange(&mut self, request: &[u8]) -> io::Result<u16> {
        self.stream.get_mut().write_all(request).await?;
        let mut line = String::new();
        self.stream.read_line(&mut line).await?;
        let status = line.split(' ').nth(1).and_then(|code| code.parse().ok());
        let status = status.ok_or_else(|| io::Error::other(format!("no HTTP answer: {line:?}")))?;
        let mut length = Some(0);
        loop {
            line.clear();
            if self.stream.read_line(&mut line).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let header = line.trim_end().to_ascii_lowercase();
            if header.is_empty() {
                break;
            }
            if let Some(value) = header.strip_prefix("content-length:") {
                length = Some(value.trim().parse().map_err(io::Error::other)?);
            } else if header.starts_with("transfer-encoding:") {
                length = None;
            }
        }
        self.body.clear();
        match length {
            Some(length) => self.read_exactly(length).await?,
            None => self.read_chunks().await?,
        }
        Ok(status)
    }

    async fn read_exactly(&mut self, count: usize) -> io::Result<()> {
        let start = self.body.len();
        if start + count > BODY_BYTES_AT_MOST {
            return Err(io::Error::other("the answer is larger than any that we expect"));
        }
        self.body.resize(start + count, 0);
        self.stream.read_exact(&mut self.body[start..]).await.map(drop)
    }

    async fn read_chunks(&mut self) -> io::Result<()> {
        let mut line = String::new();
        loop {
            line.clear();
            self.stream.read_line(&mut line).await?;
            let size = usize::from_str_radix(line.trim(), 16).map_err(io::Error::other)?;
            self.read_exactly(size).await?;
            // The end of line behind each chunk, and behind the last one in place of trailers.
            line.clear();
            self.stream.read_line(&mut line).await?;
            if size == 0 {
                return Ok(());
            }
        }
    }
}
