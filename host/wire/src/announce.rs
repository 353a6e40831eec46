//! How two of our nodes recognise each other on a protocol that foreign nodes speak too.
//!
//! Both sides send the metadata `remuda-wire: 1`, the client with its request and the server with its answer to a
//! client that did. A side that does not see it behaves as the original.

use http::{HeaderMap, HeaderName, HeaderValue};

const NAME: HeaderName = HeaderName::from_static("remuda-wire");
const VERSION: HeaderValue = HeaderValue::from_static("1");

/// The largest piece of a body in one message to or from a peer that did not announce itself (Fn's `MaxDataChunk`).
pub(crate) const FOREIGN_FRAME: usize = 10_240;
/// The largest piece of a body in one message between our own nodes, in bytes.
pub(crate) const OWN_FRAME: usize = 64 * 1024;

/// Says who we are.
pub(crate) fn announce(headers: &mut HeaderMap) {
    headers.insert(NAME, VERSION);
}

/// Whether the peer said that it is one of ours. Later versions announce themselves by other numbers and still
/// understand what version 1 does.
pub(crate) fn announced(headers: &HeaderMap) -> bool {
    headers.get(NAME).is_some_and(|value| !value.is_empty())
}

/// The largest piece of a body to send to a peer.
pub(crate) fn frame_limit(announced: bool) -> usize {
    if announced { OWN_FRAME } else { FOREIGN_FRAME }
}
