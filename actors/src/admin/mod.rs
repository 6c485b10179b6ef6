//! The admin side: what a node answers to operators and to Prometheus.

mod bgp_metrics;
mod desk;
pub mod http;
mod metrics;
mod moves;
pub mod report;

pub use desk::Desk;
pub use http::{Admin, DEFAULT_METRICS, DEFAULT_SOCKET, ListenError, Options};
