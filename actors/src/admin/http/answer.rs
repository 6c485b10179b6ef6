//! Answers as JSON, and errors with fitting status codes.

use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::http::{Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use quorumlb_raft_store::machine::State;
use quorumlb_raft_store::net::ProposeError;
use quorumlb_raft_store::replica::View;
use serde::Serialize;

use super::super::desk::Desk;
use super::super::report;
use crate::source::Diagnostic;

/// What could not be answered, as `{"error": "..."}`.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    error: String,
    diagnostics: Vec<Diagnostic>,
}

#[derive(Serialize)]
struct Body<'a> {
    error: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    diagnostics: &'a [Diagnostic],
}

impl Problem {
    pub(super) fn new(status: StatusCode, error: impl Into<String>) -> Self {
        Self { status, error: error.into(), diagnostics: Vec::new() }
    }

    /// Input that cannot be understood.
    pub(super) fn input(error: impl Into<String>, diagnostics: Vec<Diagnostic>) -> Self {
        Self { status: StatusCode::UNPROCESSABLE_ENTITY, error: error.into(), diagnostics }
    }

    pub(super) fn unavailable(error: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, error)
    }
}

impl From<ProposeError> for Problem {
    fn from(error: ProposeError) -> Self {
        match error {
            ProposeError::Unknown { .. } => Self::new(StatusCode::GATEWAY_TIMEOUT, error.to_string()),
            _ => Self::unavailable(error.to_string()),
        }
    }
}

/// What axum refuses before a handler sees it.
macro_rules! from_rejection {
    ($($rejection:ty),*) => {$(
        impl From<$rejection> for Problem {
            fn from(rejection: $rejection) -> Self {
                match rejection.status() {
                    StatusCode::PAYLOAD_TOO_LARGE => {
                        let limit = super::services::MAX_BODY >> 20;
                        Self::new(StatusCode::PAYLOAD_TOO_LARGE, format!("the body is larger than {limit} MiB"))
                    }
                    status => Self::new(status, rejection.body_text()),
                }
            }
        }
    )*};
}

from_rejection!(BytesRejection, QueryRejection);

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = json(&Body { error: &self.error, diagnostics: &self.diagnostics });
        *response.status_mut() = self.status;
        response
    }
}

/// A value as JSON.
pub(super) fn json<T: Serialize + ?Sized>(value: &T) -> Response {
    match serde_json::to_vec(value) {
        Ok(bytes) => ([(header::CONTENT_TYPE, "application/json")], bytes).into_response(),
        // Every report has text keys only, so this cannot be.
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// The state's window, or why there is none.
pub(super) fn view<D: Desk>(desk: &D) -> Result<View, Problem> {
    desk.view().ok_or_else(|| {
        let ready = desk.status().look(|status| report::readiness(status, false));
        Problem::unavailable(ready.reasons.into_iter().next().unwrap_or_else(|| "not part of the group".to_owned()))
    })
}

/// Rows made from the state.
pub(super) fn rows<D: Desk, T: Serialize>(desk: &D, make: impl FnOnce(&State) -> T) -> Result<Response, Problem> {
    // The rows own what they say, so that nobody waits for the state while they are written out.
    let rows = view(desk)?.read(make);
    Ok(json(&rows))
}

pub(super) async fn unknown(uri: Uri) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, format!("there is nothing at {}", uri.path()))
}

pub(super) async fn only_on_the_socket(uri: Uri) -> Problem {
    let error = format!("there is nothing at {} here: this listener has /, /metrics, /healthz and /readyz", uri.path());
    Problem::new(StatusCode::NOT_FOUND, format!("{error}; all else is on the Unix socket"))
}

pub(super) async fn wrong_method(method: Method, uri: Uri) -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, format!("{method} does not go with {}", uri.path()))
}
