//! The admin side, with a fake node behind it.

mod http;
mod load;
mod reports;
mod world;
