//! Where the wanted state comes from: files and folders with manifests, of our kinds, Kubernetes', Cilium's and
//! MetalLB's. [`load`] reads from the disk, [`read()`] is the pure part. Both report every problem of the input at once,
//! each with its place and with what would be right.

mod assemble;
mod bgp;
mod cilium_bgp;
mod cilium_bgp_v1;
mod cilium_l2;
mod cilium_pool;
mod core;
mod core_service;
mod decode;
mod diagnostic;
mod document;
mod files;
mod kinds;
mod metallb;
mod metallb_bgp;
mod metallb_rules;
mod native_bgp;
mod native_cluster;
mod native_policy;
mod native_pool;
mod native_service;
mod objects;
mod overlap;
mod own_addresses;
mod references;
mod requests;
mod schema;
mod yaml;

use std::path::PathBuf;

use quorumlb_raft_store::model::{ConfigDigest, Wanted};
use sha2::{Digest, Sha256};

pub use diagnostic::{Diagnostic, Severity, render};
pub use document::read_service;
pub use files::{MAX_FILE_BYTES, MAX_FILES, MAX_TOTAL_BYTES, SourceFile, manifests};
pub use objects::Secrets;
pub use schema::definitions;

/// What the input says, and what is wrong with it.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The wanted state. With errors it is what could be understood, fit for showing only.
    pub wanted: Wanted,
    /// The name of the `Cluster`, when the input has one.
    pub cluster: Option<String>,
    /// Passwords; never part of the wanted state.
    pub secrets: Secrets,
    /// Every problem, by file, line and column.
    pub diagnostics: Vec<Diagnostic>,
    /// How many documents the input holds, of whatever kind.
    pub documents: usize,
}

impl Loaded {
    /// The digest of the wanted state as it was understood: comments, order and notation do not change it. Worked out when
    /// it is asked for, since a large state takes a while and only a running node has a use for it.
    pub fn digest(&self) -> ConfigDigest {
        digest(&self.wanted)
    }

    /// Whether the input must be refused.
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
    }
}

/// Reads files and folders.
pub fn load(paths: &[PathBuf]) -> Loaded {
    let (files, problems) = files::read_all(paths);
    let mut loaded = read(files);
    if !problems.is_empty() {
        loaded.diagnostics.extend(problems);
        loaded.diagnostics.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
    }
    loaded
}

/// Reads the text of files.
pub fn read(files: Vec<SourceFile>) -> Loaded {
    let report = diagnostic::Report::new(&files);
    let cx = decode::Cx { report: &report, strict: false };
    let mut objects = objects::Objects::default();
    let mut documents = 0;
    for (number, file) in files.iter().enumerate() {
        yaml::parse(number as u32, &file.text, &report, |document| {
            documents += 1;
            kinds::read_document(&document, cx, &mut objects);
        });
    }
    let secrets = std::mem::take(&mut objects.secrets);
    let cluster = objects.cluster.take();
    let wanted = assemble::assemble(objects, cx);
    Loaded { wanted, cluster, secrets, diagnostics: report.finish(), documents }
}

/// The digest of a wanted state: SHA-256 over its objects in their order, each as a line of JSON.
pub fn digest(wanted: &Wanted) -> ConfigDigest {
    let mut hash = Sha256::new();
    let mut line = Vec::new();
    for object in wanted.refs() {
        line.clear();
        // Every object has text keys only, so this cannot fail; a cut-off line would still be deterministic.
        let _ = serde_json::to_writer(&mut line, &object);
        line.push(b'\n');
        hash.update(&line);
    }
    ConfigDigest(hash.finalize().into())
}
