//! From a path to a control plane.

use crate::host_api::{PluginHost, cut};
use crate::proxy::Proxy;
use crate::verify::{Verified, verify};
use crate::{LoadError, environment, image, open};
use abi_stable::sabi_trait::TD_Opaque;
use remuda_core::port::ControlPlane;
use remuda_plugin_api::abi::{ControlPlaneBox, HostApi_TO, NewControlPlane, Setting, code};
use remuda_plugin_api::manifest::{KIND_CONTROL_PLANE, Manifest};
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// How a plugin is loaded and called.
#[derive(Clone)]
pub struct Options {
    /// Where the values of the plugin's declared variables are looked up.
    pub environment: BTreeMap<String, String>,
    /// Load a file that others may write; for development. It only warns then.
    pub insecure: bool,
    /// How long one call of the plugin may take.
    pub call_deadline: Duration,
    /// How long loading and starting may take together.
    pub start_deadline: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            environment: BTreeMap::new(),
            insecure: false,
            call_deadline: Duration::from_secs(30),
            start_deadline: Duration::from_secs(30),
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The environment holds secrets.
        f.debug_struct("Options")
            .field("insecure", &self.insecure)
            .field("call_deadline", &self.call_deadline)
            .field("start_deadline", &self.start_deadline)
            .finish_non_exhaustive()
    }
}

/// A control plane from a file.
#[derive(Clone)]
pub struct Loaded {
    /// The plugin, ready to be asked.
    pub control_plane: Arc<dyn ControlPlane>,
    /// Its name, from its manifest.
    pub name: String,
    /// Its version, from its manifest.
    pub version: String,
    /// The file, links followed.
    pub path: PathBuf,
}

impl fmt::Debug for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loaded")
            .field("name", &self.name)
            .field("version", &self.version)
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

/// Verifies, loads and starts a control-plane plugin. None of its code runs unless the file passes every check that can
/// be made without; none of its functions, unless the types that it was compiled with are those of its version.
pub async fn load_control_plane(path: &Path, options: Options) -> Result<Loaded, LoadError> {
    let (answer, answered) = oneshot::channel();
    let deadline = options.start_deadline;
    let asked = path.to_owned();
    // A thread of its own, not the runtime's: a plugin that never starts must not hold up our exit.
    let thread = std::thread::Builder::new().name("plugin-load".to_owned()).spawn(move || {
        let _ = answer.send(load(&asked, &options));
    });
    thread.map_err(|error| LoadError::system(path, "starting a thread", error))?;
    match timeout(deadline, answered).await {
        Ok(Ok(result)) => result,
        Ok(Err(_)) => {
            Err(LoadError::Start { path: path.to_owned(), message: "its loading panicked".to_owned() })
        }
        Err(_) => Err(LoadError::StartTimeout { path: path.to_owned(), seconds: deadline.as_secs_f64() }),
    }
}

fn load(path: &Path, options: &Options) -> Result<Loaded, LoadError> {
    let Verified { opened, manifest, age } = verify(path, options.insecure)?;
    let path = opened.path;
    if !manifest.kinds.iter().any(|kind| kind == KIND_CONTROL_PLANE) {
        return Err(LoadError::WrongKind { path, offers: manifest.kinds.join(", ") });
    }
    for warning in &opened.warnings {
        tracing::warn!(path = %path.display(), "a plugin may have been changed by others: {warning}");
    }
    let settings = environment::settings(&manifest, &options.environment)
        .map_err(|problems| LoadError::Variables { path: path.clone(), problems })?;
    let image = image::make(&opened.bytes)
        .map_err(|error| LoadError::system(&path, "copying it to where nobody can change it", error))?;
    drop(opened.bytes);
    let table = open::table(&image, &path, age)?;
    drop(image);
    let Some(start) = table.new_control_plane() else {
        return Err(LoadError::WrongKind { path, offers: "nothing".to_owned() });
    };
    let plugin = started(start, &manifest, settings, &path)?;
    let Manifest { name, version, .. } = manifest;
    tracing::info!(plugin.name = %name, version = %version, path = %path.display(), "plugin loaded");
    let control_plane = Arc::new(Proxy::new(plugin, name.clone(), options.call_deadline));
    Ok(Loaded { control_plane, name, version, path })
}

fn started(
    start: NewControlPlane,
    manifest: &Manifest,
    settings: Vec<Setting>,
    path: &Path,
) -> Result<ControlPlaneBox, LoadError> {
    let host = HostApi_TO::from_value(PluginHost { name: manifest.name.clone() }, TD_Opaque);
    start(host, settings.into()).into_result().map_err(|error| {
        let (path, message) = (path.to_owned(), cut(&error.message).to_owned());
        if error.code == code::CONFIG {
            LoadError::Config { path, message }
        } else {
            LoadError::Start { path, message }
        }
    })
}
