//! Who sends a request: the token it carries, or the certificate of its connection.

mod gate;

pub(crate) use gate::Gate;

use http::Extensions;

/// What is known of the other end of a connection. Put into the extensions of every request that comes over TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// It showed no certificate.
    Anonymous,
    /// It proved itself with a certificate of the platform's nodes.
    Node,
}

impl Peer {
    /// The other end of a request's connection; `None` where that is clear text.
    pub(crate) fn of(request: &Extensions) -> Option<Self> {
        request.get().copied()
    }
}
