//! Decoders from the tree to values. They report what is wrong and go on, so that one reading finds every problem.
//!
//! A decoder is `fn(&Node, Cx) -> Option<T>`; `None` means that the problem has been reported.

mod meta;
mod net;
mod scalar;
mod selector;

use std::cell::RefCell;

pub(super) use meta::{Annotation, Meta, NameRule, metadata};
pub(super) use net::{address, block, host, ipv4, network, socket, split_addresses};
pub(super) use scalar::{boolean, choice, duration, duration_in, int, text, text_or_number};
pub(super) use selector::{labels, selector, selectors};

use super::diagnostic::{Place, Report};
use super::yaml::{Key, Node, Value};

/// What every decoder needs.
#[derive(Clone, Copy)]
pub(super) struct Cx<'a> {
    /// Where problems go.
    pub report: &'a Report<'a>,
    /// Whether an unknown field is an error wherever it stands (our own kinds), or only as a near miss.
    pub strict: bool,
}

/// The fields of a mapping while it is decoded. Every field that is asked for counts as known.
pub(super) struct Fields<'n, 'a> {
    pub cx: Cx<'a>,
    pub place: Place,
    entries: &'n [(Key<'n>, Node<'n>)],
    known: RefCell<Vec<&'static str>>,
}

/// Decodes a mapping; what `read` did not ask for is reported afterwards.
pub(super) fn mapping<'a, T>(node: &Node, cx: Cx<'a>, read: impl FnOnce(&Fields<'_, 'a>) -> Option<T>) -> Option<T> {
    let Value::Mapping(entries) = &node.value else {
        return mismatch(node, cx, "a mapping of fields", None);
    };
    let fields = Fields { cx, place: node.place, entries, known: RefCell::default() };
    let value = read(&fields);
    fields.report_unknown();
    value
}

/// Decodes a mapping of which only some fields matter; the others are passed over.
pub(super) fn partial<'a, T>(node: &Node, cx: Cx<'a>, read: impl FnOnce(&Fields<'_, 'a>) -> Option<T>) -> Option<T> {
    let Value::Mapping(entries) = &node.value else {
        return mismatch(node, cx, "a mapping of fields", None);
    };
    read(&Fields { cx, place: node.place, entries, known: RefCell::default() })
}

/// The items of a list.
pub(super) fn items<'n, 't>(node: &'n Node<'t>, cx: Cx) -> Option<&'n [Node<'t>]> {
    let Value::Sequence(items) = &node.value else {
        let hint = matches!(node.value, Value::Scalar { .. }).then(|| "write it as a list: `[...]`".to_owned());
        return mismatch(node, cx, "a list", hint);
    };
    Some(items)
}

/// Decodes every item of a list; the good ones are given back.
pub(super) fn list<T>(node: &Node, cx: Cx, item: impl Fn(&Node, Cx) -> Option<T>) -> Option<Vec<T>> {
    Some(items(node, cx)?.iter().filter_map(|node| item(node, cx)).collect())
}

/// Reports that something else stands where `expected` should.
pub(super) fn mismatch<T>(node: &Node, cx: Cx, expected: &str, hint: Option<String>) -> Option<T> {
    let found = match &node.value {
        Value::Null => "nothing".to_owned(),
        Value::Scalar { text, plain: true } => format!("`{}`", crop(text)),
        Value::Scalar { text, plain: false } => format!("the text \"{}\"", crop(text)),
        Value::Sequence(_) => "a list".to_owned(),
        Value::Mapping(_) => "a mapping".to_owned(),
    };
    cx.report.error(node.place, format!("expected {expected}, found {found}"), hint);
    None
}

/// At most 60 characters of a text, on one line, to be quoted in a message.
pub(super) fn crop(text: &str) -> String {
    const MAX_CHARS: usize = 60;
    let clean: String = text.chars().take(MAX_CHARS).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(MAX_CHARS).is_some() { format!("{clean}...") } else { clean }
}

/// The known word that `word` was probably meant to be.
pub(super) fn near_miss<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let lower = word.to_lowercase();
    let allowed = (word.chars().count() / 3).clamp(1, 3);
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&lower, &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// `a`, `b` or `c`.
pub(super) fn one_of(words: &[&str]) -> String {
    let quoted: Vec<_> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => quoted.concat(),
    }
}

impl<'n, 'a> Fields<'n, 'a> {
    /// The node of a field; `None` when it is missing or null.
    pub fn node(&self, name: &'static str) -> Option<&'n Node<'n>> {
        self.known.borrow_mut().push(name);
        let found = self.entries.iter().find(|(key, _)| key.text == name).map(|(_, node)| node);
        found.filter(|node| !matches!(node.value, Value::Null))
    }

    /// An optional field.
    pub fn get<T>(&self, name: &'static str, decode: impl FnOnce(&Node, Cx<'a>) -> Option<T>) -> Option<T> {
        decode(self.node(name)?, self.cx)
    }

    /// An optional field with a default.
    pub fn or<T>(&self, name: &'static str, default: T, decode: impl FnOnce(&Node, Cx<'a>) -> Option<T>) -> T {
        self.get(name, decode).unwrap_or(default)
    }

    /// A required field.
    pub fn need<T>(&self, name: &'static str, decode: impl FnOnce(&Node, Cx<'a>) -> Option<T>) -> Option<T> {
        match self.node(name) {
            Some(node) => decode(node, self.cx),
            None => {
                let close = self.unknown().into_iter().find(|key| near_miss(&key.text, [name]).is_some());
                match close {
                    // The near miss is reported as an unknown field, which says it all.
                    Some(_) => {}
                    None => {
                        let hint = format!("add `{name}:`");
                        self.cx.report.error(self.place, format!("the field `{name}` is missing here"), hint);
                    }
                }
                None
            }
        }
    }

    /// An optional list; empty when it is missing.
    pub fn list<T>(&self, name: &'static str, item: impl Fn(&Node, Cx) -> Option<T>) -> Vec<T> {
        self.get(name, |node, cx| list(node, cx, &item)).unwrap_or_default()
    }

    /// A required list that must not be empty.
    pub fn need_list<T>(&self, name: &'static str, item: impl Fn(&Node, Cx) -> Option<T>) -> Vec<T> {
        let decode = |node: &Node, cx: Cx| {
            if matches!(&node.value, Value::Sequence(items) if items.is_empty()) {
                cx.report.error(node.place, format!("`{name}` must not be empty"), None);
            }
            list(node, cx, &item)
        };
        self.need(name, decode).unwrap_or_default()
    }

    /// Fields that mean nothing to us and do no harm.
    pub fn accept(&self, names: &[&'static str]) {
        self.known.borrow_mut().extend(names);
    }

    /// A field whose wish we cannot fulfil: a warning says so, unless it has the value that means "off".
    pub fn unhonoured(&self, name: &'static str, off: &[&str], why: &str) {
        if let Some(node) = self.node(name)
            && !node.text().is_some_and(|text| off.contains(&text))
        {
            self.cx.report.warning(self.key_place(name), format!("`{name}` is not honoured: {why}"), None);
        }
    }

    /// Where the name of a field stands, or the mapping when it is missing.
    pub fn key_place(&self, name: &str) -> Place {
        self.entries.iter().find(|(key, _)| key.text == name).map_or(self.place, |(key, _)| key.place)
    }

    /// At most one of two fields may be given; whether that holds.
    pub fn exclusive(&self, one: &'static str, other: &'static str) -> bool {
        let both = self.node(one).is_some() && self.node(other).is_some();
        if both {
            let message = format!("`{one}` and `{other}` exclude each other");
            self.cx.report.error(self.key_place(other), message, "keep one of them".to_owned());
        }
        !both
    }

    fn unknown(&self) -> Vec<&'n Key<'n>> {
        let known = self.known.borrow();
        self.entries.iter().map(|(key, _)| key).filter(|key| !known.contains(&&*key.text)).collect()
    }

    fn report_unknown(&self) {
        let known = self.known.borrow();
        for key in self.unknown() {
            let meant = near_miss(&key.text, known.iter().copied().filter(|name| self.node_is_missing(name)))
                .or_else(|| near_miss(&key.text, known.iter().copied()));
            let message = format!("unknown field `{}`", crop(&key.text));
            match meant {
                Some(meant) => self.cx.report.error(key.place, message, format!("did you mean `{meant}`?")),
                None if self.cx.strict => {
                    let mut names: Vec<_> = known.iter().copied().collect();
                    names.sort_unstable();
                    names.dedup();
                    self.cx.report.error(key.place, message, format!("the fields here are {}", one_of(&names)));
                }
                None => self.cx.report.warning(key.place, format!("{message}; it has no effect"), None),
            }
        }
    }

    fn node_is_missing(&self, name: &str) -> bool {
        !self.entries.iter().any(|(key, _)| key.text == name)
    }
}
