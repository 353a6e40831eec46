//! Compares the shapes of the types that cross the border, as each side compiled them.

use crate::LoadError;
use crate::version::Age;
use abi_stable::StableAbi;
use abi_stable::abi_stability::abi_checking::{
    AbiInstability, AbiInstabilityErrors, check_layout_compatibility,
};
use abi_stable::library::LibHeader;
use abi_stable::type_layout::{TLFieldOrFunction, TypeLayout};
use remuda_plugin_api::abi::{API_VERSION, PluginModRef};
use std::path::Path;

/// Refuses a plugin whose types have another shape than its version promises.
pub(crate) fn check(header: &'static LibHeader, path: &Path, age: Age) -> Result<(), LoadError> {
    let Some(theirs) = header.layout() else {
        return Err(unfit(path, "it does not tell its layout"));
    };
    compare(<PluginModRef as StableAbi>::LAYOUT, theirs, age).map_err(|errors| {
        // Thousands of lines, of use to whoever changed the contract.
        tracing::debug!(path = %path.display(), report = %errors, "the layout of a plugin differs");
        unfit(path, summary(&errors))
    })
}

/// abi_stable wants a table to have at least the entries that its reader knows. An older plugin has fewer than we do,
/// and that is fine, since every entry added later is optional or has a default body; so there the roles are swapped.
fn compare(
    ours: &'static TypeLayout,
    theirs: &'static TypeLayout,
    age: Age,
) -> Result<(), AbiInstabilityErrors> {
    match age {
        Age::SameOrNewer => check_layout_compatibility(ours, theirs),
        Age::Older => check_layout_compatibility(theirs, ours),
    }
}

pub(crate) fn unfit(path: &Path, reason: impl Into<String>) -> LoadError {
    LoadError::Layout { path: path.to_owned(), reason: reason.into(), ours: API_VERSION }
}

/// The most telling difference, in a few words: the innermost type that differs.
fn summary(errors: &AbiInstabilityErrors) -> String {
    let innermost = errors
        .errors
        .iter()
        .filter(|error| !error.errs.is_empty())
        .max_by_key(|error| error.stack_trace.len());
    let Some(error) = innermost else { return "its types differ".to_owned() };
    let place = match error.stack_trace.last().map(|pair| &pair.expected) {
        Some(TLFieldOrFunction::Field(field)) => field.layout().name().to_owned(),
        Some(TLFieldOrFunction::Function(function)) => function.to_string(),
        None => errors.interface.name().to_owned(),
    };
    let differences: Vec<String> = error.errs.iter().map(difference).collect();
    format!("{place} differs: {}", differences.join(", "))
}

fn difference(error: &AbiInstability) -> String {
    match error {
        AbiInstability::Size(size) => format!("{} bytes instead of {}", size.found, size.expected),
        AbiInstability::Alignment(bytes) => {
            format!("aligned to {} instead of {}", bytes.found, bytes.expected)
        }
        AbiInstability::FieldCountMismatch(count) => {
            format!("{} fields instead of {}", count.found, count.expected)
        }
        AbiInstability::UnexpectedField(field) => {
            format!("field {} instead of {}", field.found.name(), field.expected.name())
        }
        AbiInstability::Name(name) => format!("type {} instead of {}", name.found, name.expected),
        AbiInstability::Package(package) => {
            format!("package {} instead of {}", package.found, package.expected)
        }
        AbiInstability::MismatchedPrefixSize(size) => {
            format!("{} entries of its first version instead of {}", size.found, size.expected)
        }
        _ => "its kind".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_added_at_the_end_fit_in_both_directions() {
        let (now, later) = (<PluginModRef as StableAbi>::LAYOUT, later_api_plugin::layout());
        // A later plugin in this host, and today's plugin in a later host.
        assert!(compare(now, later, Age::SameOrNewer).is_ok());
        assert!(compare(later, now, Age::Older).is_ok());
        // Only with the roles as they are: abi_stable wants the reader's table to be the smaller one.
        let errors = compare(later, now, Age::SameOrNewer).unwrap_err();
        let told = summary(&errors);
        assert!(told.contains("differs: ") && told.len() < 300, "{told}");
    }
}
