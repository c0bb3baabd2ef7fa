//! What waferd fetches from the network: revocation lists, responders' answers and issuers' certificates.
//!
//! A fetch belongs to nobody: whoever asks waits for it as long as it likes, and what comes later is kept for
//! the next time. Equal fetches are made once.

mod address;
mod cache;
mod http;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use tokio::runtime::Handle;

use super::anchors::Origin;
use super::revocation::crl::{CRL_MAX, Crl};
use super::revocation::{Unchecked, host};
use cache::{Cache, Key};
use http::{Order, Problem};

/// Longest answer of a responder, or certificate, in bytes.
const SMALL_MAX: usize = 256 * 1024;
/// How long a failure is remembered: a server that is down must not delay every message.
const FAILURE_REMEMBERED: Duration = Duration::from_secs(300);
/// Most failures remembered.
const FAILURES_MAX: usize = 256;
/// Most fetches at a time.
const FLIGHTS_MAX: usize = 16;

/// What is fetched, how and where to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebSettings {
    /// Nothing is fetched; what is in the cache still counts.
    pub offline: bool,
    /// Hosts that may be in a private network or on this machine.
    pub hosts: Vec<String>,
    /// Longest time for one fetch, redirections included.
    pub timeout: Duration,
    /// Folder of the cache.
    pub cache: PathBuf,
}

/// Fetches, and remembers.
#[derive(Clone)]
pub struct Web(Arc<Shared>);

struct Shared {
    settings: WebSettings,
    cache: Cache,
    runtime: Handle,
    flights: Mutex<HashMap<Key, Arc<Flight>>>,
    failures: Mutex<HashMap<Key, (Instant, Unchecked)>>,
}

type Outcome = Result<Arc<Vec<u8>>, Unchecked>;
type Fits = Box<dyn Fn(&[u8]) -> bool + Send + Sync>;

/// A fetch that is under way.
#[derive(Default)]
struct Flight {
    outcome: Mutex<Option<Outcome>>,
    landed: Condvar,
}

impl Web {
    /// Fetches on `runtime`.
    pub fn new(settings: WebSettings, runtime: Handle) -> Self {
        let cache = Cache::new(settings.cache.clone());
        let (flights, failures) = (Mutex::default(), Mutex::default());
        Self(Arc::new(Shared { settings, cache, runtime, flights, failures }))
    }

    /// The revocation list at `url`, if one that speaks for `now` is kept or comes before `deadline`.
    pub(super) fn list(
        &self,
        url: &str,
        origin: Origin,
        deadline: Instant,
        now: SystemTime,
    ) -> Result<Crl, Unchecked> {
        let key = Key::new(url, b"");
        let kept = self.0.cache.get(&key).and_then(|bytes| Crl::read(bytes).ok());
        if let Some(kept) = kept.filter(|crl| crl.is_current(now)) {
            return Ok(kept);
        }
        let order = self.order(url, None, origin, CRL_MAX);
        let fits = |bytes: &[u8]| Crl::read(bytes.to_vec()).is_ok();
        let bytes = self.fetch(key, order, Box::new(fits), deadline)?;
        let fetched = Crl::read(bytes.to_vec()).ok().filter(|crl| crl.is_current(now));
        fetched.ok_or_else(|| Unchecked::BadAnswer(host(url)))
    }

    /// What the responder at `url` answered before about the certificate that `about` names.
    pub(super) fn kept_answer(&self, url: &str, about: &[u8]) -> Option<Vec<u8>> {
        self.0.cache.get(&Key::new(url, about))
    }

    /// The answer of the responder at `url` to `question`, if it comes before `deadline` and `fits`.
    pub(super) fn ask(
        &self,
        url: &str,
        about: &[u8],
        question: Vec<u8>,
        origin: Origin,
        deadline: Instant,
        fits: Fits,
    ) -> Result<Vec<u8>, Unchecked> {
        let order = self.order(url, Some(question), origin, SMALL_MAX);
        self.fetch(Key::new(url, about), order, fits, deadline).map(|bytes| bytes.to_vec())
    }

    /// The bytes at `url`, which an issuer's certificate should be at.
    pub(super) fn certificate(&self, url: &str, deadline: Instant) -> Result<Vec<u8>, Unchecked> {
        let key = Key::new(url, b"certificate");
        if let Some(kept) = self.0.cache.get(&key) {
            return Ok(kept);
        }
        // Nothing vouches for this address yet: never into a private network.
        let order = self.order(url, None, Origin::Mozilla, SMALL_MAX);
        let fits = |bytes: &[u8]| !super::files::certificates_in(bytes).is_empty();
        self.fetch(key, order, Box::new(fits), deadline).map(|bytes| bytes.to_vec())
    }

    /// Drops a kept list that turned out not to help.
    pub(super) fn forget_list(&self, url: &str) {
        self.forget(Key::new(url, b""), url);
    }

    /// Drops a kept answer that turned out not to help.
    pub(super) fn forget_answer(&self, url: &str, about: &[u8]) {
        self.forget(Key::new(url, about), url);
    }

    fn forget(&self, key: Key, url: &str) {
        self.0.cache.forget(&key);
        self.0.remember_failure(key, Unchecked::BadAnswer(host(url)));
    }

    fn order(&self, url: &str, question: Option<Vec<u8>>, origin: Origin, body_max: usize) -> Order {
        Order { url: url.to_owned(), question, private: origin.is_own(), body_max }
    }

    fn fetch(&self, key: Key, order: Order, fits: Fits, deadline: Instant) -> Outcome {
        let host = host(&order.url);
        if self.0.settings.offline {
            return Err(Unchecked::Offline);
        }
        if let Some(why) = self.0.recent_failure(&key) {
            return Err(why);
        }
        match self.start(key, order, fits) {
            Some(flight) => flight.wait(deadline).unwrap_or(Err(Unchecked::TooSlow(host))),
            None => Err(Unchecked::TooSlow(host)),
        }
    }

    /// The flight for `key`: the one under way, or a new one; `None` if too many are under way.
    fn start(&self, key: Key, order: Order, fits: Fits) -> Option<Arc<Flight>> {
        let mut flights = lock(&self.0.flights);
        if let Some(flight) = flights.get(&key) {
            return Some(flight.clone());
        }
        if flights.len() >= FLIGHTS_MAX {
            return None;
        }
        let flight = Arc::new(Flight::default());
        flights.insert(key.clone(), flight.clone());
        let (shared, landing) = (self.0.clone(), flight.clone());
        self.0.runtime.spawn(async move {
            let outcome = shared.fly(&key, &order, &fits).await;
            lock(&shared.flights).remove(&key);
            landing.land(outcome);
        });
        Some(flight)
    }
}

impl Shared {
    async fn fly(&self, key: &Key, order: &Order, fits: &Fits) -> Outcome {
        let host = host(&order.url);
        let exchange = http::exchange(order, &self.settings.hosts);
        let outcome = match tokio::time::timeout(self.settings.timeout, exchange).await {
            Ok(Ok(bytes)) if fits(&bytes) => {
                self.cache.put(key, &bytes);
                return Ok(Arc::new(bytes));
            }
            Ok(Ok(_)) => Unchecked::BadAnswer(host),
            Ok(Err(Problem::NotAllowed)) => Unchecked::NotAllowed(host),
            Ok(Err(Problem::Failed(problem))) => {
                tracing::info!(url = %order.url, %problem, "revocation: no answer");
                Unchecked::Unreachable(host)
            }
            Err(_) => Unchecked::TooSlow(host),
        };
        self.remember_failure(key.clone(), outcome.clone());
        Err(outcome)
    }

    fn recent_failure(&self, key: &Key) -> Option<Unchecked> {
        let failures = lock(&self.failures);
        let (when, why) = failures.get(key)?;
        (when.elapsed() < FAILURE_REMEMBERED).then(|| why.clone())
    }

    fn remember_failure(&self, key: Key, why: Unchecked) {
        let mut failures = lock(&self.failures);
        failures.retain(|_, (when, _)| when.elapsed() < FAILURE_REMEMBERED);
        if failures.len() < FAILURES_MAX {
            failures.insert(key, (Instant::now(), why));
        }
    }
}

impl Flight {
    fn wait(&self, deadline: Instant) -> Option<Outcome> {
        let mut outcome = lock(&self.outcome);
        loop {
            if let Some(landed) = &*outcome {
                return Some(landed.clone());
            }
            let left = deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())?;
            let (guard, _) = self.landed.wait_timeout(outcome, left).unwrap_or_else(PoisonError::into_inner);
            outcome = guard;
        }
    }

    fn land(&self, outcome: Outcome) {
        *lock(&self.outcome) = Some(outcome);
        self.landed.notify_all();
    }
}

/// A panic elsewhere leaves these maps whole: each is changed by one call.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
