//! What routers are told. This release tells them nothing.

pub use quorumlb_raft_store::plan::Advertisement as AdvertisementRow;

/// All advertisements.
pub fn advertisements() -> Vec<AdvertisementRow> {
    Vec::new()
}
