//! One node, wired: actors under supervision, their sources and ports.

pub mod admin;
pub mod ports;
pub mod source;
pub mod status;
pub mod tree;
