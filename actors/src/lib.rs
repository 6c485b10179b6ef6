//! One node, wired: actors under supervision, their sources and ports.

pub mod source;
