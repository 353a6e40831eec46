//! Bodies that are told apart byte by byte, and one that is sent piece by piece.

use std::io;

use futures_util::stream;
use tokio::sync::mpsc;

/// Bytes without a pattern that a fault could repeat: a linear congruential generator's upper bits.
#[must_use]
pub fn bytes(count: usize) -> Vec<u8> {
    let mut state: u64 = 0x2545_F491_4F6C_DD1D;
    let next = move |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..count).map(next).collect()
}

/// The sending end of a request body that a test sends piece by piece; the body ends when this is dropped.
#[derive(Debug)]
pub struct Upload(mpsc::Sender<Vec<u8>>);

impl Upload {
    /// A new body, and the end that feeds it.
    #[must_use]
    pub fn new() -> (Self, reqwest::Body) {
        let (sender, receiver) = mpsc::channel::<Vec<u8>>(1);
        let pieces = stream::unfold(receiver, async |mut receiver: mpsc::Receiver<Vec<u8>>| {
            receiver.recv().await.map(|piece| (Ok::<_, io::Error>(piece), receiver))
        });
        (Self(sender), reqwest::Body::wrap_stream(pieces))
    }

    /// Sends a piece.
    ///
    /// # Panics
    /// When nobody reads the body any more.
    pub async fn send(&self, piece: impl Into<Vec<u8>>) {
        assert!(self.0.send(piece.into()).await.is_ok(), "nobody reads this request's body any more");
    }
}
