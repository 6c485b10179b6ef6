//! What the log is told of: for which addresses this node began to answer, or ceased to. Pure.

use std::collections::BTreeSet;
use std::net::IpAddr;

/// Addresses that a line names at most.
const NAMED: usize = 8;

/// What it was told last.
#[derive(Debug, Default)]
pub(super) struct Diary(BTreeSet<IpAddr>);

impl Diary {
    /// The lines for what is different now; none when nothing is.
    pub fn turn(&mut self, answering: BTreeSet<IpAddr>) -> Vec<String> {
        let line = |what: &str, addresses: Vec<IpAddr>| (!addresses.is_empty()).then(|| sentence(what, &addresses));
        let began = line("answers for", answering.difference(&self.0).copied().collect());
        let ceased = line("does not answer any more for", self.0.difference(&answering).copied().collect());
        let owned = answering.len();
        self.0 = answering;
        let lines = ceased.into_iter().chain(began);
        lines.map(|line| format!("{line} ({owned} in all)")).collect()
    }
}

fn sentence(what: &str, addresses: &[IpAddr]) -> String {
    let named: Vec<String> = addresses.iter().take(NAMED).map(ToString::to_string).collect();
    let more = addresses.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("this node {what} {}{more}", named.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(last: std::ops::Range<u8>) -> BTreeSet<IpAddr> {
        last.map(|last| IpAddr::from([10, 0, 0, last])).collect()
    }

    #[test]
    fn only_what_changed_is_told_and_many_are_summarised() {
        let mut diary = Diary::default();
        assert_eq!(diary.turn(addresses(1..3)), ["this node answers for 10.0.0.1, 10.0.0.2 (2 in all)"]);
        assert_eq!(diary.turn(addresses(1..3)), Vec::<String>::new());
        let lines = diary.turn(addresses(2..30));
        assert_eq!(lines[0], "this node does not answer any more for 10.0.0.1 (28 in all)");
        assert!(lines[1].ends_with("10.0.0.9, 10.0.0.10 and 19 more (28 in all)"), "{lines:?}");
        assert_eq!(diary.turn(BTreeSet::new()).len(), 1);
    }
}
