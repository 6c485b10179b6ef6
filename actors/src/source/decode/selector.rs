//! Labels and label selectors, checked as Kubernetes checks them.

use std::collections::{BTreeMap, BTreeSet};

use quorumlb_raft_store::model::{Expression, Labels, Operator, Selector};

use super::super::yaml::{Node, Value};
use super::scalar::{choice, text};
use super::{Cx, Fields, crop, list, mapping, mismatch};

const LABEL_MAX: usize = 63;
const PREFIX_MAX: usize = 253;

/// Why a text is no label key (or annotation key): an optional DNS prefix and a name.
pub fn qualified_name_problem(key: &str) -> Option<String> {
    let (prefix, name) = match key.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    };
    let in_prefix = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.');
    if prefix.is_some_and(|p| p.is_empty() || p.len() > PREFIX_MAX || !p.chars().all(in_prefix) || !edges(p)) {
        return Some(format!("`{}` is not a label key: the part before the slash must be a domain name", crop(key)));
    }
    if name.is_empty() || name.len() > LABEL_MAX || !word(name) {
        return Some(format!(
            "`{}` is not a label key: its name is 1 to 63 letters, digits, `-`, `_` and `.`, beginning and ending with a \
             letter or digit",
            crop(key)
        ));
    }
    None
}

/// Why a text is no label value.
pub fn label_value_problem(value: &str) -> Option<String> {
    let good = value.is_empty() || (value.len() <= LABEL_MAX && word(value));
    (!good).then(|| {
        format!(
            "`{}` is not a label value: at most 63 letters, digits, `-`, `_` and `.`, beginning and ending with a letter or \
             digit",
            crop(value)
        )
    })
}

fn word(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')) && edges(text)
}

fn edges(text: &str) -> bool {
    let good = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    good(text.chars().next()) && good(text.chars().next_back())
}

fn pairs<M: Default + Extend<(String, String)>>(
    node: &Node,
    cx: Cx,
    value: impl Fn(&Node, Cx) -> Option<String>,
) -> Option<M> {
    let Value::Mapping(entries) = &node.value else {
        return mismatch(node, cx, "a mapping of names and texts", None);
    };
    let mut pairs = M::default();
    for (key, node) in entries {
        if let Some(problem) = qualified_name_problem(&key.text) {
            cx.report.error(key.place, problem, None);
        } else if let Some(value) = value(node, cx) {
            pairs.extend([(key.text.to_string(), value)]);
        }
    }
    Some(pairs)
}

fn label_value(node: &Node, cx: Cx) -> Option<String> {
    if matches!(node.value, Value::Null) {
        return Some(String::new());
    }
    let value = text(node, cx)?;
    match label_value_problem(&value) {
        Some(problem) => {
            cx.report.error(node.place, problem, None);
            None
        }
        None => Some(value),
    }
}

/// `metadata.labels`.
pub fn labels(node: &Node, cx: Cx) -> Option<Labels> {
    pairs(node, cx, label_value)
}

/// A plain map of labels that select.
pub fn match_labels(node: &Node, cx: Cx) -> Option<BTreeMap<String, String>> {
    pairs(node, cx, label_value)
}

/// A label selector.
pub fn selector(node: &Node, cx: Cx) -> Option<Selector> {
    mapping(node, cx, |fields| {
        let match_labels = fields.get("matchLabels", match_labels).unwrap_or_default();
        let match_expressions = fields.list("matchExpressions", expression);
        Some(Selector { match_labels, match_expressions })
    })
}

/// A list of label selectors.
pub fn selectors(node: &Node, cx: Cx) -> Option<Vec<Selector>> {
    list(node, cx, selector)
}

const OPERATORS: [(&str, Operator); 4] = [
    ("In", Operator::In),
    ("NotIn", Operator::NotIn),
    ("Exists", Operator::Exists),
    ("DoesNotExist", Operator::DoesNotExist),
];

fn expression(node: &Node, cx: Cx) -> Option<Expression> {
    mapping(node, cx, |fields| {
        let key = fields.need("key", text);
        let operator = fields.need("operator", choice(&OPERATORS));
        let values: BTreeSet<String> = fields.list("values", label_value).into_iter().collect();
        let (key, operator) = (key?, operator?);
        if let Some(problem) = qualified_name_problem(&key) {
            cx.report.error(fields.node("key")?.place, problem, None);
        }
        check_values(fields, operator, &values);
        Some(Expression { key, operator, values })
    })
}

fn check_values(fields: &Fields, operator: Operator, values: &BTreeSet<String>) {
    let report = fields.cx.report;
    let given = fields.node("values").is_some_and(|node| !matches!(&node.value, Value::Sequence(v) if v.is_empty()));
    match operator {
        Operator::In | Operator::NotIn if !given && values.is_empty() => {
            let message = format!("the operator `{operator:?}` needs `values`");
            report.error(fields.key_place("operator"), message, "give the values in a list".to_owned());
        }
        Operator::Exists | Operator::DoesNotExist if given => {
            let message = format!("the operator `{operator:?}` takes no `values`");
            report.error(fields.key_place("values"), message, "leave `values` out, or use `In`".to_owned());
        }
        _ => {}
    }
}
