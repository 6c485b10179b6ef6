//! Files and folders: the only part of this module that touches the disk.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::diagnostic::Diagnostic;

/// Larger files are refused.
pub const MAX_FILE_BYTES: u64 = 16 << 20;
/// More than this in all files together is refused.
pub const MAX_TOTAL_BYTES: u64 = 256 << 20;
/// Folders with more manifests are refused.
pub const MAX_FILES: usize = 10_000;
/// Folders may be nested this deep.
const MAX_FOLDER_DEPTH: usize = 16;
const EXTENSIONS: [&str; 3] = ["yaml", "yml", "json"];

/// A file of the input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// What it is called in diagnostics.
    pub path: PathBuf,
    /// What it says.
    pub text: String,
}

impl SourceFile {
    /// A file from its bytes.
    ///
    /// # Errors
    /// When it is too large, or not UTF-8; the place of the first wrong byte is given.
    pub fn from_bytes(path: impl Into<PathBuf>, bytes: Vec<u8>) -> Result<Self, Box<Diagnostic>> {
        let path = path.into();
        if bytes.len() as u64 > MAX_FILE_BYTES {
            let limit = format!("the file is larger than {} MiB", MAX_FILE_BYTES >> 20);
            let hint = "this does not look like a manifest; give only folders and files that hold manifests";
            let diagnostic = Diagnostic::of_file(path, limit, Some(hint.to_owned()));
            return Err(Box::new(Diagnostic { line: 1, column: 1, ..diagnostic }));
        }
        match String::from_utf8(bytes) {
            Ok(text) => Ok(Self { path, text: text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text) }),
            Err(error) => Err(Box::new(not_utf8(path, &error))),
        }
    }
}

fn not_utf8(path: PathBuf, error: &std::string::FromUtf8Error) -> Diagnostic {
    let at = error.utf8_error().valid_up_to();
    let good = String::from_utf8_lossy(&error.as_bytes()[..at]);
    let wrong = error.as_bytes().get(at).copied().unwrap_or_default();
    let line = good.matches('\n').count() as u32 + 1;
    let column = good.rsplit('\n').next().unwrap_or("").chars().count() as u32 + 1;
    let message = format!("the file is not UTF-8 text: unexpected byte 0x{wrong:02x}");
    let hint = Some("manifests are UTF-8; save the file in that encoding".to_owned());
    Diagnostic { line, column, ..Diagnostic::of_file(path, message, hint) }
}

/// Reads files, and folders with all manifests in them and below. Hidden files and folders are left out, so that a
/// mounted ConfigMap (whose files are links into `..data`) is read once; so is a folder that links lead to again.
pub(super) fn read_all(paths: &[PathBuf]) -> (Vec<SourceFile>, Vec<Diagnostic>) {
    let mut reading = Reading::default();
    for path in paths {
        match fs::metadata(path) {
            Err(error) => reading.fail(path, format!("cannot be read: {error}")),
            Ok(meta) if meta.is_dir() => reading.folder(path, 0),
            Ok(meta) if meta.is_file() => reading.file(path),
            Ok(_) => reading.fail(path, "this is neither a folder nor a regular file".to_owned()),
        }
    }
    (reading.files, reading.problems)
}

/// The files that [`super::load`] would read, without reading them: what is to be watched.
pub fn manifests(paths: &[PathBuf]) -> Vec<PathBuf> {
    let mut reading = Reading { listing: Some(Vec::new()), ..Reading::default() };
    for path in paths {
        match fs::metadata(path) {
            Ok(meta) if meta.is_dir() => reading.folder(path, 0),
            Ok(_) | Err(_) => reading.file(path),
        }
    }
    reading.listing.unwrap_or_default()
}

#[derive(Default)]
struct Reading {
    /// Only list: the files found so far.
    listing: Option<Vec<PathBuf>>,
    files: Vec<SourceFile>,
    problems: Vec<Diagnostic>,
    /// Folders that were looked into, by device and inode: links may lead to one again and again.
    visited: BTreeSet<(u64, u64)>,
    seen: usize,
    bytes: u64,
    full: bool,
}

impl Reading {
    fn fail(&mut self, path: &Path, message: String) {
        self.problems.push(Diagnostic::of_file(path, message, None));
    }

    fn folder(&mut self, path: &Path, depth: usize) {
        if depth > MAX_FOLDER_DEPTH {
            return self.fail(path, format!("folders are nested deeper than {MAX_FOLDER_DEPTH}"));
        }
        if let Ok(meta) = fs::metadata(path)
            && !self.visited.insert((meta.dev(), meta.ino()))
        {
            return;
        }
        let entries = match fs::read_dir(path) {
            Ok(entries) => entries,
            Err(error) => return self.fail(path, format!("the folder cannot be read: {error}")),
        };
        let mut names: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        names.sort();
        for entry in names {
            let hidden = entry.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
            if hidden || self.full {
                continue;
            }
            let manifest =
                entry.extension().is_some_and(|extension| EXTENSIONS.iter().any(|known| extension == *known));
            match fs::metadata(&entry) {
                Ok(meta) if meta.is_dir() => self.folder(&entry, depth + 1),
                Ok(meta) if manifest && meta.is_file() => self.file(&entry),
                Ok(_) if manifest => self.fail(&entry, "this is no regular file".to_owned()),
                Err(error) if manifest => self.fail(&entry, format!("cannot be read: {error}")),
                Ok(_) | Err(_) => {}
            }
        }
    }

    fn file(&mut self, path: &Path) {
        self.seen += 1;
        if let Some(listing) = &mut self.listing {
            self.full = self.seen > MAX_FILES;
            listing.push(path.to_owned());
            return;
        }
        if self.seen > MAX_FILES || self.bytes > MAX_TOTAL_BYTES {
            self.full = true;
            let limit = format!("more than {MAX_FILES} files, or more than {} MiB in all", MAX_TOTAL_BYTES >> 20);
            return self.fail(path, format!("the input is too large: {limit}"));
        }
        let mut bytes = Vec::new();
        match fs::File::open(path).and_then(|file| file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)) {
            Err(error) => self.fail(path, format!("cannot be read: {error}")),
            Ok(read) => {
                self.bytes += read as u64;
                match SourceFile::from_bytes(path, bytes) {
                    Ok(file) => self.files.push(file),
                    Err(problem) => self.problems.push(*problem),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_folder_that_links_lead_to_again_is_read_once() {
        let folder = tempfile::tempdir().unwrap();
        let below = folder.path().join("below");
        fs::create_dir(&below).unwrap();
        fs::write(below.join("a.yaml"), "").unwrap();
        symlink(folder.path(), below.join("up")).unwrap();
        symlink(&below, folder.path().join("again")).unwrap();
        let paths = [folder.path().to_owned()];
        let (files, problems) = read_all(&paths);
        assert_eq!((files.len(), problems), (1, Vec::new()));
        assert_eq!(manifests(&paths).len(), 1);
    }

    #[test]
    fn what_is_no_regular_file_is_told_and_never_read() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe.yaml");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        fs::write(folder.path().join("good.yaml"), "").unwrap();
        // To open a pipe that nobody writes to would wait forever.
        for paths in [[folder.path().to_owned()], [pipe.clone()]] {
            let (_, problems) = read_all(&paths);
            assert_eq!(problems.len(), 1, "{problems:?}");
            assert_eq!(problems[0].file, pipe);
            assert!(problems[0].message.contains("regular file"), "{problems:?}");
        }
        assert_eq!(read_all(&[folder.path().to_owned()]).0.len(), 1, "the rest is read");
    }
}
