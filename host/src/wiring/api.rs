//! An API node: the catalogue and its management API.

use crate::config::{ApiNode, database_url};
use crate::env::{Api, Auth, Common, Http};
use crate::wiring::Shell;
use crate::wiring::http::{Behind, HttpSide};
use crate::wiring::parts;
use crate::{Failure, Ready, VERSION};
use remuda_core::port::Tokens;
use remuda_front::{Access, Extensions, Management};
use remuda_lb::{CachedDefinitions, DefinitionsOptions, Sources};
use remuda_store::Store;
use std::path::Path;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// The catalogue's sub-directory of the state directory: daemons of several kinds may share that.
const ROLE: &str = "api";
/// The catalogue's file in it.
const DATABASE: &str = "fn.db";

pub(super) async fn run(
    shell: &Shell,
    node: &ApiNode,
    extensions: Extensions,
    shutdown: CancellationToken,
) -> Result<(), Failure> {
    let Shell { common, https } = shell;
    let http = HttpSide::bind(common, https.as_ref(), Some(&node.http), None).await?;
    let store = Arc::new(open_store(&node.api).await?);
    announce(common, "api", &http)?;
    let known = remember(&store);
    let behind = Behind {
        management: Some(management(&store)),
        invoking: None,
        access: access(&node.http, known.clone()),
        ids: parts::ids(),
        extensions,
    };
    let stop = CancellationToken::new();
    let served = async {
        let served = http.serve(behind, shutdown).await;
        stop.cancel();
        served
    };
    let (served, ()) = tokio::join!(served, known.run(stop.clone()));
    store.close().await;
    served
}

/// What the store's own node remembers of it.
pub(super) fn remember(store: &Arc<Store>) -> Arc<CachedDefinitions> {
    let sources = Sources { definitions: store.clone(), tokens: store.clone(), changes: Some(store.clone()) };
    Arc::new(CachedDefinitions::new(sources, DefinitionsOptions::default()))
}

/// What the management API needs.
pub(super) fn management(store: &Arc<Store>) -> Management {
    Management {
        catalog: store.clone(),
        groups: store.clone(),
        tokens: store.clone(),
        changes: store.clone(),
    }
}

/// How the senders of requests are known.
pub(super) fn access(http: &Http, tokens: Arc<dyn Tokens>) -> Access {
    match http.auth {
        Auth::None => Access::Open,
        Auth::Token => Access::Tokens(tokens),
    }
}

/// Opens the database that `FN_DB_URL` names, or the one in the state directory; makes it where it is not there.
pub(super) async fn open_store(api: &Api) -> Result<Store, Failure> {
    let url = match database_url(api) {
        Some(url) => url.to_owned(),
        None => {
            private_directory(&api.state_dir)?;
            private_directory(&api.state_dir.join(ROLE))?;
            file_url(&api.state_dir)?
        }
    };
    open(api, &url, true).await
}

/// Opens the database of API nodes that have run: for the operator's tool, which must not make one by mistake.
pub(crate) async fn open_existing_store(api: &Api) -> Result<Store, Failure> {
    let url = database_url(api).map_or_else(|| file_url(&api.state_dir), |url| Ok(url.to_owned()))?;
    open(api, &url, false).await
}

/// The catalogue's file in a state directory.
fn file_url(state: &Path) -> Result<String, Failure> {
    let state = std::path::absolute(state).map_err(Failure::to("find the state directory (FN_STATE_DIR)"))?;
    Ok(format!("sqlite3://{}", state.join(ROLE).join(DATABASE).display()))
}

async fn open(api: &Api, url: &str, may_create: bool) -> Result<Store, Failure> {
    let connect_attempts = u32::try_from(api.db_attempts.max(1)).unwrap_or(u32::MAX);
    let options = remuda_store::Options { connect_attempts, may_create, ..remuda_store::Options::default() };
    remuda_store::open(url, &options)
        .await
        .map_err(Failure::to("open the catalogue (FN_DB_URL, FN_STATE_DIR)"))
}

/// Makes a directory for its owner alone.
fn private_directory(path: &Path) -> Result<(), Failure> {
    use std::os::unix::fs::DirBuilderExt;
    let unusable = |error: std::io::Error| {
        let fix = "set FN_STATE_DIR to a directory that this user may write to";
        Failure::Unusable(format!("the state directory {} cannot be made ({error}): {fix}", path.display()))
    };
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(unusable)?;
    Ok(())
}

/// Says where a node without gRPC serves.
pub(super) fn announce(common: &Common, node_type: &str, http: &HttpSide) -> Result<(), Failure> {
    let ready = Ready {
        node_type: node_type.to_owned(),
        pid: std::process::id(),
        version: VERSION,
        http: Some(http.address),
        grpc: None,
    };
    ready
        .announce(common.ready_file.as_ref().map(|file| file.0.as_path()))
        .map_err(Failure::to("write FN_READY_FILE"))
}
