//! One connection to a function, kept for the next call, but not for long.

use crate::contract::stream::Stream;
use crate::contract::upload::Upload;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{self, SendRequest};
use std::io::{self, Read};
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream as Peephole;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::net::UnixStream;
use tokio::task::JoinHandle;

/// Function kits misbehave when an idle connection stays open (the Python one spins after 75 s, the Node one never
/// closes), so we close it, after the time that Fn takes.
const IDLE_LIMIT: Duration = Duration::from_secs(1);
/// `Activity::state` while a call is on.
const BUSY: u64 = 0;
/// `Activity::state` once the connection is being closed.
const CLOSED: u64 = u64::MAX;

/// What a connection is doing, shared with the task that drives it.
#[derive(Debug)]
pub(crate) struct Activity {
    /// A second handle of the socket, to see whether the function has closed it.
    peephole: Peephole,
    opened: Instant,
    /// [`BUSY`], [`CLOSED`], or else idle: the milliseconds after `opened` when it became so, plus one.
    state: AtomicU64,
    /// Whether the whole request of the current call was handed over.
    uploaded: AtomicBool,
    /// Whether the function has stopped reading for good.
    unheard: AtomicBool,
}

impl Activity {
    fn new(peephole: Peephole) -> Self {
        Self {
            peephole,
            opened: Instant::now(),
            state: AtomicU64::new(BUSY),
            uploaded: AtomicBool::new(true),
            unheard: AtomicBool::new(false),
        }
    }

    /// The current call's request has gone.
    pub(crate) fn uploaded(&self) {
        self.uploaded.store(true, Ordering::Release);
    }

    /// What is written is read by nobody any more.
    pub(crate) fn unheard(&self) {
        self.unheard.store(true, Ordering::Release);
    }

    fn usable_again(&self) -> bool {
        self.uploaded.load(Ordering::Acquire) && !self.unheard.load(Ordering::Acquire)
    }

    /// Whether the function has left an idle connection alone. Asked of the kernel, because the driver may not have
    /// been told yet, and a request that it had begun to write could not be sent again. Nothing may come while no
    /// call is on, so a byte that does is as bad as an end.
    fn is_quiet(&self) -> bool {
        matches!((&self.peephole).read(&mut [0]), Err(why) if why.kind() == io::ErrorKind::WouldBlock)
    }

    /// Closes the socket for both sides, though the second handle is still there.
    pub(crate) fn hang_up(&self) {
        // It fails only when the function has closed already.
        let _ = self.peephole.shutdown(Shutdown::Both);
    }

    fn now(&self) -> u64 {
        u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(CLOSED - 2) + 1
    }

    fn rest(&self) {
        self.state.store(self.now(), Ordering::Release);
    }

    /// Claims the connection for a call; false when it is being closed.
    fn wake(&self) -> bool {
        self.state.swap(BUSY, Ordering::AcqRel) != CLOSED
    }

    /// When to look again whether it has been idle for too long; `None`: it has, and no call can claim it any more.
    fn next_look(&self) -> Option<Duration> {
        let since = self.state.load(Ordering::Acquire);
        if since == BUSY {
            return Some(IDLE_LIMIT);
        }
        let idle = Duration::from_millis(self.now().saturating_sub(since));
        match IDLE_LIMIT.checked_sub(idle) {
            Some(left) if !left.is_zero() => Some(left),
            _ => match self.state.compare_exchange(since, CLOSED, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => None,
                Err(_) => Some(IDLE_LIMIT),
            },
        }
    }
}

/// An open connection; dropping it closes it, whatever is on its way.
#[derive(Debug)]
pub(crate) struct Connection {
    sender: SendRequest<Upload>,
    activity: Arc<Activity>,
    driver: JoinHandle<()>,
}

impl Connection {
    /// Prepares a stream for calls whose answers' heads are at most `header_bytes` long.
    pub(crate) async fn open(stream: UnixStream, header_bytes: usize) -> io::Result<Self> {
        /// The smallest buffer that hyper takes.
        const LEAST_BUFFER_BYTES: usize = 8 * 1024;
        let activity = Arc::new(Activity::new(stream.as_fd().try_clone_to_owned()?.into()));
        let (sender, connection) = http1::Builder::new()
            .title_case_headers(true)
            .max_header_size(header_bytes)
            .max_buf_size(header_bytes.max(LEAST_BUFFER_BYTES))
            .handshake(Stream::new(stream, activity.clone()))
            .await
            .map_err(io::Error::other)?;
        let driver = tokio::spawn(drive(connection, activity.clone()));
        Ok(Self { sender, activity, driver })
    }

    /// Sends a request and returns the answer's head. The error holds the request when no byte of it was written.
    pub(crate) async fn send(
        &mut self,
        mut request: Request<Upload>,
    ) -> Result<Response<Incoming>, TrySendError<Request<Upload>>> {
        self.activity.uploaded.store(false, Ordering::Release);
        request.body_mut().carried_by(self.activity.clone());
        // The last call's end may not have reached the driver yet. An error shows again when sending.
        let _ = self.sender.ready().await;
        self.sender.try_send_request(request).await
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

async fn drive(connection: http1::Connection<Stream, Upload>, activity: Arc<Activity>) {
    let mut connection = pin!(connection);
    let mut look = pin!(tokio::time::sleep(IDLE_LIMIT));
    loop {
        tokio::select! {
            biased;
            // Whoever waits for an answer is told of an error itself.
            _ = &mut connection => return,
            () = &mut look => match activity.next_look() {
                Some(wait) => look.as_mut().reset(tokio::time::Instant::now() + wait),
                None => return,
            },
        }
    }
}

/// Where a connection is kept between two calls.
#[derive(Clone, Debug, Default)]
pub(crate) struct Home(Arc<Mutex<Option<Connection>>>);

impl Home {
    /// The kept connection, if it can still be used.
    pub(crate) fn take(&self) -> Option<Connection> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        (kept.activity.wake() && !kept.sender.is_closed() && kept.activity.is_quiet()).then_some(kept)
    }

    /// Keeps a connection whose answer was read to its end. One whose request the function did not read to its end
    /// is of no more use, and is closed.
    pub(crate) fn put(&self, connection: Connection) {
        if connection.activity.usable_again() {
            connection.activity.rest();
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(connection);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_connection_is_never_closed_for_idleness() {
        let activity = Activity::new(Peephole::pair().unwrap().0);
        assert_eq!(activity.next_look(), Some(IDLE_LIMIT));
        assert!(activity.wake());
    }

    #[test]
    fn a_connection_that_was_idle_for_long_enough_cannot_be_claimed_any_more() {
        let mut activity = Activity::new(Peephole::pair().unwrap().0);
        activity.rest();
        assert!(activity.next_look().is_some_and(|wait| wait <= IDLE_LIMIT));
        activity.opened -= IDLE_LIMIT;
        assert_eq!(activity.next_look(), None);
        assert!(!activity.wake());
    }
}
