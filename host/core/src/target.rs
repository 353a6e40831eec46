//! What a call runs: a function with its app's settings merged in.

use crate::catalog::groups;
use crate::config::overlay;
use crate::group::{GROUP_KEY, PIN_KEY};
use crate::{Annotations, App, AppId, Config, FnId, Function, GroupId, MemoryMb};
use sha2::{Digest, Sha256};
use std::time::Duration;

/// Everything about a call that is the same for all calls of one function version; shared behind an `Arc`.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// The app.
    pub app_id: AppId,
    /// The app's name; empty when another node did not say.
    pub app_name: String,
    /// The function.
    pub fn_id: FnId,
    /// The container image.
    pub image: String,
    /// What one container may use.
    pub memory: MemoryMb,
    /// Size of the container's `/tmp`, in megabytes; 0 = not limited.
    pub tmpfs_mb: u32,
    /// CPU limit in thousandths of a core; 0 = none.
    pub milli_cpus: u64,
    /// What one call may take, from the moment an instance has it.
    pub timeout: Duration,
    /// What an idle container is kept.
    pub idle_timeout: Duration,
    /// The app's settings, the function's laid over them, and the platform's own (`FN_MEMORY`, `FN_TYPE`,
    /// `FN_FN_ID`, `FN_APP_ID`) over both.
    pub config: Config,
    /// The app's notes with the function's laid over them.
    pub annotations: Annotations,
    /// Where logs go, or empty.
    pub syslog_url: String,
    /// The group whose runners may run it.
    pub group: GroupId,
}

impl Target {
    /// Merges a function with its app.
    pub fn new(app: &App, function: &Function) -> Self {
        let mut config = overlay(&app.config, &function.config);
        // An empty name is none: the function's does not take the app's away.
        if let (Some(group), None) = (groups::named(&app.config), groups::named(&function.config)) {
            config.insert(GROUP_KEY.into(), group.to_owned());
        }
        config.insert("FN_MEMORY".into(), function.memory.0.to_string());
        config.insert("FN_TYPE".into(), "sync".into());
        config.insert("FN_FN_ID".into(), function.id.to_string());
        config.insert("FN_APP_ID".into(), app.id.to_string());
        let mut annotations = overlay(&app.annotations, &function.annotations);
        // A pin is the app's, so that runners see the same group as the load balancer; a function cannot have one.
        annotations.remove(PIN_KEY);
        annotations
            .extend(app.annotations.get_key_value(PIN_KEY).map(|(key, pin)| (key.clone(), pin.clone())));
        Self {
            app_id: app.id.clone(),
            app_name: app.name.clone(),
            fn_id: function.id.clone(),
            image: function.image.clone(),
            memory: function.memory,
            tmpfs_mb: 0,
            milli_cpus: 0,
            timeout: Duration::from_secs(function.timeout_s.into()),
            idle_timeout: Duration::from_secs(function.idle_timeout_s.into()),
            group: GroupId::of(&app.annotations, &config),
            annotations,
            syslog_url: app.syslog_url.clone(),
            config,
        }
    }

    /// Calls with equal keys may share containers. SHA-256 over everything that a container is made of, each part
    /// ended by a zero byte, which the catalogue keeps out of them (the rule of Fn's slot keys).
    pub fn slot_key(&self) -> SlotKey {
        let mut hash = Sha256::new();
        let mut part = |bytes: &[u8]| {
            hash.update(bytes);
            hash.update([0]);
        };
        for text in [self.app_id.as_str(), &self.syslog_url, self.fn_id.as_str(), &self.image] {
            part(text.as_bytes());
        }
        let seconds = |duration: Duration| duration.as_secs().to_le_bytes();
        part(&seconds(self.timeout));
        part(&seconds(self.idle_timeout));
        part(&self.tmpfs_mb.to_le_bytes());
        part(&self.memory.0.to_le_bytes());
        part(&self.milli_cpus.to_le_bytes());
        for (key, value) in &self.config {
            part(key.as_bytes());
            part(value.as_bytes());
        }
        part(&[]);
        for (key, value) in &self.annotations {
            part(key.as_bytes());
            part(value.to_string().as_bytes());
        }
        SlotKey(hash.finalize().into())
    }
}

/// Says which calls may share a container.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SlotKey(pub [u8; 32]);

impl std::fmt::Debug for SlotKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().take(6).try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
