//! `metadata`, with everything that Kubernetes writes there.

use std::collections::BTreeMap;

use quorumlb_raft_store::model::{Age, Labels};

use super::super::diagnostic::Place;
use super::super::yaml::{Node, Value};
use super::selector::{labels, qualified_name_problem};
use super::{Cx, crop, mapping, mismatch};

/// What we need of `metadata`.
#[derive(Clone, Debug)]
pub struct Meta {
    pub name: String,
    /// Where the name stands.
    pub place: Place,
    pub namespace: Option<String>,
    pub labels: Labels,
    pub annotations: BTreeMap<String, Annotation>,
    pub age: Age,
}

/// An annotation's value and where it stands.
#[derive(Clone, Debug)]
pub struct Annotation {
    pub text: String,
    pub key: Place,
    pub place: Place,
}

/// Which names a kind allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameRule {
    /// Up to 253 lower-case letters, digits, `-` and `.`.
    Subdomain,
    /// Up to 63 lower-case letters, digits and `-`, beginning with a letter.
    Label1035,
    /// Up to 63 lower-case letters, digits and `-`.
    Label,
}

impl NameRule {
    /// Why the name is not allowed.
    fn problem(self, name: &str) -> Option<&'static str> {
        let label = |part: &str| {
            let inner = part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
            !part.is_empty() && inner && !part.starts_with('-') && !part.ends_with('-')
        };
        let (good, rule) = match self {
            Self::Subdomain => (
                name.len() <= 253 && name.split('.').all(label),
                "use up to 253 lower-case letters, digits, `-` and `.`, beginning and ending with a letter or digit",
            ),
            Self::Label1035 => (
                name.len() <= 63 && label(name) && name.starts_with(|c: char| c.is_ascii_lowercase()),
                "use up to 63 lower-case letters, digits and `-`, beginning with a letter",
            ),
            Self::Label => (
                name.len() <= 63 && label(name),
                "use up to 63 lower-case letters, digits and `-`, beginning and ending with a letter or digit",
            ),
        };
        (!good).then_some(rule)
    }
}

fn name(rule: NameRule) -> impl Fn(&Node, Cx) -> Option<String> {
    move |node, cx| {
        let name = super::text(node, cx)?;
        if let Some(hint) = rule.problem(&name) {
            cx.report.error(node.place, format!("`{}` is not a valid name", crop(&name)), hint.to_owned());
            return None;
        }
        Some(name)
    }
}

/// Decodes `metadata`.
pub fn metadata(node: &Node, cx: Cx, rule: NameRule) -> Option<Meta> {
    mapping(node, cx, |fields| {
        fields.accept(&["uid", "resourceVersion", "generation", "generateName", "managedFields", "ownerReferences"]);
        fields.accept(&["finalizers", "selfLink", "deletionTimestamp", "deletionGracePeriodSeconds", "clusterName"]);
        let namespace = fields.get("namespace", name(NameRule::Label));
        let labels = fields.get("labels", labels).unwrap_or_default();
        let annotations = fields.get("annotations", annotations).unwrap_or_default();
        let age = fields.get("creationTimestamp", age).unwrap_or_default();
        let name = fields.need("name", name(rule))?;
        let place = fields.node("name")?.place;
        Some(Meta { name, place, namespace, labels, annotations, age })
    })
}

/// Decodes `metadata.annotations`.
pub fn annotations(node: &Node, cx: Cx) -> Option<BTreeMap<String, Annotation>> {
    let Value::Mapping(entries) = &node.value else {
        return mismatch(node, cx, "a mapping of names and texts", None);
    };
    let mut annotations = BTreeMap::new();
    for (key, node) in entries {
        if let Some(problem) = qualified_name_problem(&key.text) {
            cx.report.error(key.place, problem.replace("label key", "annotation key"), None);
        } else if matches!(node.value, Value::Null) {
            let empty = Annotation { text: String::new(), key: key.place, place: node.place };
            annotations.insert(key.text.to_string(), empty);
        } else if let Some(text) = super::text(node, cx) {
            annotations.insert(key.text.to_string(), Annotation { text, key: key.place, place: node.place });
        }
    }
    Some(annotations)
}

fn age(node: &Node, cx: Cx) -> Option<Age> {
    let text = super::text(node, cx)?;
    match text.parse::<jiff::Timestamp>() {
        Ok(time) => Some(Age { created: Some(time.as_second()) }),
        Err(_) => {
            let hint = "as in `2026-01-31T12:00:00Z`".to_owned();
            cx.report.error(node.place, format!("`{}` is not a time", crop(&text)), hint);
            None
        }
    }
}
