//! Targets that were already merged.

use papaya::HashMap;
use remuda_core::{App, FnId, Function, Target};
use std::sync::Arc;

/// How many functions are remembered; merging one again costs microseconds, so a full memory is simply emptied.
const MAX_REMEMBERED: usize = 10_000;

/// Remembers, for each function, the target that its last definition gave, so that calls of one definition share one
/// target.
#[derive(Default)]
pub(super) struct Targets {
    known: HashMap<FnId, Known>,
}

struct Known {
    app: Arc<App>,
    function: Arc<Function>,
    target: Arc<Target>,
}

impl Targets {
    pub(super) fn of(&self, app: &Arc<App>, function: &Arc<Function>) -> Arc<Target> {
        let known = self.known.pin();
        let fits = |entry: &&Known| same(&entry.app, app) && same(&entry.function, function);
        if let Some(entry) = known.get(&function.id).filter(fits) {
            return Arc::clone(&entry.target);
        }
        if known.len() >= MAX_REMEMBERED {
            known.clear();
        }
        let target = Arc::new(Target::new(app, function));
        let entry =
            Known { app: Arc::clone(app), function: Arc::clone(function), target: Arc::clone(&target) };
        known.insert(function.id.clone(), entry);
        target
    }
}

fn same<T: PartialEq>(one: &Arc<T>, other: &Arc<T>) -> bool {
    Arc::ptr_eq(one, other) || one == other
}

#[cfg(test)]
mod tests {
    use super::*;
    use remuda_core::testing::catalog_cases::{a_function, an_app};

    #[test]
    fn calls_of_one_definition_share_a_target_and_a_changed_one_gets_its_own() {
        let targets = Targets::default();
        let app = Arc::new(an_app("A", "app"));
        let function = Arc::new(a_function("F", "f", &app));
        let first = targets.of(&app, &function);
        assert!(Arc::ptr_eq(&first, &targets.of(&app, &function)));
        assert!(Arc::ptr_eq(&first, &targets.of(&Arc::new((*app).clone()), &Arc::new((*function).clone()))));
        let mut changed = (*app).clone();
        changed.config.insert("FN_LB_GROUP_ID".into(), "blue".into());
        let second = targets.of(&Arc::new(changed), &function);
        assert_eq!((first.group.as_str(), second.group.as_str()), ("default", "blue"));
    }
}
