//! What each test stands on: a client of the engine with a label and a directory of its own, so that it can say what
//! it left behind.

use crate::image;
use bollard::query_parameters::ListContainersOptions;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use http_body_util::BodyExt;
use remuda_core::port::{CallFault, Engine, FunctionRequest, Instance, InstanceSpec};
use remuda_core::{
    Answer, AppId, Body, Call, CallId, Config, Fault, FnId, GroupId, MemoryMb, Mode, Target, Timestamp, call,
};
use remuda_engine::{Docker, docker};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

pub(crate) const LONG: Duration = Duration::from_secs(60);
const LABEL: &str = "remuda-test";

pub(crate) struct Stage {
    pub(crate) engine: Arc<Docker>,
    pub(crate) api: bollard::Docker,
    pub(crate) image: String,
    pub(crate) name: String,
    pub(crate) iofs: tempfile::TempDir,
    count: AtomicU32,
}

pub(crate) fn text(answer: &[u8]) -> String {
    String::from_utf8_lossy(answer).into_owned()
}

impl Stage {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut docker::Options)) -> Self {
        let api = bollard::Docker::connect_with_defaults().unwrap();
        let api = api.negotiate_version().await.expect("a Docker Engine must run for these tests");
        let image = image::probe(&api).await;
        let iofs = tempfile::tempdir().unwrap();
        let name = iofs.path().file_name().unwrap().to_string_lossy().replace('.', "");
        let mut options = docker::Options {
            iofs_dir: iofs.path().to_owned(),
            labels: [(LABEL.to_owned(), name.clone())].into(),
            ..Default::default()
        };
        change(&mut options);
        let engine = Docker::connect(options).await.unwrap();
        Self { engine, api, image, name, iofs, count: AtomicU32::new(0) }
    }

    pub(crate) fn spec(&self, image: &str, settings: &[(&str, &str)]) -> InstanceSpec {
        let config: Config =
            settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        let target = Target {
            app_id: AppId::new("app"),
            app_name: "app".into(),
            fn_id: FnId::new("fn"),
            image: image.to_owned(),
            memory: MemoryMb(64),
            tmpfs_mb: 0,
            milli_cpus: 0,
            timeout: LONG,
            idle_timeout: LONG,
            group: GroupId::of(&Default::default(), &config),
            config,
            annotations: Default::default(),
            syslog_url: String::new(),
        };
        InstanceSpec {
            id: format!("{}-{count}", self.name),
            target: Arc::new(target),
            start_timeout: Duration::from_secs(30),
        }
    }

    /// A probe with settings.
    pub(crate) async fn probe(&self, settings: &[(&str, &str)]) -> Result<Arc<dyn Instance>, Fault> {
        self.engine.start(self.spec(&self.image, settings)).await
    }

    /// A probe that listens.
    pub(crate) async fn started(&self) -> Arc<dyn Instance> {
        self.probe(&[]).await.unwrap()
    }

    /// The names of this test's containers, whatever their state.
    pub(crate) async fn containers(&self) -> Vec<String> {
        let label = format!("{LABEL}={}", self.name);
        let options = ListContainersOptions {
            all: true,
            filters: Some(HashMap::from([("label".to_owned(), vec![label])])),
            ..Default::default()
        };
        let listed = self.api.list_containers(Some(options)).await.unwrap();
        listed.into_iter().flat_map(|container| container.names.unwrap_or_default()).collect()
    }

    pub(crate) fn directories(&self) -> usize {
        std::fs::read_dir(self.iofs.path()).unwrap().count()
    }

    /// Fails unless everything is gone once the engine has come to rest.
    pub(crate) async fn nothing_is_left(&self) {
        assert!(self.engine.close(LONG).await, "the engine did not come to rest");
        assert_eq!((self.containers().await, self.directories()), (Vec::new(), 0));
    }
}

fn request(wish: &str, body: Body, within: Duration) -> FunctionRequest {
    let config = Config::new();
    let headers: HeaderMap =
        [(HeaderName::from_static("probe-do"), HeaderValue::from_str(wish).unwrap())].into_iter().collect();
    let target = Target {
        app_id: AppId::new("app"),
        app_name: "app".into(),
        fn_id: FnId::new("fn"),
        image: String::new(),
        memory: MemoryMb(64),
        tmpfs_mb: 0,
        milli_cpus: 0,
        timeout: within,
        idle_timeout: LONG,
        group: GroupId::of(&Default::default(), &config),
        config,
        annotations: Default::default(),
        syslog_url: String::new(),
    };
    let call = Call {
        id: CallId::new("01CALL"),
        target: Arc::new(target),
        trigger_id: None,
        mode: Mode::Sync,
        method: Method::POST,
        url: String::new(),
        headers,
        created_at: Timestamp::from_unix_ms(0),
    };
    FunctionRequest { call: Arc::new(call), body, deadline: SystemTime::now() + within }
}

/// One call of a probe: what it is asked to do, and what it is given.
pub(crate) async fn ask(
    of: &Arc<dyn Instance>,
    wish: &str,
    body: Body,
    within: Duration,
) -> Result<Answer, CallFault> {
    of.call(request(wish, body, within)).await
}

/// A call that is answered; its whole body.
pub(crate) async fn answered(of: &Arc<dyn Instance>, wish: &str, body: Body) -> Vec<u8> {
    let answer = ask(of, wish, body, LONG).await.unwrap();
    answer.body.collect().await.unwrap().to_bytes().to_vec()
}

/// A call without a body that is answered by the probe's report.
pub(crate) async fn report(of: &Arc<dyn Instance>) -> serde_json::Value {
    serde_json::from_slice(&answered(of, "", call::empty()).await).unwrap()
}

/// A call that must fail.
pub(crate) async fn fault(of: &Arc<dyn Instance>, wish: &str, within: Duration) -> CallFault {
    ask(of, wish, call::empty(), within).await.unwrap_err()
}
