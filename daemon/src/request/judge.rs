//! Judging certificates by the settings as they are now.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::runtime::Handle;

use crate::config::{Current, Settings};
use crate::trust::web::Web;
use crate::trust::{Decisions, Finding, Mozilla, PathValidator, Question, Validator};

/// A path validator that is made anew when settings of trust change.
pub struct Judge {
    settings: Current,
    decisions: Option<Arc<Decisions>>,
    runtime: Handle,
    made: Mutex<Made>,
}

/// A validator and the settings that it was made by.
struct Made {
    by: Arc<Settings>,
    validator: Arc<Validator>,
}

impl Judge {
    /// One that follows `settings` and what the person decided by hand. What it fetches is fetched on `runtime`.
    pub fn new(settings: Current, decisions: Option<Arc<Decisions>>, runtime: Handle) -> Self {
        let by = settings.get();
        let validator = Arc::new(validator(&by, decisions.clone(), runtime.clone()));
        Self { settings, decisions, runtime, made: Mutex::new(Made { by, validator }) }
    }

    fn validator(&self) -> Arc<Validator> {
        let now = self.settings.get();
        // A panic elsewhere leaves the value whole: it is only ever replaced.
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if !Arc::ptr_eq(&made.by, &now) {
            if !trusts_alike(&made.by, &now) {
                let decisions = self.decisions.clone();
                made.validator = Arc::new(validator(&now, decisions, self.runtime.clone()));
            }
            made.by = now;
        }
        made.validator.clone()
    }
}

impl PathValidator for Judge {
    fn examine(&self, question: &Question<'_>) -> Finding {
        self.validator().examine(question)
    }
}

/// Whether a validator made by `one` is as one made by `other`: what it has fetched and found out so far stays.
fn trusts_alike(one: &Settings, other: &Settings) -> bool {
    let of = |settings: &Settings| {
        let Settings { trust_folders, mozilla_roots, mozilla_kept, keeper, revocation, .. } =
            settings.clone();
        (trust_folders, mozilla_roots, mozilla_kept, keeper, revocation)
    };
    of(one) == of(other)
}

fn validator(settings: &Settings, decisions: Option<Arc<Decisions>>, runtime: Handle) -> Validator {
    let revocation = &settings.revocation;
    let web = Web::new(revocation.web.clone(), runtime);
    let mozilla = Mozilla::find_module().filter(|_| settings.mozilla_roots).map(|module| {
        let (keeper, kept) = (settings.keeper.clone(), settings.mozilla_kept.clone());
        Mozilla { module, keeper, kept }
    });
    let validator = Validator::new(settings.trust_folders.clone())
        .with_mozilla(mozilla)
        .with_revocation(revocation.mode, Some(web))
        .with_chasing(revocation.fetch_issuers);
    match decisions {
        Some(decisions) => validator.with_decisions(decisions),
        None => validator,
    }
}
