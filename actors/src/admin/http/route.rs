//! Requests, counted by route and status without allocation.

use std::sync::atomic::{AtomicU64, Ordering};

use axum::http::{Method, StatusCode};

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Route {
    /// The status page.
    Page,
    /// `/metrics`
    Metrics,
    /// `/healthz` and `/readyz`
    Health,
    /// Rows and reports.
    Get,
    /// `/v1/events`
    Events,
    /// `/v1/snapshot`
    Snapshot,
    /// A service is put.
    PutService,
    /// A service is deleted.
    DeleteService,
    /// A node is drained or serves again.
    Drain,
    /// The node leaves.
    Leave,
    /// Anything else.
    Other,
}

const ROUTES: [(Route, &str); 11] = [
    (Route::Page, "page"),
    (Route::Metrics, "metrics"),
    (Route::Health, "health"),
    (Route::Get, "get"),
    (Route::Events, "events"),
    (Route::Snapshot, "snapshot"),
    (Route::PutService, "put-service"),
    (Route::DeleteService, "delete-service"),
    (Route::Drain, "drain"),
    (Route::Leave, "leave"),
    (Route::Other, "other"),
];

/// The codes that are answered; any other counts as the last.
const CODES: [u16; 12] = [200, 202, 400, 404, 405, 409, 413, 415, 422, 503, 504, 500];

/// Requests by route and status.
#[derive(Debug, Default)]
pub struct RequestCounts([[AtomicU64; CODES.len()]; ROUTES.len()]);

impl Route {
    /// Which route a request takes.
    pub(super) fn of(method: &Method, path: &str) -> Self {
        let Some(rest) = path.strip_prefix("/v1/") else {
            return match path {
                "/" => Self::Page,
                "/metrics" => Self::Metrics,
                "/healthz" | "/readyz" => Self::Health,
                _ => Self::Other,
            };
        };
        match rest {
            "services" if *method == Method::POST => Self::PutService,
            "events" => Self::Events,
            "snapshot" => Self::Snapshot,
            "leave" => Self::Leave,
            _ if *method == Method::DELETE => Self::DeleteService,
            _ if rest.starts_with("nodes/") => Self::Drain,
            _ if *method == Method::GET => Self::Get,
            _ => Self::Other,
        }
    }
}

/// The query keys that a path takes.
fn keys(path: &str) -> &'static [&'static str] {
    match path.strip_prefix("/v1/").unwrap_or_default() {
        "services" | "backends" | "config" => &["name"],
        "events" => &["after", "limit", "follow"],
        "leave" => &["wait"],
        rest if rest.starts_with("nodes/") && rest.ends_with("/drain") => &["force"],
        _ => &[],
    }
}

/// What is wrong with a query: a key that means nothing here would be taken for a filter that did its work. Scrapers may
/// add what they like to the paths that are on TCP, too.
pub(super) fn unknown_key(path: &str, query: &str) -> Option<String> {
    if !path.starts_with("/v1/") {
        return None;
    }
    let known = keys(path);
    let given = query.split('&').filter_map(|pair| pair.split('=').next()).filter(|key| !key.is_empty());
    let unknown = given.into_iter().find(|key| !known.contains(key))?;
    let takes = if known.is_empty() { "nothing".to_owned() } else { known.join(", ") };
    Some(format!("unknown query key `{unknown}`: {path} takes {takes}"))
}

impl RequestCounts {
    pub(super) fn count(&self, route: Route, status: StatusCode) {
        let code = CODES.iter().position(|code| *code == status.as_u16()).unwrap_or(CODES.len() - 1);
        self.0[route as usize][code].fetch_add(1, Ordering::Relaxed);
    }

    /// Route, status and number of all that were asked at least once.
    pub fn read(&self) -> impl Iterator<Item = (&'static str, u16, u64)> {
        ROUTES.into_iter().flat_map(move |(route, name)| {
            let counts = self.0[route as usize].iter().zip(CODES);
            counts
                .map(move |(count, code)| (name, code, count.load(Ordering::Relaxed)))
                .filter(|(_, _, count)| *count > 0)
        })
    }
}
