//! Objects and queries as clients send them.

use super::object::{object, query};
use remuda_core::catalog::{app, function, trigger};
use remuda_core::{Annotations, Config, Timestamp};

object! {
    /// An app.
    #[allow(dead_code, reason = "times are checked and ignored")]
    AppIn {
        /// Not allowed when it is created; in a change it must be the app's own.
        id: String,
        /// 1 to 255 bytes of letters, numbers, `_` and `-`; unique, and never changes.
        name: String,
        /// Settings of the app's functions. In a change, "" removes its key.
        config: Config,
        /// Notes. In a change, null and "" remove their key.
        annotations: Annotations,
        /// Where logs go: a tcp, udp, unix, unixgram or tcp+tls URL. In a change, "" removes it.
        syslog_url: Option<String>,
        /// GENERIC_X86, GENERIC_ARM, GENERIC_X86_ARM or nothing; never changes.
        shape: String,
        /// Ignored.
        created_at: Option<Timestamp>,
        /// Ignored.
        updated_at: Option<Timestamp>,
    }
}

impl From<AppIn> for app::Draft {
    fn from(sent: AppIn) -> Self {
        Self {
            id: sent.id,
            name: sent.name,
            config: sent.config,
            annotations: sent.annotations,
            syslog_url: sent.syslog_url,
            shape: sent.shape,
        }
    }
}

object! {
    /// A function.
    #[allow(dead_code, reason = "times are checked and ignored")]
    FnIn {
        /// Not allowed when it is created; in a change it must be the function's own.
        id: String,
        /// 1 to 255 bytes that stay as they are in a URL's path; unique in its app. Ignored in a change.
        name: String,
        /// The app that it belongs to. Ignored in a change.
        app_id: String,
        /// The container image, with the registry that it comes from.
        image: String,
        /// Megabytes that one container may use, at most 8192; 0 is 128.
        memory: u64,
        /// Seconds that one call may take, at most 300; 0 is 30.
        timeout: i32,
        /// Seconds that an idle container is kept, at most 3600; 0 is 30.
        idle_timeout: i32,
        /// Settings, laid over the app's. In a change, "" removes its key.
        config: Config,
        /// Notes. In a change, null and "" remove their key.
        annotations: Annotations,
        /// Ignored.
        created_at: Option<Timestamp>,
        /// Ignored.
        updated_at: Option<Timestamp>,
    }
}

impl From<FnIn> for function::Draft {
    fn from(sent: FnIn) -> Self {
        Self {
            id: sent.id,
            name: sent.name,
            app_id: sent.app_id,
            image: sent.image,
            memory: sent.memory,
            timeout: sent.timeout,
            idle_timeout: sent.idle_timeout,
            config: sent.config,
            annotations: sent.annotations,
        }
    }
}

object! {
    /// A trigger.
    TriggerIn {
        /// Not allowed when it is created; in a change it must be the trigger's own.
        id: String,
        /// 1 to 255 bytes of letters, numbers, `_` and `-`; unique among the triggers of its function.
        name: String,
        /// The app that it belongs to. Ignored in a change.
        app_id: String,
        /// The function that it calls; one of the same app.
        fn_id: String,
        /// `http`. Ignored in a change.
        kind as "type": String,
        /// The path under `/t/<app>` that calls the function, with its leading slash; unique in its app.
        source: String,
        /// Notes. In a change, null and "" remove their key.
        annotations: Annotations,
        /// Not allowed when it is created, unless it is the first instant of year 1. Ignored in a change.
        created_at: Option<Timestamp>,
        /// Not allowed when it is created, unless it is the first instant of year 1. Ignored in a change.
        updated_at: Option<Timestamp>,
    }
}

impl From<TriggerIn> for trigger::Draft {
    fn from(sent: TriggerIn) -> Self {
        Self {
            id: sent.id,
            name: sent.name,
            app_id: sent.app_id,
            fn_id: sent.fn_id,
            kind: sent.kind,
            source: sent.source,
            annotations: sent.annotations,
            created_at: sent.created_at,
            updated_at: sent.updated_at,
        }
    }
}

object! {
    /// Who may use an LB group.
    GroupIn {
        /// The names of the apps whose config may name the group, at most 100; nothing or null: all apps.
        apps: Option<Vec<String>>,
    }
}

query! {
    /// Which apps to list.
    ListApps {
        /// Where the page before ended: its `next_cursor`.
        cursor: Option<String>,
        /// How many at most, 1 to 100; anything else is 30.
        per_page: Option<i64>,
        /// Only the app of exactly this name.
        name: Option<String>,
    }
}

query! {
    /// Which functions to list.
    ListFns {
        /// Functions of this app.
        app_id: String,
        /// Where the page before ended: its `next_cursor`.
        cursor: Option<String>,
        /// How many at most, 1 to 100; anything else is 30.
        per_page: Option<i64>,
        /// Only the function of exactly this name.
        name: Option<String>,
    }
}

query! {
    /// Which triggers to list.
    ListTriggers {
        /// Triggers of this app.
        app_id: String,
        /// Where the page before ended: its `next_cursor`.
        cursor: Option<String>,
        /// How many at most, 1 to 100; anything else is 30.
        per_page: Option<i64>,
        /// Only those that call this function.
        fn_id: Option<String>,
        /// Only those of exactly this name.
        name: Option<String>,
    }
}
