//! What the probe saw of a call, as JSON.

use crate::http::Head;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;

/// A body that is text and not longer than this is part of the report.
const SHOWN_BYTES: usize = 4096;

/// What was read of a body.
pub(crate) struct Digest {
    pub(crate) bytes: u64,
    hash: u64,
    shown: Vec<u8>,
}

impl Digest {
    /// Reads a body to its end.
    pub(crate) fn of(mut body: impl Read) -> io::Result<Self> {
        let mut digest = Self { bytes: 0, hash: 0xcbf2_9ce4_8422_2325, shown: Vec::new() };
        let mut buffer = [0; 16 * 1024];
        loop {
            let read = body.read(&mut buffer)?;
            if read == 0 {
                return Ok(digest);
            }
            digest.add(&buffer[..read]);
        }
    }

    fn add(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        let room = SHOWN_BYTES + 1 - self.shown.len().min(SHOWN_BYTES + 1);
        self.shown.extend_from_slice(&bytes[..bytes.len().min(room)]);
        // FNV-1a, 64 bits: enough to tell bodies apart, and three lines in any language.
        for byte in bytes {
            self.hash = (self.hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn text(&self) -> Option<&str> {
        let whole = self.shown.len() <= SHOWN_BYTES;
        std::str::from_utf8(&self.shown).ok().filter(|_| whole)
    }
}

/// The report: `call_id method path headers env body_bytes body_fnv1a body pid uid hostname container calls`.
/// Repeated headers are joined by a comma; `container` is the engine's id of it, empty outside of one; `body` is null unless it is short and text; `calls` counts this process's calls from 1.
pub(crate) fn report(head: &Head, body: &Digest, calls: u64) -> String {
    let mut headers: BTreeMap<&str, String> = BTreeMap::new();
    for (name, value) in &head.headers {
        headers
            .entry(name)
            .and_modify(|have| {
                have.push_str(", ");
                have.push_str(value);
            })
            .or_insert_with(|| value.clone());
    }
    let env: BTreeMap<String, String> = std::env::vars_os()
        .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
        .collect();
    let hostname = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let uid = fs::metadata("/proc/self").map(|process| process.uid()).unwrap_or(u32::MAX);
    let mut json = String::with_capacity(2048);
    json.push_str("{\"call_id\":");
    quote(&mut json, head.get("fn-call-id").unwrap_or_default());
    json.push_str(",\"method\":");
    quote(&mut json, &head.method);
    json.push_str(",\"path\":");
    quote(&mut json, &head.path);
    json.push_str(",\"headers\":");
    object(&mut json, headers.iter().map(|(name, value)| (*name, value.as_str())));
    json.push_str(",\"env\":");
    object(&mut json, env.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    json.push_str(",\"hostname\":");
    quote(&mut json, hostname.trim());
    json.push_str(",\"container\":");
    quote(&mut json, container_in(&fs::read_to_string("/proc/self/mountinfo").unwrap_or_default()));
    json.push_str(",\"body\":");
    match body.text() {
        Some(text) => quote(&mut json, text),
        None => json.push_str("null"),
    }
    // Writing to a string cannot fail.
    let _ = write!(
        json,
        ",\"body_bytes\":{},\"body_fnv1a\":\"{:016x}\",\"pid\":{},\"uid\":{uid},\"calls\":{calls}}}",
        body.bytes,
        body.hash,
        std::process::id()
    );
    json
}

/// Docker mounts a container's own `hostname` file from a directory that is called after the container; the host
/// name inside tells nothing, because the platform sets it.
fn container_in(mounts: &str) -> &str {
    let after = mounts.split("/containers/").skip(1);
    let names = after.filter_map(|rest| rest.split_once('/').map(|(name, _)| name));
    names
        .into_iter()
        .find(|name| name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit()))
        .unwrap_or("")
}

fn object<'a>(json: &mut String, entries: impl Iterator<Item = (&'a str, &'a str)>) {
    json.push('{');
    for (place, (name, value)) in entries.enumerate() {
        if place > 0 {
            json.push(',');
        }
        quote(json, name);
        json.push(':');
        quote(json, value);
    }
    json.push('}');
}

/// Appends `text` as a JSON string.
pub(crate) fn quote(json: &mut String, text: &str) {
    json.push('"');
    for letter in text.chars() {
        match letter {
            '"' => json.push_str("\\\""),
            '\\' => json.push_str("\\\\"),
            control if control < ' ' => {
                let _ = write!(json, "\\u{:04x}", u32::from(control));
            }
            other => json.push(other),
        }
    }
    json.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_quoted_as_json() {
        let mut json = String::new();
        quote(&mut json, "a\"b\\c\n\u{1}é");
        assert_eq!(json, "\"a\\\"b\\\\c\\u000a\\u0001é\"");
    }

    #[test]
    fn the_container_is_read_from_where_its_files_are_mounted_from() {
        let id = "91be2a5b22d7".repeat(5) + "0123";
        let mounts = format!(
            "22 21 0:5 / /x rw\n30 2 254:0 /var/lib/docker/containers/{id}/hostname /etc/hostname rw"
        );
        assert_eq!(container_in(&mounts), id);
        assert_eq!(container_in("22 21 0:5 /containers/x/y /x rw"), "");
    }

    #[test]
    fn a_body_is_counted_hashed_and_shown_when_short() {
        let digest = Digest::of(&b"a"[..]).unwrap();
        assert_eq!((digest.bytes, digest.hash), (1, 0xaf63_dc4c_8601_ec8c));
        assert_eq!(digest.text(), Some("a"));
        assert_eq!(Digest::of(&[b'x'; SHOWN_BYTES + 1][..]).unwrap().text(), None);
        assert_eq!(Digest::of(&[0xff][..]).unwrap().text(), None);
    }
}
