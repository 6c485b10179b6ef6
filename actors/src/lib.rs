//! One node, wired: actors under supervision, their sources and ports.

pub mod admin;
pub mod bgp;
pub mod config;
pub mod group;
pub mod holding;
pub mod leader;
pub mod links;
pub mod linux;
pub mod node;
pub mod owner;
pub mod ports;
pub mod report;
pub mod segment;
pub mod session;
pub mod source;
pub mod status;
pub mod tree;
