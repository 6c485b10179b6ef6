//! What happened on an interface, in numbers.

/// Counted since the responder was made. All in frames unless said otherwise.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Questions seen, whoever they were for.
    pub requests: u64,
    /// Questions for owned addresses that were answered.
    pub answered: u64,
    /// Questions for owned addresses that were not answered because the fence was closed.
    pub fenced: u64,
    /// Questions for owned addresses that were not answered because of the bound on answers.
    pub rate_dropped: u64,
    /// Announcements made.
    pub announced: u64,
    /// Claims of owned addresses by other stations.
    pub conflicts: u64,
    /// Frames that are not valid.
    pub malformed: u64,
}
