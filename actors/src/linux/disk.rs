use std::io;

use quorumlb_raft_store::log::{LogStore, OpenError, probe};

use super::Linux;
use crate::ports::Disk;

impl Disk for Linux {
    fn open_store(&self) -> Result<LogStore, OpenError> {
        LogStore::open(&self.options.data)
    }

    fn probe(&self) -> io::Result<()> {
        probe(&self.options.data)
    }
}
