//! The admin side: what a node answers to operators and to Prometheus.

mod desk;

pub use desk::Desk;
