//! Carries out a call's wishes.

use crate::http::{Body, Head};
use crate::report::{Digest, quote, report};
use crate::wish::Wish;
use std::io::{self, BufRead, BufWriter, Read, Write};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

/// How many calls this process has had.
static CALLS: AtomicU64 = AtomicU64::new(0);

const BUFFER_BYTES: usize = 64 * 1024;

/// Answers one request; false when the connection cannot carry another one.
pub(crate) fn answer<R: BufRead>(head: &Head, mut body: Body<'_, R>, to: impl Write) -> io::Result<bool> {
    let calls = CALLS.fetch_add(1, Ordering::Relaxed) + 1;
    let mut out = BufWriter::with_capacity(BUFFER_BYTES, to);
    if head.method != "POST" || head.path != "/call" {
        let known = Wish { status: Some(404), ..Wish::default() };
        return whole(&mut out, &known, b"{\"message\":\"only POST /call is served\"}").map(|()| false);
    }
    let wish = match Wish::of(head) {
        Ok(wish) => wish,
        Err(why) => {
            let mut json = String::from("{\"message\":");
            quote(&mut json, &why);
            json.push('}');
            Digest::of(&mut body)?;
            let failed = Wish { status: Some(502), ..Wish::default() };
            return whole(&mut out, &failed, json.as_bytes()).map(|()| true);
        }
    };
    if wish.echo {
        pretend(&wish);
        echo(&mut out, &wish, head, &mut body)?;
    } else {
        let digest = if wish.early { Digest::of(io::empty())? } else { Digest::of(&mut body)? };
        pretend(&wish);
        if wish.rubbish {
            out.write_all(b"this is not HTTP\r\n\r\n")?;
        } else if let Some(size) = wish.size {
            patterned(&mut out, &wish, size)?;
        } else {
            whole(&mut out, &wish, report(head, &digest, calls).as_bytes())?;
        }
    }
    out.flush()?;
    if wish.exit_after {
        process::exit(0);
    }
    Ok(body.ended() && !wish.rubbish)
}

/// What happens before an answer, and may end in none.
fn pretend(wish: &Wish) {
    if let Some(text) = &wish.log {
        // Nobody may be listening; that is no reason to fail.
        let _ = writeln!(io::stdout(), "{text}");
    }
    if wish.memory_mb > 0 {
        // Written, not only reserved, and looked at, so that it is really taken.
        let taken = vec![0xa5_u8; wish.memory_mb * 1024 * 1024];
        std::hint::black_box(&taken);
    }
    thread::sleep(wish.sleep);
    if wish.crash {
        process::exit(9);
    }
    if wish.hang {
        forever();
    }
}

fn forever() -> ! {
    loop {
        thread::park();
    }
}

fn write_head(out: &mut impl Write, wish: &Wish, kind: &str, length: Option<u64>) -> io::Result<()> {
    let status = wish.status.unwrap_or(200);
    let reason = if status == 200 { "OK" } else { "Asked For" };
    write!(out, "HTTP/1.1 {status} {reason}\r\nFn-Fdk-Version: probe/{}\r\n", env!("CARGO_PKG_VERSION"))?;
    if !wish.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
        write!(out, "Content-Type: {kind}\r\n")?;
    }
    if let Some(status) = &wish.http_status {
        write!(out, "Fn-Http-Status: {status}\r\n")?;
    }
    for (name, value) in &wish.headers {
        write!(out, "{name}: {value}\r\n")?;
    }
    if wish.header_size > 0 {
        write!(out, "Probe-Long: {}\r\n", "x".repeat(wish.header_size))?;
    }
    match length {
        Some(length) => write!(out, "Content-Length: {length}\r\n\r\n"),
        None => out.write_all(b"Transfer-Encoding: chunked\r\n\r\n"),
    }
}

fn chunk(out: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    write!(out, "{:x}\r\n", bytes.len())?;
    out.write_all(bytes)?;
    out.write_all(b"\r\n")
}

/// Ends half-way where the call asks for it.
fn half_way(out: &mut impl Write, wish: &Wish) -> io::Result<()> {
    if wish.cut || wish.stall {
        out.flush()?;
    }
    if wish.cut {
        process::exit(9);
    }
    if wish.stall {
        forever();
    }
    Ok(())
}

fn whole(out: &mut impl Write, wish: &Wish, bytes: &[u8]) -> io::Result<()> {
    let length = (!wish.chunked).then_some(bytes.len() as u64);
    write_head(out, wish, "application/json", length)?;
    let (front, back) = bytes.split_at(bytes.len() / 2);
    for part in [front, back].into_iter().filter(|part| !part.is_empty()) {
        if wish.chunked {
            chunk(out, part)?
        } else {
            out.write_all(part)?
        }
        half_way(out, wish)?;
    }
    if wish.chunked {
        out.write_all(b"0\r\n\r\n")?;
    }
    out.flush()
}

fn patterned(out: &mut impl Write, wish: &Wish, size: u64) -> io::Result<()> {
    write_head(out, wish, "application/octet-stream", (!wish.chunked).then_some(size))?;
    // A block that is a whole number of patterns long starts the pattern anew each time.
    let block: Vec<u8> = (0..=250).cycle().take(251 * 256).collect();
    let mut left = size;
    let mut sent_half = false;
    while left > 0 {
        let part = &block[..usize::try_from(left).unwrap_or(usize::MAX).min(block.len())];
        if wish.chunked {
            chunk(out, part)?
        } else {
            out.write_all(part)?
        }
        left -= part.len() as u64;
        if !sent_half && left <= size / 2 {
            sent_half = true;
            half_way(out, wish)?;
        }
    }
    if wish.chunked { out.write_all(b"0\r\n\r\n") } else { Ok(()) }
}

fn echo<R: BufRead>(
    out: &mut impl Write,
    wish: &Wish,
    head: &Head,
    body: &mut Body<'_, R>,
) -> io::Result<()> {
    let length = body.length.filter(|_| !wish.chunked);
    write_head(out, wish, head.get("content-type").unwrap_or("application/octet-stream"), length)?;
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let read = body.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        if length.is_some() {
            out.write_all(&buffer[..read])?
        } else {
            chunk(out, &buffer[..read])?
        }
        half_way(out, wish)?;
        // What has come goes back before the next wait, so that a slow stream is echoed as it arrives.
        out.flush()?;
    }
    if length.is_none() { out.write_all(b"0\r\n\r\n") } else { Ok(()) }
}
