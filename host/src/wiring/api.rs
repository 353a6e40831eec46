//! An API node: the catalogue and its management API.

use crate::config::ApiNode;
use crate::env::{Api, Common};
use crate::wiring::http::{Behind, HttpSide};
use crate::wiring::parts;
use crate::{Failure, Ready, VERSION};
use remuda_store::Store;
use std::path::Path;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// The catalogue's sub-directory of the state directory: daemons of several kinds may share that.
const ROLE: &str = "api";
/// The catalogue's file in it.
const DATABASE: &str = "fn.db";

pub(super) async fn run(common: &Common, node: &ApiNode, shutdown: CancellationToken) -> Result<(), Failure> {
    let http = HttpSide::bind(common, Some(&node.http), None).await?;
    let store = Arc::new(open_store(&node.api).await?);
    announce(common, "api", &http)?;
    let behind = Behind { catalog: Some(store.clone()), invoking: None, ids: parts::ids() };
    let served = http.serve(behind, shutdown).await;
    store.close().await;
    served
}

/// Opens the database that `FN_DB_URL` names, or the one in the state directory.
pub(super) async fn open_store(api: &Api) -> Result<Store, Failure> {
    let url = match &api.db_url {
        Some(url) => url.0.reveal().to_owned(),
        None => {
            private_directory(&api.state_dir)?;
            let directory = private_directory(&api.state_dir.join(ROLE))?;
            format!("sqlite3://{}", directory.join(DATABASE).display())
        }
    };
    remuda_store::open(&url, &remuda_store::Options::default())
        .await
        .map_err(Failure::to("open the catalogue (FN_DB_URL, FN_STATE_DIR)"))
}

/// Makes the state directory, for its owner alone; its absolute path.
fn private_directory(path: &Path) -> Result<std::path::PathBuf, Failure> {
    use std::os::unix::fs::DirBuilderExt;
    let unusable = |error: std::io::Error| {
        let fix = "set FN_STATE_DIR to a directory that this user may write to";
        Failure::Unusable(format!("the state directory {} cannot be made ({error}): {fix}", path.display()))
    };
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(unusable)?;
    path.canonicalize().map_err(unusable)
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
