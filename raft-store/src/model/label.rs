//! Labels and label selectors, with the meaning Kubernetes gives them.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// Labels of an object, in the order of their keys. Written out as a map is; in memory a list, since most objects have
/// few labels and there are many objects.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Labels(Vec<(String, String)>);

impl Labels {
    /// No labels.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// The value of a label.
    pub fn get(&self, key: impl AsRef<str>) -> Option<&String> {
        self.place(key.as_ref()).ok().map(|place| &self.0[place].1)
    }

    /// Whether the label is there, whatever its value.
    pub fn contains_key(&self, key: &str) -> bool {
        self.place(key).is_ok()
    }

    /// Sets a label and gives back the value that it had.
    pub fn insert(&mut self, key: String, value: String) -> Option<String> {
        match self.place(&key) {
            Ok(place) => Some(std::mem::replace(&mut self.0[place].1, value)),
            Err(place) => {
                self.0.reserve_exact(1);
                self.0.insert(place, (key, value));
                None
            }
        }
    }

    /// Takes a label away and gives back the value that it had.
    pub fn remove(&mut self, key: &str) -> Option<String> {
        self.place(key).ok().map(|place| self.0.remove(place).1)
    }

    /// All labels, by key.
    pub fn iter(&self) -> impl Iterator<Item = (&String, &String)> {
        self.0.iter().map(|(key, value)| (key, value))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    fn place(&self, key: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(known, _)| known.as_str().cmp(key))
    }
}

impl From<BTreeMap<String, String>> for Labels {
    fn from(labels: BTreeMap<String, String>) -> Self {
        let mut list = Vec::with_capacity(labels.len());
        list.extend(labels);
        Self(list)
    }
}

impl FromIterator<(String, String)> for Labels {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(labels: I) -> Self {
        labels.into_iter().collect::<BTreeMap<_, _>>().into()
    }
}

impl Extend<(String, String)> for Labels {
    fn extend<I: IntoIterator<Item = (String, String)>>(&mut self, labels: I) {
        labels.into_iter().for_each(|(key, value)| drop(self.insert(key, value)));
    }
}

impl<const N: usize> From<[(String, String); N]> for Labels {
    fn from(labels: [(String, String); N]) -> Self {
        labels.into_iter().collect()
    }
}

impl Serialize for Labels {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for Labels {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        BTreeMap::deserialize(deserializer).map(Self::from)
    }
}

/// Anything that has labels.
pub trait LabelLookup {
    /// The value of label `key`, or `None` when the object has no such label.
    fn label(&self, key: &str) -> Option<&str>;
}

impl LabelLookup for Labels {
    fn label(&self, key: &str) -> Option<&str> {
        self.get(key).map(String::as_str)
    }
}

/// A label selector: every requirement must hold. The empty selector selects everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Selector {
    /// Labels that must be there with just this value.
    pub match_labels: BTreeMap<String, String>,
    /// Further requirements.
    pub match_expressions: Vec<Expression>,
}

/// One requirement of a selector.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Expression {
    /// The label.
    pub key: String,
    /// How it is held against `values`.
    pub operator: Operator,
    /// Empty for `Exists` and `DoesNotExist`, not empty for the others.
    pub values: BTreeSet<String>,
}

/// The operators of a label selector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Operator {
    /// The label is there, with one of the values.
    In,
    /// The label is missing, or has another value.
    NotIn,
    /// The label is there.
    Exists,
    /// The label is missing.
    DoesNotExist,
}

impl Selector {
    /// A selector for one label with one value.
    pub fn label(key: impl Into<String>, value: impl Into<String>) -> Self {
        Self { match_labels: BTreeMap::from([(key.into(), value.into())]), match_expressions: Vec::new() }
    }

    /// Whether an object with these labels is selected.
    pub fn matches(&self, labels: &(impl LabelLookup + ?Sized)) -> bool {
        self.match_labels.iter().all(|(key, value)| labels.label(key) == Some(value))
            && self.match_expressions.iter().all(|expression| expression.matches(labels))
    }
}

impl Expression {
    fn matches(&self, labels: &(impl LabelLookup + ?Sized)) -> bool {
        let value = labels.label(&self.key);
        match self.operator {
            Operator::In => value.is_some_and(|value| self.values.contains(value)),
            Operator::NotIn => value.is_none_or(|value| !self.values.contains(value)),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
        }
    }
}

/// Whether any of the selectors matches; an empty list selects everything (the meaning of MetalLB's selector lists).
pub fn any_selects(selectors: &[Selector], labels: &(impl LabelLookup + ?Sized)) -> bool {
    selectors.is_empty() || selectors.iter().any(|selector| selector.matches(labels))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    fn expression(operator: Operator, values: &[&str]) -> Selector {
        let values = values.iter().map(|value| (*value).to_owned()).collect();
        Selector {
            match_labels: BTreeMap::new(),
            match_expressions: vec![Expression { key: "tier".into(), operator, values }],
        }
    }

    #[test]
    fn empty_selects_everything() {
        assert!(Selector::default().matches(&labels(&[])));
        assert!(any_selects(&[], &labels(&[("a", "b")])));
    }

    #[test]
    fn operators_follow_kubernetes() {
        let front = labels(&[("tier", "front")]);
        let none = labels(&[]);
        for (selector, with_front, without) in [
            (expression(Operator::In, &["front"]), true, false),
            (expression(Operator::In, &["back"]), false, false),
            (expression(Operator::NotIn, &["front"]), false, true),
            (expression(Operator::NotIn, &["back"]), true, true),
            (expression(Operator::Exists, &[]), true, false),
            (expression(Operator::DoesNotExist, &[]), false, true),
            (Selector::label("tier", "front"), true, false),
        ] {
            assert_eq!(selector.matches(&front), with_front, "{selector:?}");
            assert_eq!(selector.matches(&none), without, "{selector:?}");
        }
    }
}
