//! As much of HTTP/1.1 as the contract needs: heads, and bodies that are chunked or of a known length.

use std::io::{self, BufRead, Read};

/// A head beyond this is refused; the platform's own limits are far below.
const MAX_HEAD_BYTES: usize = 1 << 20;
/// A chunk-size line, extensions included.
const MAX_CHUNK_LINE_BYTES: usize = 4096;

/// A request's first line and headers.
pub(crate) struct Head {
    pub(crate) method: String,
    pub(crate) path: String,
    /// As they were on the wire, in order.
    pub(crate) headers: Vec<(String, String)>,
}

impl Head {
    /// The first value of a header; names are compared without case.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(have, _)| have.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

fn rubbish(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

/// The next line without its end; `None` when the other side has closed before its first byte.
fn read_line(input: &mut impl BufRead, limit: usize) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    let read = input.by_ref().take(limit as u64).read_until(b'\n', &mut line)?;
    if read == 0 {
        return Ok(None);
    }
    if line.pop() != Some(b'\n') {
        return Err(rubbish("a line is too long, or was cut"));
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    Ok(Some(String::from_utf8_lossy(&line).into_owned()))
}

/// Reads a head; `None` when the connection was closed between two requests.
pub(crate) fn read_head(input: &mut impl BufRead) -> io::Result<Option<Head>> {
    let Some(first) = read_line(input, MAX_HEAD_BYTES)? else {
        return Ok(None);
    };
    let mut words = first.split(' ');
    let (Some(method), Some(path), Some("HTTP/1.1"), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(rubbish("not an HTTP/1.1 request"));
    };
    let mut head = Head { method: method.into(), path: path.into(), headers: Vec::new() };
    let mut left = MAX_HEAD_BYTES - first.len().min(MAX_HEAD_BYTES);
    loop {
        let line = read_line(input, left)?.ok_or_else(|| rubbish("the head was cut"))?;
        if line.is_empty() {
            return Ok(Some(head));
        }
        left = left.saturating_sub(line.len());
        let (name, value) = line.split_once(':').ok_or_else(|| rubbish("a header without a colon"))?;
        head.headers.push((name.to_owned(), value.trim().to_owned()));
    }
}

/// A request's body, read as it comes.
pub(crate) struct Body<'a, R> {
    input: &'a mut R,
    /// Bytes left of the current chunk, or of the whole body when its length is known.
    left: u64,
    chunked: bool,
    ended: bool,
    /// The body's length, where the head said it.
    pub(crate) length: Option<u64>,
}

impl<'a, R: BufRead> Body<'a, R> {
    /// The body that follows a head.
    pub(crate) fn of(head: &Head, input: &'a mut R) -> io::Result<Self> {
        let chunked =
            head.get("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked"));
        if chunked {
            return Ok(Self { input, left: 0, chunked, ended: false, length: None });
        }
        let length = match head.get("content-length") {
            Some(text) => text.parse().map_err(|_| rubbish("content-length is not a number"))?,
            None => 0,
        };
        Ok(Self { input, left: length, chunked, ended: length == 0, length: Some(length) })
    }

    /// Whether all of it was read.
    pub(crate) fn ended(&self) -> bool {
        self.ended
    }

    fn next_chunk(&mut self) -> io::Result<()> {
        let line = read_line(self.input, MAX_CHUNK_LINE_BYTES)?.ok_or_else(|| rubbish("the body was cut"))?;
        let size = line.split(';').next().unwrap_or_default().trim();
        self.left = u64::from_str_radix(size, 16).map_err(|_| rubbish("a chunk size is not a number"))?;
        if self.left == 0 {
            while !read_line(self.input, MAX_CHUNK_LINE_BYTES)?
                .ok_or_else(|| rubbish("the body was cut"))?
                .is_empty()
            {}
            self.ended = true;
        }
        Ok(())
    }
}

impl<R: BufRead> Read for Body<'_, R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if !self.ended && self.left == 0 {
            self.next_chunk()?;
        }
        if self.ended || into.is_empty() {
            return Ok(0);
        }
        let read = self.input.by_ref().take(self.left).read(into)?;
        if read == 0 {
            return Err(rubbish("the body was cut"));
        }
        self.left -= read as u64;
        if self.left == 0 {
            if self.chunked {
                read_line(self.input, 2)?;
            } else {
                self.ended = true;
            }
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body_of(request: &[u8]) -> io::Result<Vec<u8>> {
        let mut input = request;
        let head = read_head(&mut input)?.unwrap();
        let mut bytes = Vec::new();
        Body::of(&head, &mut input)?.read_to_end(&mut bytes)?;
        assert!(input.is_empty(), "bytes of the next request were eaten or left");
        Ok(bytes)
    }

    #[test]
    fn chunked_and_counted_bodies_are_read_to_their_end() {
        let chunked = b"POST /call HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n";
        assert_eq!(body_of(chunked).unwrap(), b"abc0123456789");
        assert_eq!(body_of(b"POST /call HTTP/1.1\r\ncontent-length: 4\r\n\r\nab\r\n").unwrap(), b"ab\r\n");
        assert_eq!(
            body_of(b"POST /call HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n").unwrap(),
            b""
        );
        assert_eq!(body_of(b"POST /call HTTP/1.1\r\n\r\n").unwrap(), b"");
    }

    #[test]
    fn a_body_that_is_cut_is_an_error() {
        assert!(body_of(b"POST /call HTTP/1.1\r\ncontent-length: 4\r\n\r\nab").is_err());
        assert!(body_of(b"POST /call HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab").is_err());
        assert!(body_of(b"POST /call HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n").is_err());
    }

    #[test]
    fn rubbish_is_no_request_and_a_closed_connection_is_none() {
        assert!(read_head(&mut &b"hello\r\n\r\n"[..]).is_err());
        assert!(read_head(&mut &b""[..]).unwrap().is_none());
    }
}
