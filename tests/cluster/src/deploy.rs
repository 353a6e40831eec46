//! Apps with one function in them.

use remuda_harness::{Api, Cluster, Error, FunctionId, FunctionSettings, images};

/// Creates an app with configuration and one function in it, called `f`.
///
/// # Errors
/// When the API refuses.
pub async fn deploy(api: &Api, app: &str, config: &[(&str, &str)], image: &str) -> Result<FunctionId, Error> {
    deploy_with(api, app, config, image, &FunctionSettings::default()).await
}

/// As [`deploy`], with settings.
///
/// # Errors
/// When the API refuses.
pub async fn deploy_with(
    api: &Api,
    app: &str,
    config: &[(&str, &str)],
    image: &str,
    settings: &FunctionSettings,
) -> Result<FunctionId, Error> {
    let app = api.create_app(app, config).await?;
    api.create_function_with(&app, "f", image, settings).await
}

/// The probe in an app of its own, called after its group.
///
/// # Errors
/// When the image cannot be made or the API refuses.
pub async fn probe_in_group(cluster: &Cluster, group: &str) -> Result<FunctionId, Error> {
    let image = images::probe().await?;
    deploy(&cluster.api(), &format!("{group}-app"), &[("FN_LB_GROUP_ID", group)], &image).await
}
