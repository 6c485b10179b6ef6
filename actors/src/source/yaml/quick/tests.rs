//! Whatever the quick way takes, the parser sees just so.

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::*;
use crate::source::SourceFile;
use crate::source::diagnostic::Report;
use crate::source::yaml;

const MAX_NODES: usize = 10_000;

/// Holds the two ways against each other. Gives back whether the quick one took the text.
fn agree(text: &str) -> bool {
    let Some((quick, count)) = document(0, 7, text) else { return false };
    let files = [SourceFile { path: "test".into(), text: text.to_owned() }];
    let report = Report::new(&files);
    let (mut budget, mut strict) = (MAX_NODES, Vec::new());
    yaml::strictly(0, 7, text, &mut budget, &report, &mut |node| strict.push(node));
    let found = report.finish();
    assert!(found.is_empty(), "{text}\n{found:?}");
    assert_eq!(strict, [quick], "{text}");
    assert_eq!(MAX_NODES - budget, count, "{text}");
    true
}

#[test]
fn what_large_inputs_are_made_of_is_taken() {
    let service = "---\napiVersion: v1\nkind: Service\nmetadata:\n  name: web\n  labels:\n    app.kubernetes.io/name: web\n\
        spec:\n  # its address\n  clusterIP: 10.200.0.1\n  clusterIPs:\n  - 10.200.0.1\n  - fd00::1\n\n  ports:\n  \
        - name: http\n    port: 80\n  - {name: dns, protocol: UDP, port: 53, to: [\"a b\", '1']}\n  \
        note: some words, and more\n  none: null\n  quoted: \"80\"\n  stamp: 2026-01-31T12:00:00Z\n";
    assert!(agree(service));
    assert!(agree(service.trim_start_matches("---\n").trim_end()));
    assert!(agree("a:\n- b: c\n  d:\n  - e\n- f\ng: {}\nh: []\n"));
}

#[test]
fn what_is_not_plain_is_left_to_the_parser() {
    let texts = [
        "",
        "---\n",
        "a\n",
        "- a\n",
        "[a]\n",
        "{a: b}\n",
        "a: b\na: c\n",
        "a: |\n  b\n",
        "a: &b c\n",
        "a: *b\n",
        "a: !c d\n",
        "a: b\n  c\n",
        "a: 'it''s'\n",
        "a: \"b\\n\"\n",
        "a: b # c\n",
        "a: b \n",
        "a:\tb\n",
        "a: b\r\n",
        "a: \u{e4}\n",
        "a: b: c\n",
        "a: [b,\n  c]\n",
        "a: {b: c\n",
        "a: {b}\n",
        "a: [b, ]\n",
        "? a\n: b\n",
        "<<: {a: b}\n",
        "null: a\n",
        "a:\n",
        "a:\nb: c\n",
        "  a: b\n",
        "a: b\n...\n",
        "--- a: b\n",
        "%YAML 1.2\n---\na: b\n",
        "a:\n    b: c\n  d: e\n",
        "a:\n- b\n c: d\n",
        "{{ a }}: b\n",
    ];
    for text in texts {
        assert!(document(0, 0, text).is_none(), "{text:?}");
    }
}

#[test]
fn manifests_are_seen_alike() {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/manifests")];
    let (mut taken, mut seen) = (0, 0);
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            let text = |path: &PathBuf| fs::read(path).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            match path.is_dir() {
                true => folders.push(path),
                false => {
                    let text =
                        text(&path).filter(|text| yaml::control_character(0, text).is_none()).unwrap_or_default();
                    for (_, chunk) in yaml::split(&text) {
                        seen += 1;
                        taken += u32::from(agree(chunk));
                    }
                }
            }
        }
    }
    assert!(taken * 3 > seen, "{taken} of {seen}");
}

/// Lines and parts of lines that together are YAML now and then.
const PARTS: [&str; 44] = [
    "a: b\n",
    "a:\n",
    "b: ",
    "c",
    "- ",
    "-",
    "  ",
    "    ",
    " ",
    "\n",
    "\n",
    "d:\n",
    "- e: f\n",
    "  g: h\n",
    "  - i\n",
    "{",
    "}",
    "[",
    "]",
    ", ",
    ",",
    ": ",
    ":",
    "# j\n",
    " #k",
    "\"l\"",
    "'m'",
    "null",
    "~",
    "80",
    "-1",
    "fd00::1",
    "::",
    "10.0.0.0/8",
    "---\n",
    "x y",
    "true",
    "e.f/g-h: ",
    "{n: o}",
    "[p, q]",
    "\"",
    "'",
    "=",
    "\\",
];

/// A tree, written out in one of its ways.
#[derive(Clone, Debug)]
enum Tree {
    Text(&'static str),
    Flow(&'static str),
    List(Vec<Tree>),
    Map(Vec<(u8, Tree)>),
}

fn tree() -> impl Strategy<Value = Tree> {
    let texts = vec![
        "a",
        "some words",
        "80",
        "1.5",
        "fd00::1",
        "a=b,c",
        "\"q: r\"",
        "''",
        "null",
        "10.0.0.1:80",
        "x: y",
        "-",
        "a b:c",
    ];
    let flows = vec![
        "{}",
        "[]",
        "{a: b}",
        "[a, b]",
        "{a: [1, {b: c}], d: \"e, f\"}",
        "[a,b]",
        "{a: b, a: c}",
        "[::1]",
        "{a: b }",
    ];
    let leaf = prop_oneof![4 => prop::sample::select(texts).prop_map(Tree::Text), 1 => prop::sample::select(flows).prop_map(Tree::Flow)];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..4).prop_map(Tree::List),
            prop::collection::vec((0..12_u8, inner), 1..5).prop_map(Tree::Map),
        ]
    })
}

impl Tree {
    /// Writes it behind a key or a dash. `step` is how far maps are indented, `flush` whether lists are not.
    fn write(&self, indent: usize, step: usize, flush: bool, out: &mut String) {
        match self {
            Self::Text(text) | Self::Flow(text) => *out += &format!(" {text}\n"),
            Self::List(items) => {
                *out += "\n";
                let indent = if flush { indent } else { indent + step };
                for item in items {
                    *out += &format!("{:indent$}-", "");
                    item.compact(indent + 2, step, flush, out);
                }
            }
            Self::Map(entries) => {
                *out += "\n";
                Self::entries(entries, indent + step, step, flush, out);
            }
        }
    }

    fn entries(entries: &[(u8, Self)], indent: usize, step: usize, flush: bool, out: &mut String) {
        for (key, value) in entries {
            *out += &format!("{:indent$}k{key}:", "");
            value.write(indent, step, flush, out);
        }
    }

    /// A map begins on the line of its dash.
    fn compact(&self, indent: usize, step: usize, flush: bool, out: &mut String) {
        match self {
            Self::Map(entries) => {
                let mut text = String::new();
                Self::entries(entries, indent, step, flush, &mut text);
                *out += &format!(" {}", text.trim_start_matches(' '));
            }
            other => other.write(indent, step, flush, out),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_text_is_seen_alike(parts in prop::collection::vec(prop::sample::select(&PARTS[..]), 0..24)) {
        let text = parts.concat();
        yaml::split(&text).into_iter().for_each(|(_, chunk)| _ = agree(chunk));
    }

    #[test]
    fn any_tree_is_seen_alike(
        entries in prop::collection::vec((0..12_u8, tree()), 1..5),
        step in 1..4_usize,
        flush in any::<bool>(),
        change in prop::option::of((any::<prop::sample::Index>(), prop::sample::select(&PARTS[..]))),
    ) {
        let mut text = String::new();
        Tree::entries(&entries, 0, step, flush, &mut text);
        if let Some((place, part)) = change {
            text.insert_str(place.index(text.len()), part);
        }
        yaml::split(&text).into_iter().for_each(|(_, chunk)| _ = agree(chunk));
    }
}
