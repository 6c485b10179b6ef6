//! Problems in the input: what they are, where they are, and how they are shown.

use std::cell::{OnceCell, RefCell};
use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

use super::SourceFile;

/// Problems beyond this many are counted, not kept.
const MAX_DIAGNOSTICS: usize = 1_000;
/// Longer lines are cropped in excerpts.
const MAX_EXCERPT_CHARS: usize = 160;

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The input is refused.
    Error,
    /// The input is taken, but something in it does not do what its author may expect.
    Warning,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

/// One problem. Shown (`Display`) as `path:line:column: error: ...` with an excerpt and a hint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// The file it is in.
    pub file: PathBuf,
    /// From 1; 0 when the problem is the file as a whole.
    pub line: u32,
    /// From 1, in characters.
    pub column: u32,
    /// How many characters are meant, at least 1.
    pub width: u32,
    /// What is wrong.
    pub message: String,
    /// What would be right.
    pub hint: Option<String>,
    /// The object that it is about, as `Kind name`.
    pub object: Option<String>,
    /// The line of the source, for showing.
    #[serde(skip)]
    pub excerpt: Option<String>,
}

impl Diagnostic {
    /// A problem of a file as a whole.
    pub(super) fn of_file(file: impl Into<PathBuf>, message: impl Into<String>, hint: Option<String>) -> Self {
        Self {
            severity: Severity::Error,
            file: file.into(),
            line: 0,
            column: 0,
            width: 1,
            message: message.into(),
            hint,
            object: None,
            excerpt: None,
        }
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.display();
        match self.line {
            0 => write!(f, "{file}: ")?,
            line => write!(f, "{file}:{line}:{}: ", self.column)?,
        }
        writeln!(f, "{}: {}", self.severity, self.message)?;
        let gutter = self.line.to_string().len();
        if let Some(excerpt) = &self.excerpt {
            writeln!(f, "{:gutter$} |", "")?;
            writeln!(f, "{} | {}", self.line, excerpt)?;
            let before = (self.column as usize).saturating_sub(1);
            writeln!(f, "{:gutter$} | {:before$}{}", "", "", "^".repeat(self.width.max(1) as usize))?;
        }
        if let Some(hint) = &self.hint {
            writeln!(f, "{:gutter$} = hint: {hint}", "")?;
        }
        if let Some(object) = &self.object {
            writeln!(f, "{:gutter$} = in: {object}", "")?;
        }
        Ok(())
    }
}

/// All problems as text, one after the other, with a last line that counts them.
pub fn render(diagnostics: &[Diagnostic]) -> String {
    let mut text: String = diagnostics.iter().map(|diagnostic| format!("{diagnostic}\n")).collect();
    let count = |severity| diagnostics.iter().filter(|diagnostic| diagnostic.severity == severity).count();
    text.push_str(&format!("{} error(s), {} warning(s)\n", count(Severity::Error), count(Severity::Warning)));
    text
}

/// A place in the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// Index of the file.
    pub file: u32,
    /// From 1.
    pub line: u32,
    /// From 1, in characters.
    pub column: u32,
    /// In characters, at least 1.
    pub width: u32,
}

/// Collects problems while the input is read. Shared by all decoders of one reading.
pub(super) struct Report<'a> {
    files: &'a [SourceFile],
    lines: Vec<OnceCell<Vec<usize>>>,
    object: RefCell<Option<String>>,
    found: RefCell<Vec<Diagnostic>>,
    dropped: RefCell<usize>,
}

impl<'a> Report<'a> {
    pub fn new(files: &'a [SourceFile]) -> Self {
        let lines = files.iter().map(|_| OnceCell::new()).collect();
        Self { files, lines, object: RefCell::default(), found: RefCell::default(), dropped: RefCell::default() }
    }

    /// From here on problems are about this object.
    pub fn enter(&self, object: Option<String>) {
        *self.object.borrow_mut() = object;
    }

    /// The object that problems are about.
    pub fn object(&self) -> Option<String> {
        self.object.borrow().clone()
    }

    pub fn error(&self, place: Place, message: impl Into<String>, hint: impl Into<Option<String>>) {
        self.add(Severity::Error, place, message.into(), hint.into());
    }

    pub fn warning(&self, place: Place, message: impl Into<String>, hint: impl Into<Option<String>>) {
        self.add(Severity::Warning, place, message.into(), hint.into());
    }

    /// `path:line:column` of a place, to point from one problem to another.
    pub fn locate(&self, place: Place) -> String {
        format!("{}:{}:{}", self.files[place.file as usize].path.display(), place.line, place.column)
    }

    fn add(&self, severity: Severity, place: Place, message: String, hint: Option<String>) {
        let mut found = self.found.borrow_mut();
        if found.len() >= MAX_DIAGNOSTICS {
            *self.dropped.borrow_mut() += 1;
            // An error must never hide behind warnings.
            if severity == Severity::Warning || found.iter().any(|known| known.severity == Severity::Error) {
                return;
            }
            found.pop();
        }
        let object = self.object();
        // A line of a Secret may hold a password, which does not belong on a screen or in a log.
        let secret = object.as_deref().is_some_and(|object| object.starts_with("Secret "));
        let file = self.files[place.file as usize].path.clone();
        let (excerpt, column, width) = self.excerpt(place);
        found.push(Diagnostic {
            severity,
            file,
            line: place.line,
            column,
            width,
            message,
            hint,
            object,
            excerpt: (!secret).then_some(excerpt),
        });
    }

    /// The line of a place without control characters, with the column and width that fit it.
    fn excerpt(&self, place: Place) -> (String, u32, u32) {
        let text = &self.files[place.file as usize].text;
        let starts = self.lines[place.file as usize]
            .get_or_init(|| std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect());
        let from = starts.get((place.line as usize).saturating_sub(1)).copied().unwrap_or(text.len());
        let line = text[from..].lines().next().unwrap_or("");
        let clean = |c: char| if c.is_control() { ' ' } else { c };
        let shown: String = line.chars().take(MAX_EXCERPT_CHARS).map(clean).collect();
        let room = (shown.chars().count() as u32 + 1).saturating_sub(place.column).max(1);
        (shown.trim_end().to_owned(), place.column, place.width.clamp(1, room))
    }

    /// What was found, sorted by place, errors and warnings together.
    pub fn finish(self) -> Vec<Diagnostic> {
        let mut found = self.found.into_inner();
        found.sort_by(|a, b| (&a.file, a.line, a.column, a.severity).cmp(&(&b.file, b.line, b.column, b.severity)));
        let dropped = self.dropped.into_inner();
        if let (Some(last), true) = (found.last().map(|last| last.file.clone()), dropped > 0) {
            let severity = Severity::Warning;
            let more = Diagnostic::of_file(last, format!("{dropped} further problems are not shown"), None);
            found.push(Diagnostic { severity, ..more });
        }
        found
    }
}
