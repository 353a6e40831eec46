//! An fnserver of your own: meters the calls of each app, and refuses those of an app that has used up its share.
//!
//! `cargo run -p remuda --example meter` starts it, configured as fnserver is, with one variable more: METER_CALLS, how
//! many calls an app may make in a minute (unset: 1000). `GET /meter` tells what was counted, to everyone who can reach the
//! node: middleware stands outside of authentication.

use remuda::extension::{
    Call, CallEnd, CallListener, Extensions, Fault, Kind, Middleware, Next, Request, Response, async_trait,
};
use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What an app's share is counted over.
const WINDOW: Duration = Duration::from_secs(60);
/// The most apps that are counted apart; the calls of further ones are counted together, under an empty name.
const MAX_APPS: usize = 10_000;

/// What one app used.
#[derive(Default)]
struct Used {
    since: Option<Instant>,
    calls: u64,
    refused: u64,
    bytes: u64,
    time: Duration,
}

/// Counts calls by the name of their app.
struct Meter {
    calls_a_window: u64,
    apps: Mutex<BTreeMap<String, Used>>,
}

impl Meter {
    /// Counts for an app; short, so that a plain lock does.
    fn with<T>(&self, app: &str, count: impl FnOnce(&mut Used) -> T) -> T {
        let mut apps = self.apps.lock().unwrap_or_else(PoisonError::into_inner);
        let known = apps.contains_key(app) || apps.len() < MAX_APPS;
        count(apps.entry(if known { app.to_owned() } else { String::new() }).or_default())
    }

    fn report(&self) -> String {
        let apps = self.apps.lock().unwrap_or_else(PoisonError::into_inner);
        let line = |(app, used): (&String, &Used)| {
            let ms = used.time.as_millis();
            format!("{app}: {} calls, {} refused, {} bytes, {ms} ms\n", used.calls, used.refused, used.bytes)
        };
        apps.iter().map(line).collect()
    }
}

#[async_trait]
impl CallListener for Meter {
    async fn before_call(&self, call: &mut Call) -> Result<(), Fault> {
        let is_over = self.with(&call.target.app_name, |used| {
            if used.since.is_none_or(|since| since.elapsed() >= WINDOW) {
                (used.since, used.calls) = (Some(Instant::now()), 0);
            }
            let is_over = used.calls >= self.calls_a_window;
            *(if is_over { &mut used.refused } else { &mut used.calls }) += 1;
            is_over
        });
        if is_over {
            let limit = self.calls_a_window;
            return Err(Fault::user(
                Kind::TooMany,
                format!("this app has used up its {limit} calls a minute"),
            ));
        }
        Ok(())
    }

    fn after_call(&self, call: &Call, end: &CallEnd) {
        self.with(&call.target.app_name, |used| {
            used.bytes += end.bytes;
            used.time += end.duration;
        });
    }
}

#[async_trait]
impl Middleware for Meter {
    async fn handle(&self, request: Request, next: Next) -> Response {
        if request.uri().path() == "/meter" {
            return Response::new(self.report().into());
        }
        next.run(request).await
    }
}

fn main() -> ExitCode {
    let calls_a_window = match std::env::var("METER_CALLS").map(|text| text.parse()) {
        Ok(Ok(number)) => number,
        Ok(Err(_)) => {
            eprintln!("METER_CALLS: use a whole number of calls a minute");
            return ExitCode::from(64);
        }
        Err(_) => 1000,
    };
    let meter = Arc::new(Meter { calls_a_window, apps: Mutex::default() });
    let mut extensions = Extensions::default();
    extensions.listeners.calls.push(meter.clone());
    extensions.middleware.push(meter);
    remuda::daemon::fnserver_with(extensions)
}
