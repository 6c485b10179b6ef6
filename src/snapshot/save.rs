//! `quorumlb snapshot save`: the group's state as a file.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use quorumlb_raft_store::replica;

use crate::client::{self, Client, Failure};
use crate::output::{no, print};

/// Save the state of the node that is asked. The file is there as a whole or not at all.
#[derive(Debug, Args)]
pub struct Save {
    /// The file; an older one is replaced.
    file: PathBuf,
    #[command(flatten)]
    client: Client,
}

impl Save {
    pub fn run(self) -> ExitCode {
        client::run(self.save())
    }

    async fn save(self) -> Result<ExitCode, Failure> {
        let bytes = self.client.get("/v1/snapshot").await?;
        let state = match replica::import(&bytes) {
            Ok(state) => state,
            Err(error) => return Ok(no(format!("what the node sent is no good: {error}"))),
        };
        if let Err(error) = write(&self.file, &bytes) {
            return Ok(no(format!("{}: {error}", self.file.display())));
        }
        let (services, owners) = (state.wanted.services.len(), state.owners.len());
        let file = self.file.display();
        print(&format!("{file}: {} bytes, {services} services, {owners} owners\n", bytes.len()));
        Ok(ExitCode::SUCCESS)
    }
}

/// Writes a file beside the place, and puts it there when it is on disk.
fn write(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let name = file.file_name().ok_or_else(|| io::Error::other("this is no file name"))?;
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let draft = folder.join(format!(".{}.{}", name.to_string_lossy(), std::process::id()));
    let open = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft);
    let written = open.and_then(|mut out| out.write_all(bytes).and_then(|()| out.sync_all()));
    let placed = written.and_then(|()| fs::rename(&draft, file)).and_then(|()| File::open(folder)?.sync_all());
    if placed.is_err() {
        // The first error is the one to tell.
        let _ = fs::remove_file(&draft);
    }
    placed
}
