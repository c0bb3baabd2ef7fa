//! Web pages as callers. A page comes by way of an adapter (a browser's native messaging host), which is never a
//! caller of its own: it says with every call for which origin it asks. What can be checked is checked: that the
//! caller is such an adapter, and which program (the browser) has started it.

use wafer_client::WaferError;
use wafer_client::keeper::{Certainty, Requester};

use super::caller::Caller;
use crate::config::Settings;
use crate::policy::consent::Program;
use crate::policy::web::WebOrigin;
use crate::request::consent::Asker;
use crate::text;

/// Wafer's own adapter, where packages put it.
const OWN_ADAPTER: &str = "path:/usr/libexec/waferd/wafer-native-host";

/// Who asks: the caller itself, or the page of `origin` that it speaks for.
///
/// # Errors
/// `AccessDenied` if it is no adapter, or if the administrator's list does not have the page; `InvalidArgument` if the
/// origin is none, or if an adapter names none.
pub(super) fn speaker(
    caller: &Caller,
    origin: Option<&str>,
    settings: &Settings,
) -> Result<(Requester, Asker), WaferError> {
    let Some(origin) = origin else {
        return match is_adapter(caller, settings, false) {
            true => Err(text::invalid_argument("origin", text::ADAPTER_WITHOUT_ORIGIN)),
            false => Ok((caller.requester.clone(), caller.asker.clone())),
        };
    };
    let origin =
        WebOrigin::parse(origin).map_err(|error| text::invalid_argument("origin", &error.to_string()))?;
    if !is_adapter(caller, settings, true) {
        return Err(text::no_adapter());
    }
    if !origin.may_ask(&settings.list("web.origins")) {
        return Err(text::origin_shut_out(&origin.to_string()));
    }
    let (shown, browser) = caller.browser();
    let requester = Requester {
        // The pages of one browser are quiet, or asked about, each for itself.
        caller: format!("{} {origin}", caller.requester.caller),
        program: if shown.is_empty() { origin.to_string() } else { format!("{origin} ({shown})") },
        pid: caller.requester.pid,
        certainty: Certainty::Page,
    };
    let page = page(origin, browser);
    Ok((requester, Asker::new(move || page.clone())))
}

/// The page as decisions are remembered of it. In a browser that is not known it is not known either.
fn page(origin: WebOrigin, browser: &Program) -> Program {
    let name = match browser.name.as_str() {
        "" => String::new(),
        browser => format!("origin:{origin} in {browser}"),
    };
    Program { name, lasting: browser.lasting, origin: Some(origin) }
}

/// Whether the caller may speak for pages. Names that cost a look at the whole executable are made only if one of
/// the settings' is of that kind, or if `surely`.
fn is_adapter(caller: &Caller, settings: &Settings, surely: bool) -> bool {
    let adapters = settings.list("web.adapters");
    let by_path = format!("path:{}", caller.requester.program);
    let may_be = adapters.iter().any(|adapter| !adapter.starts_with("path:") || *adapter == by_path);
    if !surely && !may_be && by_path != OWN_ADAPTER {
        return false;
    }
    let name = caller.asker.program().name;
    name == OWN_ADAPTER || !name.is_empty() && adapters.contains(&name)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use std::collections::BTreeSet;

    use wafer_client::ErrorKind;

    use super::*;
    use crate::config::Places;
    use crate::config::value::Value;

    const MAIL: &str = "https://mail.example.org";

    fn settings(adapters: &[&str], origins: &[&str]) -> Settings {
        let mut settings = Settings::defaults(&Places::of_this_process(None));
        for (name, list) in [("web.adapters", adapters), ("web.origins", origins)] {
            let list = list.iter().map(|text| (*text).to_owned()).collect();
            settings.values.insert(name, Value::List(list));
        }
        settings
    }

    #[test]
    fn a_page_is_known_by_its_origin_and_its_browser() {
        let caller = Caller::new(":1.1", 0, std::process::id(), None);
        let own = caller.asker.program().name;
        let (requester, asker) = speaker(&caller, Some(MAIL), &settings(&[&own], &[])).unwrap();
        let page = asker.program();
        let (shown, browser) = crate::bus::program::parent_of(std::process::id());
        assert_eq!(page.name, format!("origin:{MAIL} in {}", browser.name));
        assert_eq!(page.origin.unwrap().to_string(), MAIL);
        assert_eq!(requester.program, format!("{MAIL} ({shown})"));
        let other = speaker(&caller, Some("https://other.example.org"), &settings(&[&own], &[])).unwrap();
        let names: BTreeSet<String> = [page.name, other.1.program().name, own].into();
        assert_eq!(names.len(), 3);
        assert_ne!(other.0.caller, requester.caller);
    }

    #[test]
    fn only_an_adapter_speaks_for_pages_and_only_for_pages() {
        let caller = Caller::new(":1.1", 0, std::process::id(), None);
        let own = caller.asker.program().name;
        let refused = |origin: Option<&str>, settings: &Settings| {
            speaker(&caller, origin, settings).map(drop).unwrap_err().kind
        };
        assert_eq!(refused(Some(MAIL), &settings(&[], &[])), ErrorKind::AccessDenied);
        assert_eq!(refused(Some(MAIL), &settings(&["path:/usr/bin/other"], &[])), ErrorKind::AccessDenied);
        assert_eq!(refused(None, &settings(&[&own], &[])), ErrorKind::InvalidArgument);
        assert_eq!(
            refused(Some("http://mail.example.org"), &settings(&[&own], &[])),
            ErrorKind::InvalidArgument
        );
        let listed = settings(&[&own], &["https://*.example.net"]);
        assert_eq!(refused(Some(MAIL), &listed), ErrorKind::AccessDenied);
        assert!(speaker(&caller, None, &settings(&[], &[])).is_ok());
        // A process that nobody knows speaks for nobody.
        let unknown = Caller::new(":1.2", 0, 0, None);
        assert!(speaker(&unknown, Some(MAIL), &settings(&[""], &[])).is_err());
    }
}
