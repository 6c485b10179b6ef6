//! YAML (and JSON, which is a part of it) as a tree whose every node knows its place.
//!
//! Documents of a stream are parsed one by one, so that a broken one does not hide the others.

use std::borrow::Cow;
use std::collections::BTreeMap;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput};

use super::diagnostic::{Place, Report};

mod quick;

/// Deeper nesting is refused.
const MAX_DEPTH: usize = 64;
/// Files with more nodes, aliases expanded, are refused.
const MAX_NODES: usize = 1_000_000;

/// A node of the tree. Text that stands in the input as it is meant is borrowed from there.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node<'t> {
    pub place: Place,
    pub value: Value<'t>,
}

/// What a node holds.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value<'t> {
    Null,
    /// Text; `plain` when it was not quoted, so that it may be a number or a boolean.
    Scalar {
        text: Cow<'t, str>,
        plain: bool,
    },
    Sequence(Vec<Node<'t>>),
    Mapping(Vec<(Key<'t>, Node<'t>)>),
}

/// A key of a mapping.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Key<'t> {
    pub text: Cow<'t, str>,
    pub place: Place,
}

impl<'t> Node<'t> {
    /// The value of a key, when this is a mapping that has it.
    pub fn get(&self, key: &str) -> Option<&Node<'t>> {
        match &self.value {
            Value::Mapping(entries) => entries.iter().find(|(k, _)| k.text == key).map(|(_, node)| node),
            _ => None,
        }
    }

    /// The text of a scalar.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }
}

/// Why parsing stopped: where, what, and what would be right.
struct Failure(Place, String, Option<String>);

/// Gives all documents of a file that can be parsed to `take`, one by one, empty ones left out; what cannot is reported.
pub(super) fn parse<'t>(file: u32, text: &'t str, report: &Report, mut take: impl FnMut(Node<'t>)) {
    if let Some(place) = control_character(file, text) {
        report.error(place, "a control character, which YAML does not allow", "is this a text file?".to_owned());
        return;
    }
    let mut budget = MAX_NODES;
    for (first_line, chunk) in split(text) {
        if let Some((node, size)) = quick::document(file, first_line, chunk)
            && let Some(left) = budget.checked_sub(size)
        {
            budget = left;
            take(node);
            continue;
        }
        strictly(file, first_line, chunk, &mut budget, report, &mut take);
    }
}

/// Gives all documents of a text to `take` as the parser sees them.
fn strictly<'t>(
    file: u32,
    first_line: u32,
    chunk: &'t str,
    budget: &mut usize,
    report: &Report,
    take: &mut impl FnMut(Node<'t>),
) {
    let parser = Parser::new_from_str(chunk);
    let mut reader = Reader { parser, chunk, file, first_line, anchors: BTreeMap::new(), budget, report };
    loop {
        match reader.document() {
            Ok(Some(node)) if matches!(node.value, Value::Null) => {}
            Ok(Some(node)) => take(node),
            Ok(None) => break,
            Err(Failure(place, message, hint)) => {
                report.error(place, message, hint);
                break;
            }
        }
    }
}

fn control_character(file: u32, text: &str) -> Option<Place> {
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\n')) {
        return None;
    }
    let bad = |c: char| (c.is_control() && !matches!(c, '\n' | '\r' | '\t' | '\u{85}')) || c == '\u{feff}';
    let at = text.find(bad)?;
    let before = &text[..at];
    let line = before.matches('\n').count() as u32 + 1;
    let column = before.rsplit('\n').next().unwrap_or("").chars().count() as u32 + 1;
    Some(Place { file, line, column, width: 1 })
}

/// Cuts a stream at its document markers (a `---` in the first column is one wherever it stands), each part with the
/// number of lines before it.
fn split(text: &str) -> Vec<(u32, &str)> {
    let mut parts = Vec::new();
    let (mut start, mut start_line) = (0, 0);
    let (mut at, mut number) = (0, 0u32);
    let mut only_directives = true;
    for line in text.split_inclusive('\n') {
        let rest = line.strip_prefix("---");
        let marker = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']));
        if marker && !only_directives {
            parts.push((start_line, &text[start..at]));
            (start, start_line) = (at, number);
        }
        if only_directives {
            let trimmed = line.trim();
            only_directives = !marker && (trimmed.is_empty() || trimmed.starts_with(['#', '%']));
        }
        at += line.len();
        number += 1;
    }
    parts.push((start_line, &text[start..]));
    parts
}

struct Reader<'a, 'r> {
    parser: Parser<'a, StrInput<'a>>,
    chunk: &'a str,
    file: u32,
    first_line: u32,
    anchors: BTreeMap<usize, (Node<'a>, usize)>,
    budget: &'r mut usize,
    report: &'r Report<'r>,
}

impl<'a> Reader<'a, '_> {
    /// The next document, `None` at the end of the stream.
    fn document(&mut self) -> Result<Option<Node<'a>>, Failure> {
        loop {
            let Some((event, span)) = self.next()? else { return Ok(None) };
            match event {
                Event::StreamEnd => return Ok(None),
                Event::Nothing | Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd => {}
                event => return self.node(event, span, 0).map(Some),
            }
        }
    }

    fn next(&mut self) -> Result<Option<(Event<'a>, Span)>, Failure> {
        match self.parser.next_event() {
            None => Ok(None),
            Some(Ok(event)) => Ok(Some(event)),
            Some(Err(error)) => Err(self.syntax(&error)),
        }
    }

    fn place(&self, span: &Span) -> Place {
        let width =
            if span.start.line() == span.end.line() { span.end.col().saturating_sub(span.start.col()) } else { 1 };
        Place {
            file: self.file,
            line: self.first_line + span.start.line() as u32,
            column: span.start.col() as u32 + 1,
            width: width.max(1) as u32,
        }
    }

    fn syntax(&self, error: &ScanError) -> Failure {
        let mark = *error.marker();
        let info = error.info();
        let ended = mark.index() >= self.chunk.trim_end().chars().count();
        let place = if ended { self.end() } else { self.place(&Span::empty(mark)) };
        let hint = if ended {
            "the text ends too early: a bracket, a quote or a value is missing"
        } else if info.contains("tab") {
            "indent with spaces; YAML does not allow tabs there"
        } else if info.contains("eof") || info.contains("end of stream") || info.contains("expected ',' or") {
            "the text ends too early or a bracket or quote is not closed"
        } else {
            "check indentation, quotes and brackets here and on the line before"
        };
        Failure(place, format!("this is not YAML: {info}"), Some(hint.to_owned()))
    }

    /// Behind the last character of the document.
    fn end(&self) -> Place {
        let text = self.chunk.trim_end();
        let line = self.first_line + text.matches('\n').count() as u32 + 1;
        let column = text.rsplit('\n').next().unwrap_or("").chars().count() as u32 + 1;
        Place { file: self.file, line, column, width: 1 }
    }

    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Node<'a>, Failure> {
        let place = self.place(&span);
        if depth > MAX_DEPTH {
            return Err(Failure(place, format!("nested deeper than {MAX_DEPTH} levels"), None));
        }
        self.spend(1, place)?;
        let (value, anchor, tag) = match event {
            Event::Alias(id) => return self.alias(id, place, depth),
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain;
                let value = if plain && is_null(&text) { Value::Null } else { Value::Scalar { text, plain } };
                (value, anchor, tag)
            }
            Event::SequenceStart(anchor, tag) => (Value::Sequence(self.items(depth)?), anchor, tag),
            Event::MappingStart(anchor, tag) => (Value::Mapping(self.entries(depth)?), anchor, tag),
            _ => return Err(Failure(place, "this is not YAML: a value is missing".to_owned(), None)),
        };
        if let Some(tag) = tag {
            let hint = Some("leave the tag out; quote a value that should be text".to_owned());
            return Err(Failure(place, format!("the tag {tag} is not supported"), hint));
        }
        let node = Node { place, value };
        if anchor > 0 {
            let size = size_and_depth(&node);
            self.spend(size.0, place)?;
            self.anchors.insert(anchor, (node.clone(), size.1));
        }
        Ok(node)
    }

    fn spend(&mut self, nodes: usize, place: Place) -> Result<(), Failure> {
        match self.budget.checked_sub(nodes) {
            Some(left) => *self.budget = left,
            None => {
                *self.budget = 0;
                let message = format!("the file holds more than {MAX_NODES} values, its aliases expanded");
                return Err(Failure(place, message, Some("split it, or write the values out".to_owned())));
            }
        }
        Ok(())
    }

    fn alias(&mut self, id: usize, place: Place, depth: usize) -> Result<Node<'a>, Failure> {
        let Some((node, levels)) = self.anchors.get(&id) else {
            return Err(Failure(place, "an alias to an anchor that is not complete here".to_owned(), None));
        };
        if depth + levels > MAX_DEPTH {
            return Err(Failure(place, format!("nested deeper than {MAX_DEPTH} levels by its aliases"), None));
        }
        let node = node.clone();
        self.spend(size_and_depth(&node).0, place)?;
        Ok(node)
    }

    fn items(&mut self, depth: usize) -> Result<Vec<Node<'a>>, Failure> {
        let mut items = Vec::new();
        while let Some((event, span)) = self.next()? {
            if event == Event::SequenceEnd {
                break;
            }
            items.push(self.node(event, span, depth + 1)?);
        }
        Ok(items)
    }

    fn entries(&mut self, depth: usize) -> Result<Vec<(Key<'a>, Node<'a>)>, Failure> {
        let mut entries: Vec<(Key<'a>, Node<'a>)> = Vec::new();
        let mut seen: BTreeMap<Cow<'a, str>, Place> = BTreeMap::new();
        while let Some((event, span)) = self.next()? {
            if event == Event::MappingEnd {
                break;
            }
            let key = self.node(event, span, depth + 1)?;
            let place = key.place;
            let Value::Scalar { text, .. } = key.value else {
                return Err(Failure(place, "a key must be text".to_owned(), template_hint(&key)));
            };
            let Some((event, span)) = self.next()? else { break };
            let value = self.node(event, span, depth + 1)?;
            if text == "<<" {
                let hint = Some("write the fields out".to_owned());
                return Err(Failure(place, "merge keys (<<) are not supported".to_owned(), hint));
            }
            if let Some(first) = first_of(&entries, &mut seen, &text) {
                let hint = format!("it is given first at {}; keep one of them", self.report.locate(first));
                self.report.error(place, format!("the key `{text}` is given twice"), hint);
                continue;
            }
            entries.push((Key { text, place }, value));
        }
        Ok(entries)
    }
}

/// Where a key stands already. Few keys are looked through; of many, `seen` holds those looked at so far.
fn first_of<'a>(
    entries: &[(Key<'a>, Node<'a>)],
    seen: &mut BTreeMap<Cow<'a, str>, Place>,
    text: &str,
) -> Option<Place> {
    const FEW: usize = 16;
    if entries.len() <= FEW {
        return entries.iter().find(|(key, _)| key.text == text).map(|(key, _)| key.place);
    }
    seen.extend(entries[seen.len()..].iter().map(|(key, _)| (key.text.clone(), key.place)));
    seen.get(text).copied()
}

/// Whether an unquoted text stands for nothing.
fn is_null(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

fn template_hint(key: &Node) -> Option<String> {
    matches!(key.value, Value::Mapping(_))
        .then(|| "if this is a template ({{ ... }}), render it first; otherwise quote the text".to_owned())
}

/// How many nodes a tree has, and how many levels.
fn size_and_depth(node: &Node) -> (usize, usize) {
    let fold = |(size, depth): (usize, usize), child: &Node| {
        let (child_size, child_depth) = size_and_depth(child);
        (size + child_size, depth.max(child_depth + 1))
    };
    match &node.value {
        Value::Null | Value::Scalar { .. } => (1, 0),
        Value::Sequence(items) => items.iter().fold((1, 0), fold),
        Value::Mapping(entries) => entries.iter().map(|(_, value)| value).fold((1, 0), fold),
    }
}
