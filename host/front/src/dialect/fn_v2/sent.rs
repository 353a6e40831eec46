//! Objects and queries as clients send them.

use super::limits::{
    ANNOTATIONS, APP_NAME, APPS, CONFIG, FN_NAME, IDLE_TIMEOUT_S, IMAGE, MEMORY_MB, NEEDED_WHEN_NEW,
    NOT_WHEN_NEW, OPTIONAL_PARAMETER, REQUIRED_PARAMETER, SHAPE, SOURCE, TIMEOUT_S, TRIGGER_NAME,
    TRIGGER_TYPE, UNSET_WHEN_NEW,
};
use super::object::{object, query};
use remuda_core::catalog::{app, function, trigger};
use remuda_core::{Annotations, Config, Timestamp};

object! {
    /// An app.
    #[allow(dead_code, reason = "times are checked and ignored")]
    AppIn {
        /// Not allowed when it is created; in a change it must be the app's own.
        id: String where NOT_WHEN_NEW,
        /// 1 to 255 bytes of letters, numbers, `_` and `-`; unique, and never changes.
        name: String where APP_NAME,
        /// Settings of the app's functions. In a change, "" removes its key.
        config: Config where CONFIG,
        /// Notes. In a change, null and "" remove their key.
        annotations: Annotations where ANNOTATIONS,
        /// Where logs go: a tcp, udp, unix, unixgram or tcp+tls URL. In a change, "" removes it.
        syslog_url: Option<String>,
        /// GENERIC_X86, GENERIC_ARM, GENERIC_X86_ARM or nothing; never changes.
        shape: String where SHAPE,
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
        id: String where NOT_WHEN_NEW,
        /// 1 to 255 bytes that stay as they are in a URL's path; unique in its app. Ignored in a change.
        name: String where FN_NAME,
        /// The app that it belongs to. Ignored in a change.
        app_id: String where NEEDED_WHEN_NEW,
        /// The container image, with the registry that it comes from.
        image: String where IMAGE,
        /// Megabytes that one container may use, at most 8192; 0 is 128.
        memory: u64 where MEMORY_MB,
        /// Seconds that one call may take, at most 300; 0 is 30.
        timeout: i32 where TIMEOUT_S,
        /// Seconds that an idle container is kept, at most 3600; 0 is 30.
        idle_timeout: i32 where IDLE_TIMEOUT_S,
        /// Settings, laid over the app's. In a change, "" removes its key.
        config: Config where CONFIG,
        /// Notes. In a change, null and "" remove their key.
        annotations: Annotations where ANNOTATIONS,
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
        id: String where NOT_WHEN_NEW,
        /// 1 to 255 bytes of letters, numbers, `_` and `-`; unique among the triggers of its function.
        name: String where TRIGGER_NAME,
        /// The app that it belongs to. Ignored in a change.
        app_id: String where NEEDED_WHEN_NEW,
        /// The function that it calls; one of the same app.
        fn_id: String where NEEDED_WHEN_NEW,
        /// `http`. Ignored in a change.
        kind as "type": String where TRIGGER_TYPE,
        /// The path under `/t/<app>` that calls the function, with its leading slash; unique in its app.
        source: String where SOURCE,
        /// Notes. In a change, null and "" remove their key.
        annotations: Annotations where ANNOTATIONS,
        /// Not allowed when it is created, unless it is the first instant of year 1. Ignored in a change.
        created_at: Option<Timestamp> where UNSET_WHEN_NEW,
        /// Not allowed when it is created, unless it is the first instant of year 1. Ignored in a change.
        updated_at: Option<Timestamp> where UNSET_WHEN_NEW,
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
        /// The names of the apps whose config may name the group, at most 100; `["*"]` is all apps, `[]` none.
        apps: Option<Vec<String>> where APPS,
    }
}

query! {
    /// Which apps to list.
    ListApps {
        /// Where the page before ended: its `next_cursor`.
        cursor: Option<String> where OPTIONAL_PARAMETER,
        /// How many at most, 1 to 100; anything else is 30.
        per_page: Option<i64> where OPTIONAL_PARAMETER,
        /// Only the app of exactly this name.
        name: Option<String> where OPTIONAL_PARAMETER,
    }
}

query! {
    /// Which functions to list.
    ListFns {
        /// Functions of this app.
        app_id: String where REQUIRED_PARAMETER,
        /// Where the page before ended: its `next_cursor`.
        cursor: Option<String> where OPTIONAL_PARAMETER,
        /// How many at most, 1 to 100; anything else is 30.
        per_page: Option<i64> where OPTIONAL_PARAMETER,
        /// Only the function of exactly this name.
        name: Option<String> where OPTIONAL_PARAMETER,
    }
}

query! {
    /// Which triggers to list.
    ListTriggers {
        /// Triggers of this app.
        app_id: String where REQUIRED_PARAMETER,
        /// Where the page before ended: its `next_cursor`.
        cursor: Option<String> where OPTIONAL_PARAMETER,
        /// How many at most, 1 to 100; anything else is 30.
        per_page: Option<i64> where OPTIONAL_PARAMETER,
        /// Only those that call this function.
        fn_id: Option<String> where OPTIONAL_PARAMETER,
        /// Only those of exactly this name.
        name: Option<String> where OPTIONAL_PARAMETER,
    }
}
