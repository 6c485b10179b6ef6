//! The admin side, with a fake node behind it.

mod http;
mod reports;
mod world;
