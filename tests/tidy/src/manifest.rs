//! What every manifest says.

/// Whether a manifest forgets `[lints] workspace = true`: then none of our lints hold in that package.
#[must_use]
pub fn without_workspace_lints(manifest: &str) -> bool {
    let mut lines = manifest.lines().map(str::trim).skip_while(|line| *line != "[lints]").skip(1);
    !lines.by_ref().take_while(|line| !line.starts_with('[')).any(|line| line == "workspace = true")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_must_take_the_workspaces_lints() {
        assert!(!without_workspace_lints("[package]\n[lints]\nworkspace = true\n[dependencies]"));
        assert!(without_workspace_lints("[package]\nname = \"x\""));
        assert!(without_workspace_lints("[lints]\n[dependencies]\nworkspace = true"));
    }
}
